//! The routing path: from a message of one client to the buffers of those who
//! want it. Everything here happens once per message, so it is short.
//!
//! ```text
//! publish ── may it? ── count ── who wants it? (memo, else the account's trie)
//!    └── each plain subscription and one member of each queue group:
//!        may it have it? ── its maximum ── encode into its staging buffer
//! ```
//!
//! Messages of a turn that go to the same several receivers are collected and then delivered
//! together, see [`Broadcast`]; [`Publisher::settle_broadcast`] does that before anything else is staged.
//!
//! A message with many receivers, or with many filters to look at, takes more than one turn: then
//! [`Publisher::publish`] says so, keeps its place, and goes on when it is called with the same
//! message again. Each receiver still gets a publisher's messages in their order.

mod broadcast;
mod passage;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

use tollway_subject::{Walk, WalkEnd, is_literal_subject};
use tollway_wire::{Message, ProtocolError, encoder};

pub(crate) use self::broadcast::Broadcast;
use self::passage::Passage;
use super::account::Account;
use super::bounds::{LOOK_STEPS_MAX, MEMO_KEEP_MAX, STEP_BYTES, WHOLE_STEPS_MAX};
use super::client::{Client, Sink};
use super::crossing::Crossing;
use super::denials::EVENT_PREFIX;
use super::meters::Tally;
use super::staging::{Outgoing, Side, Staging};
use super::subscription::Subscription;
use super::user::User;

/// The publishing side of one client, owned by its connection's task.
pub(crate) struct Publisher {
    client: Arc<Client>,
    /// The user in force; see [`Publisher::adopt`].
    user: Arc<User>,
    memo: Memo,
    /// Accepted since the last flush.
    accepted: Tally,
    /// The message that the turn before did not come to the end of.
    underway: Option<Underway>,
    /// What the account renames, and what leaves it, as of this generation.
    /// Weak: an idle client must not keep what was replaced since.
    crossing: Weak<Crossing>,
    crossing_generation: u64,
    /// There is something to look up in it.
    crosses: bool,
    /// The message that is renamed or leaves the account, and where the last one went.
    passage: Option<Box<Passage>>,
    /// What the turn before staged for many receivers and did not come to send.
    outgoing: Option<Box<Outgoing>>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// So many receivers got it.
    Delivered(usize),
    /// The turn is over before the message is: publish it again in the next one.
    Unfinished,
}

/// How far the delivery of one message is.
#[derive(Default)]
struct Underway {
    /// Whether the rules allowed it; else it was leave to answer.
    by_rules: bool,
    delivered: usize,
    /// Where it is in the memo: plain subscriptions, then groups.
    plain: usize,
    group: usize,
    /// When one look did not find all receivers. Boxed, because that is rare.
    broad: Option<Box<Broad>>,
    /// The search for the subscription on which the requester hears that nobody is there.
    asking: Option<Box<Walk>>,
}

/// A match that takes several looks. The memo holds the plain subscriptions of the last one.
struct Broad {
    walk: Walk,
    found_all: bool,
    /// One member of each group so far, each as likely as the other; how many there were; its name.
    groups: HashMap<Box<[u8]>, (usize, Arc<Subscription>)>,
    /// The same, once all groups are known.
    chosen: Vec<Arc<Subscription>>,
}

/// Who wanted the last message: most clients publish to the same subject again.
struct Memo {
    /// The account that was looked into.
    account: Arc<Account>,
    reach: Reach,
    subject: Vec<u8>,
    /// Of the account's interest; 0 is none.
    generation: u64,
    plain: Vec<Arc<Subscription>>,
    /// Members of one group lie beside each other in `members`.
    groups: Vec<std::ops::Range<usize>>,
    members: Vec<Arc<Subscription>>,
}

/// From where to where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Within the publisher's account.
    Home,
    /// To an importer of what is published.
    Stream,
    /// To the exporter of what is asked.
    Request,
    /// To who asked.
    Answer,
}

/// Subjects that only servers may publish to.
pub(crate) fn is_reserved_subject(subject: &[u8]) -> bool {
    is_of_gateway(subject) || subject.starts_with(b"$NRG.")
}

/// Replies that would be taken for those of a service import, an acknowledgement, or a gateway.
fn is_reserved_reply(reply: &[u8]) -> bool {
    reply.starts_with(b"_R_.") || is_below(reply, b"$JS.ACK.") || is_of_gateway(reply)
}

fn is_of_gateway(subject: &[u8]) -> bool {
    is_below(subject, b"_GR_.") || is_below(subject, b"$GR.")
}

/// With something behind it: stock servers let the prefix alone pass, which is nobody's subject.
fn is_below(subject: &[u8], prefix: &[u8]) -> bool {
    subject.len() > prefix.len() && subject.starts_with(prefix)
}

impl Publisher {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        let user = client.user();
        Self {
            user,
            memo: Memo::new(client.account.clone(), Reach::Home),
            accepted: Tally::default(),
            underway: None,
            crossing: Weak::new(),
            crossing_generation: 0,
            crosses: false,
            passage: None,
            outgoing: None,
            client,
        }
    }

    /// The user's permissions changed: what was allowed is to be asked again.
    pub(crate) fn adopt(&mut self) {
        self.user = self.client.user();
        // Its lists stay: a message may be on its way along them.
        self.memo.generation = 0;
    }

    /// Whether a message is not done that was accepted.
    pub(crate) fn is_underway(&self) -> bool {
        self.underway.is_some() || self.is_passing()
    }

    /// Routes one message, or goes on with it. Gives what became of it, or what the client
    /// is told instead; a message that was refused is not counted.
    pub(crate) fn publish(
        &mut self,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> Result<Published, ProtocolError> {
        if self.underway.is_some() {
            return Ok(self.go_on_later(message, staging));
        }
        let generation = self.client.account.generation();
        if !staging.broadcast.is_empty() && !self.joins_broadcast(message, generation) {
            self.settle_broadcast(staging);
        }
        if generation != self.crossing_generation {
            self.look_across(generation);
        }
        if self.crosses {
            self.settle_broadcast(staging);
            return self.pass(message, staging);
        }
        let (by_rules, broad) = self.accept(message, metered_bytes(message), staging)?;
        if by_rules && broad.is_none() && self.is_broadcast(message) {
            return Ok(Published::Delivered(self.collect(message, staging)));
        }
        let few = broad.is_none() && self.memo.len() * steps_each(message) <= WHOLE_STEPS_MAX;
        let asks = self.client.no_responders && message.reply.is_some();
        if few {
            let delivered = self.deliver_to_all(message, staging);
            if delivered > 0 || !asks {
                if !by_rules {
                    self.memo.generation = 0;
                }
                return Ok(Published::Delivered(delivered));
            }
        }
        self.underway = Some(Underway {
            by_rules,
            delivered: 0,
            // Those few cannot have it.
            plain: if few { self.memo.plain.len() } else { 0 },
            group: if few { self.memo.groups.len() } else { 0 },
            broad,
            asking: None,
        });
        Ok(self.go_on_later(message, staging))
    }

    /// Goes on with a message that has many receivers, or none.
    #[inline(never)]
    fn go_on_later(&mut self, message: &Message<'_>, staging: &mut Staging) -> Published {
        let mut underway = self.underway.take().expect("the caller has put it there");
        if self.go_on(&mut underway, message, staging).is_break() {
            self.underway = Some(underway);
            return Published::Unfinished;
        }
        if !underway.by_rules {
            // Leave to answer is used up by each message: the next one is to be asked again.
            self.memo.generation = 0;
        }
        Published::Delivered(underway.delivered)
    }

    /// Decides about a message and finds its receivers, or the first of them.
    fn accept(
        &mut self,
        message: &Message<'_>,
        bytes: usize,
        staging: &mut Staging,
    ) -> Result<(bool, Option<Box<Broad>>), ProtocolError> {
        let known =
            self.memo.generation == self.client.account.generation() && self.memo.subject == message.subject;
        let by_rules = known || self.check_subject(message.subject)?;
        if let Some(reply) = message.reply {
            check_reply(reply)?;
        }
        self.accepted.count(bytes);
        if let Sink::Socket(outbound) = &self.client.sink {
            if self.client.pedantic && !is_literal_subject(message.subject) {
                staging.control(outbound, |out| {
                    encoder::error(out, &ProtocolError::InvalidPublishSubject)
                });
            }
            if self.client.verbose {
                staging.control(outbound, encoder::ok);
            }
        }
        if known {
            return Ok((by_rules, None));
        }
        let walk = self.memo.fill(message.subject, staging);
        Ok((by_rules, walk.map(|walk| self.broaden(walk, message, staging))))
    }

    /// One look was not enough.
    #[inline(never)]
    fn broaden(&mut self, walk: Walk, message: &Message<'_>, staging: &mut Staging) -> Box<Broad> {
        let mut broad = Broad {
            walk,
            found_all: false,
            groups: HashMap::new(),
            chosen: Vec::new(),
        };
        for member in std::mem::take(&mut self.memo.members) {
            self.consider(&mut broad.groups, &member, message, staging);
        }
        Box::new(broad)
    }

    /// Delivers to few receivers.
    fn deliver_to_all(&self, message: &Message<'_>, staging: &mut Staging) -> usize {
        let mut delivered = 0;
        for subscription in &self.memo.plain {
            delivered += usize::from(self.deliver(subscription, message, staging));
        }
        for group in &self.memo.groups {
            delivered += usize::from(self.deliver_to_one(group, message, staging));
        }
        staging.spend(self.memo.len());
        delivered
    }

    /// Delivers until there is nothing more to deliver, or the turn is over.
    fn go_on(
        &mut self,
        underway: &mut Underway,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> ControlFlow<()> {
        self.deliver_rest(underway, message, staging)?;
        if underway.delivered == 0 && self.client.no_responders && message.reply.is_some() {
            self.tell_no_responders(underway, message, staging)?;
        }
        ControlFlow::Continue(())
    }

    /// Delivers to those in the memo and whoever else its account has.
    fn deliver_rest(
        &mut self,
        underway: &mut Underway,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> ControlFlow<()> {
        loop {
            self.deliver_plain(underway, message, staging)?;
            let Some(broad) = &mut underway.broad else {
                self.deliver_groups(underway, message, staging)?;
                break;
            };
            if broad.found_all {
                while let Some(member) = broad.chosen.last() {
                    may_go_on(staging)?;
                    staging.spend(1);
                    underway.delivered += usize::from(self.deliver(member, message, staging));
                    broad.chosen.pop();
                }
                break;
            }
            may_go_on(staging)?;
            self.look_again(broad, message, staging);
            underway.plain = 0;
        }
        ControlFlow::Continue(())
    }

    /// Sends what is staged and counts: messages before they are answered. Gives what was accepted
    /// since the last flush.
    pub(crate) fn flush(&mut self, staging: &mut Staging) -> Tally {
        debug_assert!(self.outgoing.is_none(), "nothing is staged before it is done");
        self.settle_broadcast(staging);
        let meters = &self.client.account.meters;
        if self.client.is_metered() {
            meters.add_in(self.accepted);
        }
        if let Sink::Socket(outbound) = &self.client.sink {
            outbound.card.count_received(self.accepted);
        }
        let accepted = std::mem::take(&mut self.accepted);
        self.outgoing = staging.flush(Some(self.client.id), Some(meters));
        if self.underway.is_none() && self.memo.len() > MEMO_KEEP_MAX {
            self.memo = Memo::new(self.client.account.clone(), Reach::Home);
        }
        self.tidy_passage();
        accepted
    }

    /// Whether [`Publisher::go_on_flushing`] is to be called before anything is published.
    pub(crate) fn is_flushing(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Sends to some more of those for whom the last turn staged something.
    pub(crate) fn go_on_flushing(&mut self, staging: &mut Staging) {
        if let Some(outgoing) = &mut self.outgoing
            && outgoing.go_on(staging, Some(&self.client.account.meters))
        {
            self.outgoing = None;
        }
    }

    /// Bytes that wait to be sent by this publisher.
    pub(crate) fn outgoing_bytes(&self) -> usize {
        self.outgoing.as_ref().map_or(0, |outgoing| outgoing.bytes())
    }

    /// Whether the rules allow it (true), or only leave to answer (false).
    fn check_subject(&self, subject: &[u8]) -> Result<bool, ProtocolError> {
        let of_node = subject.starts_with(EVENT_PREFIX) && self.client.is_metered();
        let reserved = of_node || is_reserved_subject(subject);
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

    fn deliver_plain(
        &self,
        underway: &mut Underway,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> ControlFlow<()> {
        while let Some(subscription) = self.memo.plain.get(underway.plain) {
            may_go_on(staging)?;
            staging.spend(1);
            underway.delivered += usize::from(self.deliver(subscription, message, staging));
            underway.plain += 1;
        }
        ControlFlow::Continue(())
    }

    fn deliver_groups(
        &self,
        underway: &mut Underway,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> ControlFlow<()> {
        while let Some(group) = self.memo.groups.get(underway.group) {
            may_go_on(staging)?;
            staging.spend(group.len());
            underway.delivered += usize::from(self.deliver_to_one(group, message, staging));
            underway.group += 1;
        }
        ControlFlow::Continue(())
    }

    /// Delivers to one member of a group.
    fn deliver_to_one(
        &self,
        group: &std::ops::Range<usize>,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> bool {
        // Members that cannot have it (closing, denied, own message without
        // echo) leave it to the next one, from a random start.
        let members = &self.memo.members[group.clone()];
        let first = staging.random_below(members.len());
        let (before, from) = members.split_at(first);
        from.iter()
            .chain(before)
            .any(|member| self.deliver(member, message, staging))
    }

    /// The next look of a broad match. What the last one found was delivered.
    fn look_again(&mut self, broad: &mut Broad, message: &Message<'_>, staging: &mut Staging) {
        let mut members = Vec::new();
        self.memo.plain.clear();
        let (end, _) = look(
            &self.memo.account,
            &mut broad.walk,
            message.subject,
            staging,
            &mut |subscription| {
                match subscription.queue {
                    None => self.memo.plain.push(subscription.clone()),
                    Some(_) => members.push(subscription.clone()),
                }
                ControlFlow::Continue(())
            },
        );
        for member in &members {
            self.consider(&mut broad.groups, member, message, staging);
        }
        if end == WalkEnd::Finished {
            broad.found_all = true;
            let groups = std::mem::take(&mut broad.groups);
            broad.chosen = groups.into_values().map(|(_, member)| member).collect();
        }
    }

    /// Chooses among the members of a group of which not all are known yet: each one that can have
    /// the message now replaces the one before with the chance that makes all of them equal.
    fn consider(
        &self,
        groups: &mut HashMap<Box<[u8]>, (usize, Arc<Subscription>)>,
        member: &Arc<Subscription>,
        message: &Message<'_>,
        staging: &mut Staging,
    ) {
        let Some(queue) = member.queue.as_deref() else {
            return;
        };
        if member.is_over() || !self.may_have(member, message.subject) {
            return;
        }
        match groups.get_mut(queue) {
            None => {
                groups.insert(queue.into(), (1, member.clone()));
            }
            Some((count, chosen)) => {
                *count += 1;
                if staging.random_below(*count) == 0 {
                    *chosen = member.clone();
                }
            }
        }
    }

    fn may_have(&self, subscription: &Subscription, subject: &[u8]) -> bool {
        let client = &subscription.client;
        !client.is_closing()
            && (self.memo.reach != Reach::Request || !client.is_behind())
            && (client.id != self.client.id || self.client.echo)
            && subscription.may_deliver(subject)
    }

    fn deliver(
        &self,
        subscription: &Arc<Subscription>,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> bool {
        let client = &subscription.client;
        if !self.may_have(subscription, message.subject) {
            return false;
        }
        let allowance = subscription.take_deliveries(1);
        if allowance.count == 0 {
            return false;
        }
        let taken = match &client.sink {
            Sink::Socket(outbound) => {
                let bytes = metered_bytes(&message.for_receiver(client.headers));
                let side = || self.memo.side(&client.account);
                let asks = self.memo.reach == Reach::Request;
                staging.message(outbound, side, asks, bytes, |out| {
                    encoder::message(out, message, &subscription.sid, client.headers);
                });
                true
            }
            Sink::Inbox(inbox) => inbox.push(message),
            Sink::System(service) => service.ask(&client.account, &self.client, message),
        };
        if let Some(reply) = message.reply {
            client.note_delivery(reply);
        }
        if allowance.is_last {
            client.finish_subscription(subscription);
        }
        taken
    }

    /// Tells a requester at once that nobody is there, on its own plain
    /// subscription to the reply, if it has one. Not a message of anybody: not counted.
    fn tell_no_responders(
        &self,
        underway: &mut Underway,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> ControlFlow<()> {
        let (Some(reply), Sink::Socket(outbound)) = (message.reply, &self.client.sink) else {
            return ControlFlow::Continue(());
        };
        let walk = underway.asking.get_or_insert_default();
        let mut waiting = None;
        loop {
            may_go_on(staging)?;
            let account = &self.client.account;
            let (end, _) = look(account, walk, reply, staging, &mut |subscription| {
                if subscription.client.id == self.client.id && subscription.queue.is_none() {
                    waiting = Some(subscription.clone());
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            if end != WalkEnd::Paused {
                break;
            }
        }
        let Some(subscription) = waiting else {
            return ControlFlow::Continue(());
        };
        let allowance = subscription.take_deliveries(1);
        if allowance.count == 0 {
            return ControlFlow::Continue(());
        }
        let block = tollway_wire::headers::no_responders(message.subject);
        let status =
            Message::with_headers(reply, None, &block, block.len()).expect("the block is the whole body");
        staging.control(outbound, |out| {
            encoder::message(out, &status, &subscription.sid, true)
        });
        if allowance.is_last {
            self.client.finish_subscription(&subscription);
        }
        ControlFlow::Continue(())
    }
}

/// Steps of a delivery.
fn steps_each(message: &Message<'_>) -> usize {
    1 + message.body().len() / STEP_BYTES
}

/// Breaks off when the turn is over.
fn may_go_on(staging: &Staging) -> ControlFlow<()> {
    match staging.is_spent() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// One look into an account's subscriptions, at the cost of this turn.
fn look(
    account: &Account,
    walk: &mut Walk,
    subject: &[u8],
    staging: &mut Staging,
    visit: &mut impl FnMut(&Arc<Subscription>) -> ControlFlow<()>,
) -> (WalkEnd, u64) {
    let mut steps = LOOK_STEPS_MAX;
    let outcome = account.look(walk, subject, &mut steps, visit);
    staging.spend(LOOK_STEPS_MAX - steps);
    outcome
}

/// What a message counts in the meters: all that somebody wrote into it, see `docs/metering.md`.
pub(crate) fn metered_bytes(message: &Message<'_>) -> usize {
    message.subject.len() + message.reply.map_or(0, <[u8]>::len) + message.body().len()
}

fn check_reply(reply: &[u8]) -> Result<(), ProtocolError> {
    if is_reserved_reply(reply) {
        return Err(ProtocolError::PublishReplyViolation {
            reply: reply.to_vec(),
        });
    }
    Ok(())
}

impl Memo {
    fn new(account: Arc<Account>, reach: Reach) -> Self {
        Self {
            account,
            reach,
            subject: Vec::new(),
            generation: 0,
            plain: Vec::new(),
            groups: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Who pays for what a client of this account receives, and who waits for it.
    fn side(&self, account: &Arc<Account>) -> Side {
        match self.reach {
            Reach::Home => Side::Home,
            reach => Side::Abroad {
                account: account.clone(),
                stalls: reach == Reach::Request,
            },
        }
    }

    fn len(&self) -> usize {
        self.plain.len() + self.members.len()
    }

    /// Finds the receivers of a subject. Gives the walk when one look does not find them all: then
    /// the memo is good for a part of this message, and not for the next.
    fn fill(&mut self, subject: &[u8], staging: &mut Staging) -> Option<Walk> {
        self.plain.clear();
        self.groups.clear();
        self.members.clear();
        let (plain, members) = (&mut self.plain, &mut self.members);
        let mut walk = Walk::new();
        let (end, generation) = look(&self.account, &mut walk, subject, staging, &mut |subscription| {
            match subscription.queue {
                None => plain.push(subscription.clone()),
                Some(_) => members.push(subscription.clone()),
            }
            ControlFlow::Continue(())
        });
        if end == WalkEnd::Paused {
            self.generation = 0;
            return Some(walk);
        }
        self.generation = generation;
        // A group is all members of one name, whatever filters they came by.
        self.members.sort_unstable_by(|a, b| a.queue.cmp(&b.queue));
        let mut start = 0;
        for group in self.members.chunk_by(|a, b| a.queue == b.queue) {
            self.groups.push(start..start + group.len());
            start += group.len();
        }
        self.subject.clear();
        self.subject.extend_from_slice(subject);
        None
    }
}
