//! Answers: each a JSON object that says of what type it is.

mod account;
mod consumer;
mod message;
mod page;
mod pub_ack;
mod stream;

use serde::Serialize;

use crate::api::subject::{Call, ConsumerCall, StreamAction};
use crate::error::ApiError;
use crate::json::to_json;

pub use account::{AccountInfo, AccountInfoLimits, ApiUse, TierInfo};
pub use consumer::{ConsumerInfo, ConsumerPaused, ConsumerReset, SequencePair};
pub use message::{MessageShown, StoredMessage};
pub use page::{
    CONSUMER_LIST_MAX, CONSUMER_NAMES_MAX, ConsumerList, ConsumerNames, Page, STREAM_LIST_MAX,
    STREAM_NAMES_MAX, STREAM_SUBJECTS_MAX, StreamList, StreamNames,
};
pub use pub_ack::{PubAck, refuse_publish};
pub use stream::{
    ClusterInfo, Purged, SourceInfo, StreamAlternate, StreamCreated, StreamInfo, StreamInfoPage, StreamState,
    Success,
};

#[derive(Serialize)]
struct Typed<'a, T> {
    #[serde(rename = "type")]
    type_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ApiError>,
    #[serde(flatten)]
    body: T,
}

fn typed<T: Serialize>(call: &Call<'_>, error: Option<&ApiError>, body: T) -> Vec<u8> {
    to_json(&Typed {
        type_name: format!("io.nats.jetstream.api.v1.{}_response", call.response_name()),
        error,
        body,
    })
}

/// The bytes of an answer.
pub fn answer<T: Serialize>(call: &Call<'_>, body: T) -> Vec<u8> {
    typed(call, None, body)
}

/// The bytes of a refusal, with the fields that stock servers have even then.
pub fn refuse(call: &Call<'_>, error: &ApiError) -> Vec<u8> {
    #[derive(Serialize)]
    struct Nothing {}
    #[derive(Serialize)]
    struct NoSubject {
        deliver_subject: &'static str,
    }
    let error = Some(error);
    match call {
        Call::StreamNames => typed(call, error, StreamNames::default()),
        Call::StreamList => typed(call, error, StreamList::default()),
        Call::Stream { action, .. } => match action {
            StreamAction::Info => typed(call, error, Page::default()),
            StreamAction::Purge => typed(call, error, Purged::default()),
            StreamAction::ConsumerNames => typed(call, error, ConsumerNames::default()),
            StreamAction::ConsumerList => typed(call, error, ConsumerList::default()),
            StreamAction::Restore => typed(call, error, NoSubject { deliver_subject: "" }),
            _ => typed(call, error, Nothing {}),
        },
        Call::Consumer {
            action: ConsumerCall::Pause,
            ..
        } => typed(call, error, ConsumerPaused::default()),
        _ => typed(call, error, Nothing {}),
    }
}
