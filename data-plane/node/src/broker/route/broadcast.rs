//! Messages that follow each other to the same receivers.
//!
//! To decide about each of a thousand receivers anew for each message means to fetch its
//! subscription, its client and its staging buffer from memory each time, and that cost more than
//! sending. So the messages of a turn to the same subject are collected, and then each receiver is
//! asked once and given all of them. What is the same for all receivers is made once: a delivery
//! differs by the subscription's id only, and clients of one program mostly use the same one.

use std::sync::Arc;

use tollway_wire::{Message, encoder};

use super::{Publisher, metered_bytes, steps_each};
use crate::broker::bounds::{BROADCAST_RECEIVERS_MIN, BROADCAST_STEPS_MAX, STAGING_BUFFER_KEEP_MAX};
use crate::broker::client::Sink;
use crate::broker::meters::Tally;
use crate::broker::staging::Staging;
use crate::broker::subscription::Subscription;

/// What a delivery has beside subject, id and body, about.
const LINE_EXTRA: usize = 16;

/// Messages without a reply subject, to one subject. One per thread, empty between turns.
#[derive(Default)]
pub(crate) struct Broadcast {
    subject: Vec<u8>,
    /// One behind the other.
    bodies: Vec<u8>,
    messages: Vec<Collected>,
    receivers: usize,
    /// Bytes of all their subscriptions' ids.
    sids: usize,
    block: Block,
}

struct Collected {
    body_end: usize,
    header_len: usize,
}

/// What receivers read who call their subscription the same.
#[derive(Default)]
struct Block {
    sid: Vec<u8>,
    understands_headers: bool,
    bytes: Vec<u8>,
    /// What the messages up to each of them come to: where they end in `bytes`, and the meters' sum.
    sums: Vec<(usize, Tally)>,
}

impl Broadcast {
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Where the messages go.
    pub(crate) fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// Messages to these receivers are to come.
    pub(crate) fn begin(&mut self, subject: &[u8], receivers: &[Arc<Subscription>]) {
        debug_assert!(self.messages.is_empty(), "what was collected before is delivered");
        self.subject.extend_from_slice(subject);
        self.receivers = receivers.len();
        self.sids = receivers.iter().map(|receiver| receiver.sid.len()).sum();
    }

    /// Takes one more message. Gives how many receivers it has, and the bytes for all of them.
    pub(crate) fn add(&mut self, message: &Message<'_>) -> (usize, usize) {
        debug_assert!(self.subject == message.subject && message.reply.is_none());
        self.bodies.extend_from_slice(message.body());
        self.messages.push(Collected {
            body_end: self.bodies.len(),
            header_len: message.header_len(),
        });
        let each = LINE_EXTRA + self.subject.len() + message.body().len();
        (self.receivers, self.receivers * each + self.sids)
    }

    /// The messages in their order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        messages(&self.subject, &self.bodies, &self.messages)
    }

    /// The first `count` messages as a receiver reads them, and what they are in the meters.
    pub(crate) fn deliveries(
        &mut self,
        count: usize,
        sid: &[u8],
        understands_headers: bool,
    ) -> (&[u8], Tally) {
        let block = &mut self.block;
        if block.sums.is_empty() || block.sid != sid || block.understands_headers != understands_headers {
            block.clear();
            block.sid.extend_from_slice(sid);
            block.understands_headers = understands_headers;
            let mut tally = Tally::default();
            for message in messages(&self.subject, &self.bodies, &self.messages) {
                encoder::message(&mut block.bytes, &message, sid, understands_headers);
                tally.count(metered_bytes(&message.for_receiver(understands_headers)));
                block.sums.push((block.bytes.len(), tally));
            }
        }
        let (end, tally) = match count {
            0 => Default::default(),
            count => block.sums[count - 1],
        };
        (&block.bytes[..end], tally)
    }

    /// Forgets the messages, and keeps room for as many as are usual.
    pub(crate) fn clear(&mut self) {
        self.subject.clear();
        self.bodies.clear();
        self.bodies.shrink_to(STAGING_BUFFER_KEEP_MAX);
        self.messages.clear();
        self.block.clear();
        self.block.bytes.shrink_to(STAGING_BUFFER_KEEP_MAX);
    }
}

impl Block {
    fn clear(&mut self) {
        self.sid.clear();
        self.bytes.clear();
        self.sums.clear();
    }
}

fn messages<'b>(
    subject: &'b [u8],
    bodies: &'b [u8],
    messages: &'b [Collected],
) -> impl Iterator<Item = Message<'b>> {
    let mut begin = 0;
    messages.iter().map(move |message| {
        let body = &bodies[begin..message.body_end];
        begin = message.body_end;
        Message::with_headers(subject, None, body, message.header_len)
            .expect("the sizes are those of a message")
    })
}

impl Publisher {
    /// Whether a message goes to the same several receivers as what was collected, or begins a
    /// collection. Not when it is worth a pause in the middle, or anybody hears of it at once.
    pub(super) fn is_broadcast(&self, message: &Message<'_>) -> bool {
        let receivers = self.memo.plain.len();
        receivers >= BROADCAST_RECEIVERS_MIN
            && self.memo.groups.is_empty()
            && message.reply.is_none()
            && receivers * steps_each(message) <= BROADCAST_STEPS_MAX
            && !self.client.verbose
            && !self.client.pedantic
    }

    /// Whether a message goes where the collected ones go.
    pub(super) fn joins_broadcast(&self, message: &Message<'_>, generation: u64) -> bool {
        generation == self.memo.generation
            && self.memo.subject == message.subject
            && self.is_broadcast(message)
    }

    /// Collects a message. Gives how many receivers it has.
    pub(super) fn collect(&self, message: &Message<'_>, staging: &mut Staging) -> usize {
        if staging.broadcast.is_empty() {
            staging.broadcast.begin(message.subject, &self.memo.plain);
        }
        staging.collect(message);
        self.memo.plain.len()
    }

    /// Delivers what was collected. To be called before something else is staged, lest it overtakes.
    pub(crate) fn settle_broadcast(&mut self, staging: &mut Staging) {
        if !staging.broadcast.is_empty() {
            self.deliver_broadcast(staging);
        }
    }

    #[inline(never)]
    fn deliver_broadcast(&mut self, staging: &mut Staging) {
        let mut broadcast = std::mem::take(&mut staging.broadcast);
        for subscription in &self.memo.plain {
            self.deliver_together(subscription, &mut broadcast, staging);
        }
        broadcast.clear();
        staging.broadcast = broadcast;
    }

    fn deliver_together(
        &self,
        subscription: &Arc<Subscription>,
        broadcast: &mut Broadcast,
        staging: &mut Staging,
    ) {
        if !self.may_have(subscription, broadcast.subject()) {
            return;
        }
        let client = &subscription.client;
        let allowance = subscription.take_deliveries(broadcast.len());
        if allowance.count == 0 {
            return;
        }
        match &client.sink {
            Sink::Socket(outbound) => {
                let (bytes, tally) = broadcast.deliveries(allowance.count, &subscription.sid, client.headers);
                staging.messages(outbound, || self.memo.side(&client.account), bytes, tally);
            }
            Sink::Inbox(inbox) => {
                for message in broadcast.messages().take(allowance.count) {
                    inbox.push(&message);
                }
            }
            Sink::System(service) => {
                for message in broadcast.messages().take(allowance.count) {
                    service.ask(&client.account, &self.client, &message);
                }
            }
        }
        if allowance.is_last {
            client.finish_subscription(subscription);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_receiver_is_given_what_it_would_be_given_message_by_message() {
        let headers = b"NATS/1.0\r\nA: b\r\n\r\n";
        let with_headers = [&headers[..], b"two"].concat();
        let sent = [
            Message::new(b"a.b", None, b"one"),
            Message::with_headers(b"a.b", None, &with_headers, headers.len()).unwrap(),
            Message::new(b"a.b", None, b""),
        ];
        let mut broadcast = Broadcast::default();
        for round in 0..2 {
            broadcast.begin(b"a.b", &[]);
            sent.iter().for_each(|message| {
                broadcast.add(message);
            });
            assert_eq!(broadcast.messages().collect::<Vec<_>>(), sent, "round {round}");
            for (sid, understands) in [
                (&b"1"[..], true),
                (b"1", true),
                (b"1", false),
                (b"27", false),
                (b"27", true),
            ] {
                for count in 0..=sent.len() {
                    let (mut expected, mut tally) = (Vec::new(), Tally::default());
                    for message in &sent[..count] {
                        encoder::message(&mut expected, message, sid, understands);
                        tally.count(metered_bytes(&message.for_receiver(understands)));
                    }
                    let given = broadcast.deliveries(count, sid, understands);
                    assert_eq!(given, (&expected[..], tally), "{count} to {sid:?}");
                }
            }
            broadcast.clear();
            assert!(broadcast.is_empty());
        }
    }
}
