//! The routing path: from a message of one client to the buffers of those who
//! want it. Everything here happens once per message, so it is short.
//!
//! ```text
//! publish ── may it? ── count ── who wants it? (memo, else the account's trie)
//!    └── each plain subscription and one member of each queue group:
//!        may it have it? ── its maximum ── encode into its staging buffer
//! ```

use std::sync::Arc;

use tollway_subject::is_literal_subject;
use tollway_wire::{Message, ProtocolError, encoder};

use super::bounds::MEMO_KEEP_MAX;
use super::client::{Client, Sink};
use super::meters::Tally;
use super::staging::Staging;
use super::subscription::{Allowance, Subscription};
use tollway_claims::AuthenticatedUser;

/// The publishing side of one client, owned by its connection's task.
pub(crate) struct Publisher {
    client: Arc<Client>,
    /// The user in force; see [`Publisher::adopt`].
    user: Arc<AuthenticatedUser>,
    memo: Memo,
    /// Accepted since the last flush.
    accepted: Tally,
    /// Deliveries since the turn began, as a measure of its length.
    deliveries: usize,
}

/// Who wanted the last message: most clients publish to the same subject again.
#[derive(Default)]
struct Memo {
    subject: Vec<u8>,
    /// Of the account's interest; 0 is none.
    generation: u64,
    plain: Vec<Arc<Subscription>>,
    /// Members of one group lie beside each other in `members`.
    groups: Vec<std::ops::Range<usize>>,
    members: Vec<Arc<Subscription>>,
}

/// Subjects that only servers may publish to.
const RESERVED_SUBJECTS: [&[u8]; 2] = [b"_GR_.", b"$NRG."];
/// Replies that would be taken for those of a service import, an acknowledgement, or a gateway.
const RESERVED_REPLIES: [&[u8]; 3] = [b"_R_.", b"$JS.ACK.", b"_GR_."];

impl Publisher {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        let user = client.user();
        Self {
            client,
            user,
            memo: Memo::default(),
            accepted: Tally::default(),
            deliveries: 0,
        }
    }

    /// The user's permissions changed: what was allowed is to be asked again.
    pub(crate) fn adopt(&mut self) {
        self.user = self.client.user();
        self.memo = Memo::default();
    }

    /// Routes one message. Gives how many receivers got it, or what the client
    /// is told instead; a message that was refused is not counted.
    pub(crate) fn publish(
        &mut self,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> Result<usize, ProtocolError> {
        let known =
            self.memo.generation == self.client.account.generation() && self.memo.subject == message.subject;
        let by_rules = known || self.check_subject(message.subject)?;
        if let Some(reply) = message.reply {
            check_reply(reply)?;
        }
        self.accepted.count(message.body().len());
        if let Sink::Socket(outbound) = &self.client.sink {
            if self.client.verbose {
                staging.control(outbound, encoder::ok);
            }
            if self.client.pedantic && !is_literal_subject(message.subject) {
                staging.control(outbound, |out| {
                    encoder::error(out, &ProtocolError::InvalidPublishSubject)
                });
            }
        }
        if !known {
            self.memo.fill(&self.client, message.subject);
        }
        let delivered = self.deliver_all(message, staging);
        self.deliveries += delivered;
        if !by_rules {
            // Leave to answer is used up by each message: the next one is to be asked again.
            self.memo.generation = 0;
        }
        if delivered == 0 && self.client.no_responders && message.reply.is_some() {
            self.tell_no_responders(message, staging);
        }
        if staging.is_full() {
            self.flush(staging);
        }
        Ok(delivered)
    }

    /// Sends what is staged and counts: messages before they are answered.
    pub(crate) fn flush(&mut self, staging: &mut Staging) {
        let meters = &self.client.account.meters;
        if self.client.is_metered() {
            meters.add_in(self.accepted);
        }
        self.accepted = Tally::default();
        staging.flush(Some(self.client.id), Some(meters));
        if self.memo.len() > MEMO_KEEP_MAX {
            self.memo = Memo::default();
        }
    }

    /// Deliveries since the last time this was asked.
    pub(crate) fn take_deliveries(&mut self) -> usize {
        std::mem::take(&mut self.deliveries)
    }

    /// How many deliveries there were since.
    pub(crate) fn deliveries(&self) -> usize {
        self.deliveries
    }

    /// Whether the rules allow it (true), or only leave to answer (false).
    fn check_subject(&self, subject: &[u8]) -> Result<bool, ProtocolError> {
        let reserved = RESERVED_SUBJECTS.iter().any(|prefix| subject.starts_with(prefix));
        if !reserved && self.user.permissions.may_publish(subject).is_allowed() {
            return Ok(true);
        }
        if !reserved && self.client.may_answer(subject) {
            return Ok(false);
        }
        Err(ProtocolError::PublishViolation {
            subject: subject.to_vec(),
        })
    }

    fn deliver_all(&self, message: &Message<'_>, staging: &mut Staging) -> usize {
        let mut delivered = 0;
        for subscription in &self.memo.plain {
            delivered += usize::from(self.deliver(subscription, message, staging));
            if staging.is_full() {
                staging.flush(None, Some(&self.client.account.meters));
            }
        }
        for group in &self.memo.groups {
            // Members that cannot have it (closing, denied, own message without
            // echo) leave it to the next one, from a random start.
            let members = &self.memo.members[group.clone()];
            let first = staging.random_below(members.len());
            let (before, from) = members.split_at(first);
            let taken = from
                .iter()
                .chain(before)
                .any(|member| self.deliver(member, message, staging));
            delivered += usize::from(taken);
        }
        delivered
    }

    fn deliver(
        &self,
        subscription: &Arc<Subscription>,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> bool {
        let client = &subscription.client;
        if client.is_closing() || (client.id == self.client.id && !self.client.echo) {
            return false;
        }
        if !subscription.may_deliver(message.subject) {
            return false;
        }
        let allowance = subscription.take_delivery();
        if allowance == Allowance::Over {
            return false;
        }
        let taken = match &client.sink {
            Sink::Socket(outbound) => {
                let bytes = message.for_receiver(client.headers).body().len();
                staging.message(outbound, bytes, |out| {
                    encoder::message(out, message, &subscription.sid, client.headers);
                });
                true
            }
            Sink::Inbox(inbox) => inbox.push(message),
        };
        if let Some(reply) = message.reply {
            client.note_delivery(reply);
        }
        if allowance == Allowance::DeliverLast {
            client.finish_subscription(subscription);
        }
        taken
    }

    /// Tells a requester at once that nobody is there, on its own plain
    /// subscription to the reply, if it has one. Not a message of anybody: not counted.
    fn tell_no_responders(&self, message: &Message<'_>, staging: &mut Staging) {
        let (Some(reply), Sink::Socket(outbound)) = (message.reply, &self.client.sink) else {
            return;
        };
        let mut waiting = None;
        self.client.account.matches(reply, &mut |subscription| {
            if subscription.client.id == self.client.id && subscription.queue.is_none() {
                waiting = Some(subscription.clone());
            }
        });
        let Some(subscription) = waiting else { return };
        let allowance = subscription.take_delivery();
        if allowance == Allowance::Over {
            return;
        }
        let block = tollway_wire::headers::no_responders(message.subject);
        let status =
            Message::with_headers(reply, None, &block, block.len()).expect("the block is the whole body");
        staging.control(outbound, |out| {
            encoder::message(out, &status, &subscription.sid, true)
        });
        if allowance == Allowance::DeliverLast {
            self.client.finish_subscription(&subscription);
        }
    }
}

fn check_reply(reply: &[u8]) -> Result<(), ProtocolError> {
    if RESERVED_REPLIES.iter().any(|prefix| reply.starts_with(prefix)) {
        return Err(ProtocolError::PublishReplyViolation {
            reply: reply.to_vec(),
        });
    }
    Ok(())
}

impl Memo {
    fn len(&self) -> usize {
        self.plain.len() + self.members.len()
    }

    fn fill(&mut self, client: &Client, subject: &[u8]) {
        self.plain.clear();
        self.groups.clear();
        self.members.clear();
        let (plain, members) = (&mut self.plain, &mut self.members);
        self.generation = client
            .account
            .matches(subject, &mut |subscription| match subscription.queue {
                None => plain.push(subscription.clone()),
                Some(_) => members.push(subscription.clone()),
            });
        // A group is all members of one name, whatever filters they came by.
        self.members.sort_unstable_by(|a, b| a.queue.cmp(&b.queue));
        let mut start = 0;
        for group in self.members.chunk_by(|a, b| a.queue == b.queue) {
            self.groups.push(start..start + group.len());
            start += group.len();
        }
        self.subject.clear();
        self.subject.extend_from_slice(subject);
    }
}
