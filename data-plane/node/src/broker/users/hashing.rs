//! Checks passwords against hashes where no client waits for the thread.
//!
//! A check takes a tenth of a second and more, and anybody may ask for one. So addresses have their
//! turns: who sends wrong passwords as fast as it can waits behind itself, and others hardly at all.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::Question;
use crate::address_turns::AddressTurns;
use crate::broker::outbound::Outbound;
use crate::broker::refusals::Refusal;
use crate::broker::user::User;

/// The processors that a broker gives to checking passwords. Clients that wait for one are at most
/// as many as there are connections, and none waits longer than it has to authenticate.
#[derive(Debug)]
pub(crate) struct Hashing(Arc<Mutex<Queue>>);

#[derive(Debug)]
struct Queue {
    processors_free: usize,
    turns: AddressTurns<Check>,
}

/// A check that was begun: asked again and again, until it is done.
pub(crate) struct Checking(Answer);

type Answer = Arc<OnceLock<Result<Arc<User>, Refusal>>>;

/// What is to be checked, and who waits for it.
struct Check {
    question: Option<Question>,
    answer: Answer,
    outbound: Arc<Outbound>,
}

impl Hashing {
    /// Half of the processors: the others are for clients that are in.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Mutex::new(Queue {
            processors_free: (processors / 2).max(1),
            turns: AddressTurns::default(),
        })))
    }

    /// Begins a check; the connection is signalled when it is done. Must be called inside a tokio runtime.
    pub(crate) fn begin(&self, question: Question, from: IpAddr, outbound: &Arc<Outbound>) -> Checking {
        let answer = Answer::default();
        let checking = Checking(answer.clone());
        let check = Check {
            question: Some(question),
            answer,
            outbound: outbound.clone(),
        };
        let mut queue = self.0.lock();
        queue.turns.push(from, check);
        if queue.processors_free > 0 {
            queue.processors_free -= 1;
            let processor = Processor {
                queue: self.0.clone(),
                at_work: true,
            };
            drop(queue);
            tokio::task::spawn_blocking(move || processor.work());
        }
        checking
    }
}

/// A processor that checks until nobody waits.
struct Processor {
    queue: Arc<Mutex<Queue>>,
    at_work: bool,
}

impl Processor {
    fn work(mut self) {
        while let Some(check) = self.next() {
            check.run();
        }
    }

    /// Under one lock, so that nobody comes between finding nothing and being free.
    fn next(&mut self) -> Option<Check> {
        let mut queue = self.queue.lock();
        let next = queue.turns.pop();
        if next.is_none() {
            queue.processors_free += 1;
            self.at_work = false;
        }
        next
    }
}

/// Free again also when a check went wrong, or the node stopped before the first one.
impl Drop for Processor {
    fn drop(&mut self) {
        if self.at_work {
            self.queue.lock().processors_free += 1;
        }
    }
}

impl Check {
    fn run(mut self) {
        // Else nobody waits for it any more: its time to authenticate is over.
        if Arc::strong_count(&self.answer) > 1
            && let Some(question) = self.question.take()
        {
            let _ = self.answer.set(question.answer());
        }
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<a password to be checked>")
    }
}

/// Whoever waits is told, also when the node stops before its turn or the check went wrong.
impl Drop for Check {
    fn drop(&mut self) {
        self.answer.get_or_init(|| {
            Err(Refusal {
                rule: "wrong_credentials",
                reason: "the password could not be checked".to_owned(),
                account: None,
            })
        });
        self.outbound.signal().raise();
    }
}

impl Checking {
    /// Whether [`Checking::outcome`] has something to give.
    pub(crate) fn is_done(&self) -> bool {
        self.0.get().is_some()
    }

    /// Who it is, or why nobody; none while it is being checked.
    pub(crate) fn outcome(&self) -> Option<Result<Arc<User>, Refusal>> {
        self.0.get().cloned()
    }
}
