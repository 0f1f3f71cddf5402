//! Where the replies to an internal request arrive.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tollway_wire::Message;

use super::bounds::{INTERNAL_REPLIES_MAX, INTERNAL_REPLY_BYTES_MAX};
use super::internal::InternalReply;

/// The receiving end of an internal client. What does not fit is refused, as a
/// slow consumer's messages are.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    replies: VecDeque<InternalReply>,
    received: usize,
    received_bytes: usize,
}

impl Inbox {
    /// Takes a copy of a message; false when there is no room for it.
    pub(crate) fn push(&self, message: &Message<'_>) -> bool {
        let mut state = self.state.lock();
        let bytes = state.received_bytes + message.body().len();
        if state.received >= INTERNAL_REPLIES_MAX || bytes > INTERNAL_REPLY_BYTES_MAX {
            return false;
        }
        state.received += 1;
        state.received_bytes = bytes;
        state.replies.push_back(InternalReply {
            headers: Bytes::copy_from_slice(message.headers().unwrap_or_default()),
            payload: Bytes::copy_from_slice(message.payload()),
        });
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// The next reply, as soon as there is one.
    pub(crate) async fn next(&self) -> InternalReply {
        loop {
            if let Some(reply) = self.state.lock().replies.pop_front() {
                return reply;
            }
            // A push between the look and this line left a permit: it returns at once.
            self.arrived.notified().await;
        }
    }
}
