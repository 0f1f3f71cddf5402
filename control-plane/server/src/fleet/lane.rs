//! The request lane: questions to one node, and their answers by number.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Duration, timeout},
};
use tollway_model::OrganizationId;
use tollway_proto::fleet::{
    ControlMessage, Reply, Request, RequestFailure, Response, control_message, response::Outcome,
};
use tonic::Status;

use crate::bounds::{NODE_REQUESTS_MAX, NODE_REQUESTS_PER_ACCOUNT_MAX, NODE_REQUESTS_PER_ORGANIZATION_MAX};

/// Open questions of one fleet stream.
///
/// Every entry of `open` has exactly one caller waiting, who removes it when it
/// gives up; so the map holds at most [`NODE_REQUESTS_MAX`] entries, whatever
/// the node answers.
pub(crate) struct Lane {
    outbox: mpsc::Sender<Result<ControlMessage, Status>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    closed: bool,
    open: HashMap<u64, Waiting>,
}

struct Waiting {
    /// The account that was asked.
    account: String,
    /// Whose it is.
    organization: OrganizationId,
    replies: Vec<Reply>,
    replies_max: usize,
    done: oneshot::Sender<Result<Vec<Reply>, LaneError>>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// No node of the cell is attached, or its stream ended while we waited.
    #[error("the cell's node is not connected")]
    Away,
    /// Too many questions wait for the node already.
    #[error("too many requests wait for the cell's node")]
    Overloaded,
    /// Too many questions into the same account wait already.
    #[error("{NODE_REQUESTS_PER_ACCOUNT_MAX} requests into the account wait for answers already")]
    AccountBusy,
    /// Too many questions into accounts of the same organization wait already.
    #[error(
        "{NODE_REQUESTS_PER_ORGANIZATION_MAX} requests into accounts of the organization wait for answers already"
    )]
    OrganizationBusy,
    /// Nobody answered in time.
    #[error("no reply came in time")]
    DeadlineExceeded,
    /// The node said why not.
    #[error("the node could not answer: {reason} ({code})")]
    Failed {
        /// A stable word of the fleet protocol.
        code: String,
        /// One sentence for people.
        reason: String,
    },
}

impl Lane {
    pub(crate) fn new(outbox: mpsc::Sender<Result<ControlMessage, Status>>) -> Self {
        Self {
            outbox,
            state: Mutex::default(),
        }
    }

    /// Sends `request` (whose `id` is chosen here) into an account of the organization, and waits for all its
    /// answers.
    pub(crate) async fn request(
        &self,
        organization: OrganizationId,
        mut request: Request,
        wait: Duration,
    ) -> Result<Vec<Reply>, LaneError> {
        let (done, answer) = oneshot::channel();
        let id = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(LaneError::Away);
            }
            if state.open.len() >= NODE_REQUESTS_MAX {
                return Err(LaneError::Overloaded);
            }
            let into_account = state.open.values().filter(|open| open.account == request.account);
            if into_account.count() >= NODE_REQUESTS_PER_ACCOUNT_MAX {
                return Err(LaneError::AccountBusy);
            }
            let of_organization = state
                .open
                .values()
                .filter(|open| open.organization == organization);
            if of_organization.count() >= NODE_REQUESTS_PER_ORGANIZATION_MAX {
                return Err(LaneError::OrganizationBusy);
            }
            state.last_id += 1;
            let id = state.last_id;
            let replies_max = request.replies_max.max(1) as usize;
            state.open.insert(
                id,
                Waiting {
                    account: request.account.clone(),
                    organization,
                    replies: Vec::new(),
                    replies_max,
                    done,
                },
            );
            id
        };
        // Removes the entry however this function ends, also when the caller goes away.
        let _open = OpenRequest { lane: self, id };
        request.id = id;
        let message = ControlMessage {
            message: Some(control_message::Message::Request(request)),
        };
        let exchange = async {
            self.outbox.send(Ok(message)).await.map_err(|_| LaneError::Away)?;
            answer.await.unwrap_or(Err(LaneError::Away))
        };
        timeout(wait, exchange)
            .await
            .unwrap_or(Err(LaneError::DeadlineExceeded))
    }

    /// Takes an answer of the node. Answers that nobody waits for any more are dropped.
    pub(crate) fn handle_response(&self, response: Response) {
        let mut state = self.state.lock();
        let Some(waiting) = state.open.get_mut(&response.id) else {
            return;
        };
        let result = match response.outcome {
            Some(Outcome::Failure(RequestFailure { code, reason })) => Err(match code.as_str() {
                "deadline_exceeded" => LaneError::DeadlineExceeded,
                "overloaded" => LaneError::Overloaded,
                _ => LaneError::Failed { code, reason },
            }),
            Some(Outcome::Reply(reply)) => {
                waiting.replies.push(reply);
                if !response.last && waiting.replies.len() < waiting.replies_max {
                    return;
                }
                Ok(std::mem::take(&mut waiting.replies))
            }
            None => Ok(std::mem::take(&mut waiting.replies)),
        };
        if let Some(waiting) = state.open.remove(&response.id) {
            // A caller that just gave up does not need the answer.
            let _ = waiting.done.send(result);
        }
    }

    /// Ends every open question: the stream is over.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.open.clear();
    }
}

struct OpenRequest<'l> {
    lane: &'l Lane,
    id: u64,
}

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.lane.state.lock().open.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn lane() -> (Arc<Lane>, mpsc::Receiver<Result<ControlMessage, Status>>) {
        let (outbox, sent) = mpsc::channel(16);
        (Arc::new(Lane::new(outbox)), sent)
    }

    fn organization(number: u64) -> OrganizationId {
        OrganizationId::new(number, [0; 10])
    }

    async fn sent_id(sent: &mut mpsc::Receiver<Result<ControlMessage, Status>>) -> u64 {
        match sent.recv().await.unwrap().unwrap().message.unwrap() {
            control_message::Message::Request(request) => request.id,
            other => panic!("not a request: {other:?}"),
        }
    }

    fn reply(id: u64, payload: &[u8], last: bool) -> Response {
        let reply = Reply {
            headers: Vec::new(),
            payload: payload.to_vec(),
        };
        Response {
            id,
            outcome: Some(Outcome::Reply(reply)),
            last,
        }
    }

    #[tokio::test]
    async fn answers_find_their_question_whatever_their_order() {
        let (lane, mut sent) = lane();
        let ask = |lane: &Arc<Lane>| {
            let lane = Arc::clone(lane);
            tokio::spawn(async move {
                lane.request(organization(1), Request::default(), Duration::from_secs(5))
                    .await
            })
        };
        let first = ask(&lane);
        let first_id = sent_id(&mut sent).await;
        let second = ask(&lane);
        let second_id = sent_id(&mut sent).await;
        lane.handle_response(reply(second_id, b"two", true));
        lane.handle_response(reply(first_id, b"one", true));
        assert_eq!(first.await.unwrap().unwrap()[0].payload, b"one");
        assert_eq!(second.await.unwrap().unwrap()[0].payload, b"two");
    }

    #[tokio::test]
    async fn chunks_are_collected_until_the_last() {
        let (lane, mut sent) = lane();
        let asking = {
            let lane = Arc::clone(&lane);
            let request = Request {
                replies_max: 10,
                ..Request::default()
            };
            tokio::spawn(async move {
                lane.request(organization(1), request, Duration::from_secs(5))
                    .await
            })
        };
        let id = sent_id(&mut sent).await;
        lane.handle_response(reply(id, b"a", false));
        lane.handle_response(reply(id, b"b", true));
        assert_eq!(asking.await.unwrap().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_without_answer_ends_at_its_deadline_and_leaves_nothing_behind() {
        let (lane, _sent) = lane();
        let answer = lane
            .request(organization(1), Request::default(), Duration::from_secs(1))
            .await;
        assert_eq!(answer, Err(LaneError::DeadlineExceeded));
        assert!(lane.state.lock().open.is_empty());
        lane.handle_response(reply(1, b"late", true));
    }

    #[tokio::test]
    async fn one_account_leaves_room_for_the_questions_of_others() {
        let (lane, mut sent) = lane();
        let ask = |home, account: &str| {
            let (lane, account) = (Arc::clone(&lane), account.to_owned());
            let request = Request {
                account,
                ..Request::default()
            };
            tokio::spawn(async move {
                lane.request(organization(home), request, Duration::from_secs(60))
                    .await
            })
        };
        let mut silent = Vec::new();
        for _ in 0..NODE_REQUESTS_PER_ACCOUNT_MAX {
            silent.push(ask(1, "A"));
            sent_id(&mut sent).await;
        }
        assert_eq!(ask(1, "A").await.unwrap(), Err(LaneError::AccountBusy));
        // Nor do many accounts of one organization.
        for number in NODE_REQUESTS_PER_ACCOUNT_MAX..NODE_REQUESTS_PER_ORGANIZATION_MAX {
            silent.push(ask(1, &number.to_string()));
            sent_id(&mut sent).await;
        }
        assert_eq!(ask(1, "more").await.unwrap(), Err(LaneError::OrganizationBusy));
        let other = ask(2, "B");
        let id = sent_id(&mut sent).await;
        lane.handle_response(reply(id, b"here", true));
        assert!(other.await.unwrap().is_ok());
        lane.close();
    }

    #[tokio::test]
    async fn open_questions_end_with_the_stream() {
        let (lane, mut sent) = lane();
        let asking = {
            let lane = Arc::clone(&lane);
            tokio::spawn(async move {
                lane.request(organization(1), Request::default(), Duration::from_secs(5))
                    .await
            })
        };
        sent_id(&mut sent).await;
        lane.close();
        assert_eq!(asking.await.unwrap(), Err(LaneError::Away));
        assert_eq!(
            lane.request(organization(1), Request::default(), Duration::from_secs(5))
                .await,
            Err(LaneError::Away)
        );
    }
}
