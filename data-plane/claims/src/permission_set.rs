//! Answers to "may this user ...?", from permissions that were compiled once.
//!
//! The meaning, in one sentence: a literal subject is allowed when the allow
//! list is empty or a rule of it matches, and no rule of the deny list matches.
//! A subscription with wildcards is allowed when one allow rule contains it
//! and no deny rule does. When a deny rule merely overlaps it, the subscription
//! stands and the denied part is held back at delivery:
//! [`PermissionSet::needs_delivery_filter`] says when that has to be looked at.
//!
//! A subscribe rule may name a queue, `filter queue`, where the queue may have
//! wildcards. Such a rule is about queue subscriptions alone: as soon as one of
//! the allow list is about the subject, the queue has to be among those named.
//! A plain deny rule is about queue subscriptions as well.

use tollway_subject::{Filter, InvalidSubject, tokens};

use crate::permissions::{Permissions, Rules};
use crate::responses::{ResponseGrants, ResponseRule};
use crate::rule_list::{Rule, RuleList};

/// Why permissions cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    /// A rule of a subject that is none.
    #[error("the rule {rule:?} is no filter")]
    Filter {
        /// The rule as written.
        rule: String,
        /// What is wrong with it.
        #[source]
        source: InvalidSubject,
    },
    /// More words than a filter and a queue.
    #[error("the rule {rule:?} must be a filter, or a filter and a queue")]
    Words {
        /// The rule as written.
        rule: String,
    },
    /// A queue in a rule for publishing.
    #[error("the rule {rule:?} names a queue, but publishing knows no queues")]
    QueueInPublish {
        /// The rule as written.
        rule: String,
    },
}

/// What decided that something is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidingRule<'a> {
    /// This rule of the deny list, as written in the claim.
    Deny(&'a str),
    /// There is an allow list, and no rule of it applies.
    NotAllowed,
    /// Queues are named in the rules, and this queue has an empty token: no rule could speak about it.
    InvalidQueue,
}

/// Allowed, or denied and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision<'a> {
    /// Go on.
    Allowed,
    /// Refuse, and tell the account's events why.
    Denied(DecidingRule<'a>),
}

impl Decision<'_> {
    /// Whether to go on.
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }
}

/// Compiled permissions of one user.
///
/// Costs nothing for users without permissions, and otherwise, per question
/// about a subject, a look at a handful of filters or one pass through a trie
/// of many, without allocation.
#[derive(Debug, Clone, Default)]
pub struct PermissionSet {
    publish: Option<Box<Checks>>,
    subscribe: Option<Box<Checks>>,
    responses: Option<ResponseRule>,
}

impl PermissionSet {
    /// Everything is allowed.
    pub fn unrestricted() -> Self {
        Self::default()
    }

    /// Compiles a claim's permissions. Every rule has to be right: a deny rule
    /// that was skipped would allow what it was written against.
    pub fn compile(permissions: &Permissions) -> Result<Self, PermissionError> {
        let responses = permissions.responses.as_ref().map(ResponseRule::from);
        let mut publish = Checks::compile(&permissions.publish)?;
        if let Some(rule) = publish
            .iter()
            .flat_map(|checks| checks.rules())
            .find(|rule| rule.queue().is_some())
        {
            return Err(PermissionError::QueueInPublish {
                rule: rule.text().into(),
            });
        }
        if responses.is_some() {
            // Leave to answer is meant for users who may do nothing else:
            // it turns "nothing listed, all allowed" into "nothing allowed".
            publish.get_or_insert_default().allow.get_or_insert_default();
        }
        Ok(Self {
            publish: publish.map(Box::new),
            subscribe: Checks::compile(&permissions.subscribe)?.map(Box::new),
            responses,
        })
    }

    /// Whether a message may be published to this subject. Leave to answer is
    /// not looked at: ask [`ResponseGrants`] when this says no.
    #[inline]
    pub fn may_publish(&self, subject: &[u8]) -> Decision<'_> {
        match &self.publish {
            None => Decision::Allowed,
            Some(checks) => checks.literal(subject, None),
        }
    }

    /// Whether a subscription with this filter may be made, as a member of `queue` if given.
    pub fn may_subscribe(&self, filter: Filter<'_>, queue: Option<&[u8]>) -> Decision<'_> {
        match &self.subscribe {
            None => Decision::Allowed,
            Some(checks) => checks.filter(filter, queue),
        }
    }

    /// Whether an allowed subscription has to ask [`Self::may_deliver`] for
    /// each message, because some of what it matches is denied. Ask once, when
    /// the subscription is made.
    pub fn needs_delivery_filter(&self, filter: Filter<'_>, queue: Option<&[u8]>) -> bool {
        self.subscribe
            .as_ref()
            .is_some_and(|checks| checks.holds_back_part_of(filter, queue))
    }

    /// Whether a message to this subject may be delivered to a subscription:
    /// when a subscription to exactly this subject would be allowed. A member
    /// of a queue that may not have it leaves it to another member.
    #[inline]
    pub fn may_deliver(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        match &self.subscribe {
            None => true,
            Some(checks) => checks.literal(subject, queue).is_allowed(),
        }
    }

    /// The state that leave to answer needs, one per connection; `None` when the user has no such leave.
    pub fn response_grants(&self) -> Option<ResponseGrants> {
        self.responses.map(ResponseGrants::new)
    }
}

/// The two lists of one direction.
#[derive(Debug, Clone, Default)]
struct Checks {
    /// Absent when everything is allowed.
    allow: Option<RuleList>,
    deny: RuleList,
}

impl Checks {
    /// `None` when nothing is listed, so that questions are answered without looking.
    fn compile(rules: &Rules) -> Result<Option<Self>, PermissionError> {
        if rules.allow.is_empty() && rules.deny.is_empty() {
            return Ok(None);
        }
        let allow = if rules.allow.is_empty() {
            None
        } else {
            Some(RuleList::compile(&rules.allow)?)
        };
        Ok(Some(Self {
            allow,
            deny: RuleList::compile(&rules.deny)?,
        }))
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.allow.iter().flat_map(RuleList::iter).chain(self.deny.iter())
    }

    fn literal(&self, subject: &[u8], queue: Option<&[u8]>) -> Decision<'_> {
        if let Some(denied) = self.check_queue_name(queue) {
            return denied;
        }
        if let Some(allow) = &self.allow {
            let mut verdict = AllowVerdict::default();
            // Stops at the first rule that settles it.
            allow.any_matching(subject, |rule| verdict.take(rule, queue));
            if !verdict.is_allowed() {
                return Decision::Denied(DecidingRule::NotAllowed);
            }
        }
        let mut deciding = None;
        self.deny.any_matching(subject, |rule| {
            deciding = rule.denies(queue).then_some(rule);
            deciding.is_some()
        });
        decision(deciding)
    }

    fn filter(&self, filter: Filter<'_>, queue: Option<&[u8]>) -> Decision<'_> {
        if let Some(denied) = self.check_queue_name(queue) {
            return denied;
        }
        if let Some(allow) = &self.allow {
            let mut verdict = AllowVerdict::default();
            allow.any_containing(filter, |rule| verdict.take(rule, queue));
            if !verdict.is_allowed() {
                return Decision::Denied(DecidingRule::NotAllowed);
            }
        }
        let mut deciding = None;
        self.deny.any_containing(filter, |rule| {
            deciding = rule.denies(queue).then_some(rule);
            deciding.is_some()
        });
        decision(deciding)
    }

    fn holds_back_part_of(&self, filter: Filter<'_>, queue: Option<&[u8]>) -> bool {
        if !filter.has_wildcard() {
            return false; // what it matches is what was decided about
        }
        let overlaps = |rule: &Rule| rule.filter().overlaps(filter);
        let denied_part = self.deny.iter().any(|rule| rule.denies(queue) && overlaps(rule));
        // An allow rule about a narrower filter may name other queues than this one.
        let kept_for_other_queues = queue.is_some_and(|queue| {
            let mut allow = self.allow.iter().flat_map(RuleList::iter);
            allow.any(|rule| rule.queue().is_some() && !rule.names(queue) && overlaps(rule))
        });
        denied_part || kept_for_other_queues
    }

    /// A queue with an empty token is matched by no rule, so it would slip by
    /// a rule that denies all queues. Without rules about queues it is harmless.
    fn check_queue_name(&self, queue: Option<&[u8]>) -> Option<Decision<'_>> {
        let queue = queue?;
        let unspeakable = tokens(queue).any(<[u8]>::is_empty);
        (unspeakable && self.rules().any(|rule| rule.queue().is_some()))
            .then_some(Decision::Denied(DecidingRule::InvalidQueue))
    }
}

fn decision(denied_by: Option<&Rule>) -> Decision<'_> {
    match denied_by {
        None => Decision::Allowed,
        Some(rule) => Decision::Denied(DecidingRule::Deny(rule.text())),
    }
}

/// What the applicable rules of an allow list say together.
#[derive(Default)]
struct AllowVerdict {
    plain_rule: bool,
    queue_rule: bool,
    queue_named: bool,
}

impl AllowVerdict {
    /// Takes in a rule that is about the subject; true when no further rule can change the verdict.
    fn take(&mut self, rule: &Rule, queue: Option<&[u8]>) -> bool {
        match (rule.queue(), queue) {
            (None, None) => {
                self.plain_rule = true;
                true
            }
            (None, Some(_)) => {
                self.plain_rule = true;
                false // a rule about queues may still restrict it
            }
            (Some(_), None) => false,
            (Some(_), Some(queue)) => {
                self.queue_rule = true;
                self.queue_named |= rule.names(queue);
                self.queue_named
            }
        }
    }

    fn is_allowed(&self) -> bool {
        if self.queue_rule {
            self.queue_named
        } else {
            self.plain_rule
        }
    }
}
