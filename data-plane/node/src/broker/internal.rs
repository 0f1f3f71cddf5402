//! Requests of the control plane, run as an internal client of the account.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE32_NOPAD;
use tollway_claims::{ConnectionFacts, ConnectionType, Limit, Proof, PublicKey};
use tollway_subject::{Filter, is_literal_subject};
use tollway_wire::headers::HeaderBlock;
use tollway_wire::{Message, ProtocolError};

use super::behind_others::behind_others;
use super::bounds::{INTERNAL_DEADLINE_MAX, INTERNAL_REPLIES_MAX};
use super::client::{Client, ClientOptions, Sink};
use super::inbox::Inbox;
use super::login::{Admission, admit};
use super::refusals::Refusal;
use super::route::{Published, Publisher};
use super::scratch;
use super::shared::{Shared, unix_now};
use super::subscription::Subscription;

/// Something to ask inside an account.
#[derive(Debug, Clone)]
pub struct InternalRequest {
    /// The account that the control plane named; the JWT must be of the same one.
    pub account: PublicKey,
    /// A user JWT signed for that account. It passes the same checks as that of
    /// any client, as connection type `IN_PROCESS`; only the signature over a
    /// nonce is missing, because the fleet stream is the proof.
    pub user_jwt: String,
    /// The request's id, for log lines.
    pub request_id: String,
    /// What to publish to.
    pub subject: Bytes,
    /// A header block (`NATS/1.0\r\n...\r\n\r\n`), or empty.
    pub headers: Bytes,
    /// The payload.
    pub payload: Bytes,
    /// How long to wait for all replies together.
    pub deadline: Duration,
    /// How many replies to wait for; 0 counts as 1.
    pub replies_max: usize,
}

/// One answer to an [`InternalRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalReply {
    /// The header block as the responder sent it, or empty.
    pub headers: Bytes,
    /// The payload.
    pub payload: Bytes,
}

/// Why an internal request had no (further) answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InternalRequestError {
    /// Nobody is subscribed to the subject.
    #[error("nobody is subscribed to the subject")]
    NoResponders,
    /// Not one reply arrived in time. With some replies the request succeeds.
    #[error("no reply arrived within {0:?}")]
    DeadlineExceeded(Duration),
    /// The user's permissions do not allow to publish this, or to receive the answer.
    #[error("the user may not {0}")]
    PermissionDenied(String),
    /// This node has no document for the account.
    #[error("this node does not serve the account")]
    AccountNotServed,
    /// The user JWT is refused.
    #[error("the user is refused: {reason}")]
    Unauthorized {
        /// The deciding rule, a stable word.
        rule: &'static str,
        /// One sentence.
        reason: String,
    },
    /// The request itself cannot be sent.
    #[error("the request cannot be sent: {0}")]
    InvalidRequest(String),
}

impl InternalRequestError {
    /// The stable word of the fleet protocol.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoResponders => "no_responders",
            Self::DeadlineExceeded(_) => "deadline_exceeded",
            Self::PermissionDenied(_) => "permission_denied",
            Self::AccountNotServed => "account_not_served",
            Self::Unauthorized { .. } => "unauthorized",
            Self::InvalidRequest(_) => "invalid_request",
        }
    }
}

/// Publishes the request and collects replies.
pub(crate) async fn run(
    shared: &Shared,
    request: InternalRequest,
) -> Result<Vec<InternalReply>, InternalRequestError> {
    let body = check(&request)?;
    let deadline = request.deadline.min(INTERNAL_DEADLINE_MAX);
    let replies_max = request.replies_max.clamp(1, INTERNAL_REPLIES_MAX);
    let ends = tokio::time::Instant::now() + deadline;

    let inbox = Arc::new(Inbox::default());
    let client = log_in(shared, &request, &inbox)?;
    let replies_to = subscribe(&client)?;
    let message = Message::with_headers(
        &request.subject,
        Some(replies_to.subject()),
        &body,
        request.headers.len(),
    )
    .expect("the body begins with the headers");
    let mut publisher = Publisher::new(client.clone());
    loop {
        let published = scratch::with(|scratch| {
            let published = publisher.publish(&message, &mut scratch.staging);
            publisher.flush(&mut scratch.staging);
            shared.make_room_after(Some(&client.account), &mut scratch.staging);
            published
        });
        while publisher.is_flushing() {
            behind_others().await;
            scratch::with(|scratch| {
                publisher.go_on_flushing(&mut scratch.staging);
                shared.make_room_after(Some(&client.account), &mut scratch.staging);
            });
        }
        match published {
            Ok(Published::Unfinished) => behind_others().await,
            Ok(Published::Delivered(0)) => return Err(InternalRequestError::NoResponders),
            Ok(Published::Delivered(_)) => break,
            Err(refused) => return Err(denied(&refused)),
        }
    }

    let mut replies = Vec::new();
    while replies.len() < replies_max {
        match tokio::time::timeout_at(ends, inbox.next()).await {
            Ok(reply) => replies.push(reply),
            Err(_) if replies.is_empty() => return Err(InternalRequestError::DeadlineExceeded(deadline)),
            Err(_) => break,
        }
    }
    Ok(replies)
}

/// Checks what the ordinary decoder would have checked; gives headers and payload in one piece.
fn check(request: &InternalRequest) -> Result<Vec<u8>, InternalRequestError> {
    let invalid = |reason: String| Err(InternalRequestError::InvalidRequest(reason));
    if !is_literal_subject(&request.subject) {
        return invalid("the subject must be literal, without empty tokens, blanks or wildcards".into());
    }
    if !request.headers.is_empty()
        && let Err(error) = HeaderBlock::new(&request.headers)
    {
        return invalid(error.to_string());
    }
    Ok([&request.headers[..], &request.payload[..]].concat())
}

fn log_in(
    shared: &Shared,
    request: &InternalRequest,
    inbox: &Arc<Inbox>,
) -> Result<Arc<Client>, InternalRequestError> {
    let facts = ConnectionFacts {
        proof: Proof::FleetStream,
        client_ip: None,
        connection_type: ConnectionType::InProcess,
        now: unix_now(),
    };
    if shared.account(&request.account).is_none() {
        return Err(InternalRequestError::AccountNotServed);
    }
    let refused = |refusal: Refusal| {
        tracing::warn!(
            request_id = request.request_id,
            account = %request.account,
            rule = refusal.rule,
            "internal request refused"
        );
        InternalRequestError::Unauthorized {
            rule: refusal.rule,
            reason: refusal.reason,
        }
    };
    let Admission { account, user, .. } = admit(shared, &request.user_jwt, &facts).map_err(refused)?;
    if account.key != request.account {
        let reason = format!("the user belongs to {}", account.key);
        return Err(refused(Refusal {
            rule: "other_account",
            reason,
            account: Some(account.key),
        }));
    }
    let size = request.headers.len() + request.payload.len();
    let server = shared.settings.max_payload as u64;
    let size_max = account
        .served()
        .limits
        .payload_bytes_effective(user.limits.payload, server);
    if size as u64 > size_max {
        let reason = format!("it has {size} bytes, and at most {size_max} are allowed");
        return Err(InternalRequestError::InvalidRequest(reason));
    }
    let options = ClientOptions {
        headers: true,
        echo: false,
        no_responders: false,
        pedantic: false,
        verbose: false,
    };
    let sink = Sink::Inbox(inbox.clone());
    Ok(Arc::new(Client::new(
        shared.next_id(),
        account,
        sink,
        options,
        user,
    )))
}

/// The inbox subscription of one request; ends with it.
struct ReplySubscription(Arc<Subscription>);

impl ReplySubscription {
    fn subject(&self) -> &[u8] {
        self.0.filter.as_bytes()
    }
}

impl Drop for ReplySubscription {
    fn drop(&mut self) {
        self.0.client.account.unsubscribe(&self.0);
    }
}

fn subscribe(client: &Arc<Client>) -> Result<ReplySubscription, InternalRequestError> {
    let mut random = [0; 15];
    getrandom::fill(&mut random)
        .map_err(|error| InternalRequestError::InvalidRequest(format!("no random bytes: {error}")))?;
    let subject = format!("_INBOX.{}", BASE32_NOPAD.encode(&random));
    let filter = Filter::new(subject.as_bytes()).expect("letters and digits behind _INBOX are a filter");
    if !client.user().permissions.may_subscribe(filter, None).is_allowed() {
        return Err(InternalRequestError::PermissionDenied(
            "subscribe to its inbox".into(),
        ));
    }
    let subscription = Arc::new(Subscription::new(
        filter.to_buf(),
        (*b"1").into(),
        None,
        client.clone(),
        false,
    ));
    // Internal subscriptions are not the tenant's: its limit does not apply.
    let _ = client.account.subscribe(&subscription, Limit::Unlimited);
    Ok(ReplySubscription(subscription))
}

fn denied(refused: &ProtocolError) -> InternalRequestError {
    InternalRequestError::PermissionDenied(match refused {
        ProtocolError::PublishViolation { subject } => {
            format!("publish to {:?}", String::from_utf8_lossy(subject))
        }
        other => other.text().into_owned(),
    })
}
