//! Requests of the control plane, run inside accounts.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{self, JoinSet};
use tollway_claims::PublicKey;
use tollway_proto::fleet::{Reply, Request, RequestFailure, Response, response::Outcome};

use super::bounds::{REQUESTS_MAX, REQUESTS_PER_ACCOUNT_MAX};
use crate::broker::{Broker, InternalRequest};

/// The requests of one stream that are under way; they end with it.
pub(super) struct RequestLane {
    broker: Broker,
    running: JoinSet<Vec<Response>>,
    /// The account of each running request.
    accounts: HashMap<task::Id, PublicKey>,
}

impl RequestLane {
    pub(super) fn new(broker: Broker) -> Self {
        Self {
            broker,
            running: JoinSet::new(),
            accounts: HashMap::new(),
        }
    }

    /// Begins a request. Gives the answer at once when it cannot begin.
    pub(super) fn handle_request(&mut self, request: Request) -> Option<Response> {
        if self.running.len() >= REQUESTS_MAX {
            let reason = format!("{REQUESTS_MAX} requests run on this node already");
            return Some(failure(request.id, "overloaded", reason));
        }
        let Ok(account) = request.account.parse::<PublicKey>() else {
            return Some(failure(
                request.id,
                "invalid_request",
                "the account is no public key".into(),
            ));
        };
        let of_account = self.accounts.values().filter(|running| **running == account);
        if of_account.count() >= REQUESTS_PER_ACCOUNT_MAX {
            let reason = format!("{REQUESTS_PER_ACCOUNT_MAX} requests into this account run already");
            return Some(failure(request.id, "overloaded", reason));
        }
        let broker = self.broker.clone();
        let task = self.running.spawn(async move {
            let Request { id, request_id, .. } = request;
            let request = InternalRequest {
                account,
                user_jwt: request.user_jwt,
                request_id: request_id.clone(),
                subject: Bytes::from(request.subject),
                headers: Bytes::from(request.headers),
                payload: Bytes::from(request.payload),
                deadline: Duration::from_millis(request.deadline_ms.into()),
                replies_max: request.replies_max as usize,
            };
            match broker.request(request).await {
                Ok(replies) => {
                    tracing::info!(request_id, %account, replies = replies.len(), "answered a request of the control plane");
                    let last = replies.len().saturating_sub(1);
                    let replies = replies.into_iter().enumerate().map(|(index, reply)| Response {
                        id,
                        outcome: Some(Outcome::Reply(Reply {
                            headers: reply.headers.into(),
                            payload: reply.payload.into(),
                        })),
                        last: index == last,
                    });
                    replies.collect()
                }
                Err(error) => {
                    tracing::info!(request_id, %account, code = error.code(), %error, "could not answer a request of the control plane");
                    vec![failure(id, error.code(), error.to_string())]
                }
            }
        });
        self.accounts.insert(task.id(), account);
        None
    }

    /// The answers of the next request that ends. Pending for ever when none runs.
    pub(super) async fn poll_responses(&mut self) -> Vec<Response> {
        match self.running.join_next_with_id().await {
            Some(Ok((task, responses))) => {
                self.accounts.remove(&task);
                responses
            }
            // The control plane stops waiting at the deadline; this node goes on.
            Some(Err(error)) => {
                self.accounts.remove(&error.id());
                tracing::error!(%error, "a request of the control plane failed inside this node");
                Vec::new()
            }
            None => std::future::pending().await,
        }
    }
}

fn failure(id: u64, code: &str, reason: String) -> Response {
    let failure = RequestFailure {
        code: code.to_owned(),
        reason,
    };
    Response {
        id,
        outcome: Some(Outcome::Failure(failure)),
        last: true,
    }
}
