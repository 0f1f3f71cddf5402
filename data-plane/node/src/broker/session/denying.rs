//! Who hears of what a client is refused, and which rule decided it.

use std::sync::atomic::Ordering::Relaxed;

use time::OffsetDateTime;
use tollway_claims::{DecidingRule, Decision, Limit, SignedUser};
use tollway_subject::FilterBuf;
use tollway_wire::{DecodeError, ProtocolError};

use super::Session;
use super::login::Login;
use crate::broker::close_reason::CloseReason;
use crate::broker::denials::{
    self, Denial, Denied, DeniedClient, DeniedUser, EVENT_PREFIX, shortened, shortened_bytes,
};
use crate::broker::login::LoginError;
use crate::broker::refusals::Refusal;
use crate::broker::route::is_reserved_subject;
use crate::broker::shared::Shared;

impl Session {
    /// Counts what a client of an account is refused, and tells the account why.
    pub(super) fn deny(
        &self,
        kind: Denied,
        refused: &ProtocolError,
        subscribes: Option<(&[u8], Option<&[u8]>)>,
    ) {
        let Some(login) = &self.login else { return };
        denials::deny(&self.shared, &login.client.account, kind, || {
            let subject = match (refused, subscribes) {
                (_, Some((filter, _))) => Some(filter),
                (ProtocolError::PublishViolation { subject }, None) => Some(&subject[..]),
                (ProtocolError::PublishReplyViolation { reply }, None) => Some(&reply[..]),
                _ => None,
            };
            let queue = subscribes.and_then(|(_, queue)| queue);
            Denial {
                subject: subject.map(shortened_bytes),
                queue: queue.map(shortened_bytes),
                ..self.denial(login.rule(kind, refused, &self.shared), None)
            }
        });
    }

    /// The same, when the connection ends for it.
    pub(super) fn deny_with(&self, kind: Denied, rule: String, reason: String) {
        if let Some(login) = &self.login {
            let describe = || self.denial(rule, Some(reason));
            denials::deny(&self.shared, &login.client.account, kind, describe);
        }
    }

    /// Messages were not given to the client because of a rate, or because so much waits for it.
    pub(crate) fn handle_refused(&self, count: u64) {
        let Some(login) = &self.login else { return };
        let account = &login.client.account;
        let kind = match self.outbound.is_rated() {
            true => Denied::ReceiveRate,
            false => Denied::ReceiveMemory,
        };
        denials::deny_many(&self.shared, account, kind, count, || {
            self.denial(self.outbound.rule().into(), None)
        });
    }

    /// The same, of who was not let in, if it named an account that is served here.
    pub(super) fn deny_login(&self, error: &LoginError) {
        let refusal = error.refusal();
        let Some(account) = refusal.account.and_then(|key| self.shared.account(&key)) else {
            return;
        };
        let kind = match error {
            LoginError::Refused(_) => Denied::ConnectAuthorization,
            LoginError::TooManyConnections(_) => Denied::ConnectConnections,
            LoginError::UserTooManyConnections(_) => Denied::ConnectUserConnections,
        };
        denials::deny(&self.shared, &account, kind, || {
            let served = account.served();
            // It was read before, and is read again only for what is told.
            let shown = self
                .options
                .jwt
                .as_deref()
                .and_then(|jwt| SignedUser::decode(jwt).ok());
            let of_issuer = |user: &SignedUser| served.claims().user_share(&user.claims().issuer);
            let connections = shown.as_ref().and_then(|user| of_issuer(user).connections);
            let rule = match (kind, connections) {
                (Denied::ConnectConnections, _) => {
                    format!("limit account connections {}", number(served.limits.connections))
                }
                (Denied::ConnectUserConnections, Some(limit)) => {
                    format!("limit user connections {}", number(limit))
                }
                _ => refusal.rule.to_owned(),
            };
            let user = match &shown {
                Some(user) => DeniedUser {
                    name: Some(shortened(&user.claims().name)),
                    key: Some(user.claims().subject.to_string()),
                    id: user.claims().user.clone(),
                },
                None => DeniedUser {
                    name: self.options.user.as_deref().map(shortened),
                    key: self.options.nkey.as_deref().map(shortened),
                    id: None,
                },
            };
            Denial {
                user,
                ..self.denial(rule, Some(shortened(&refusal.reason)))
            }
        });
    }

    pub(super) fn denial(&self, rule: String, reason: Option<String>) -> Denial {
        let said = |text: &Option<String>| text.as_deref().map(shortened);
        Denial {
            at: OffsetDateTime::now_utc(),
            subject: None,
            queue: None,
            rule,
            reason,
            user: self
                .login
                .as_ref()
                .map_or_else(DeniedUser::default, |login| (&*login.client.user()).into()),
            client: DeniedClient {
                id: self.introduction.client_id,
                ip: self.introduction.client_ip,
                name: said(&self.options.name),
                lang: said(&self.options.lang),
                version: said(&self.options.version),
            },
        }
    }

    pub(super) fn refuse(&self, refusal: &Refusal) {
        self.shared
            .refusals
            .record(&self.shared.counters, Some(self.introduction.client_ip), refusal);
        self.tell_refused(refusal);
    }

    /// Counts a client that never authenticated, when that is why it ends, and says when it does
    /// not speak the protocol.
    pub(crate) fn note_end(&self, reason: &CloseReason) {
        if reason.is_protocol_error() {
            let account = self.login.as_ref().map(|login| login.client.account.key);
            let refusals = &self.shared.refusals;
            refusals.record_fault(self.introduction.client_ip, account, &reason.text());
        }
        match reason {
            CloseReason::Protocol(DecodeError::PayloadExceeded { limit, .. }) => {
                let rule = format!("limit payload {limit}");
                self.deny_with(Denied::PublishPayload, rule, reason.text());
            }
            CloseReason::AccountMemory => {
                let rule = format!("limit account memory {}", self.shared.settings.account_memory_max);
                self.deny_with(Denied::ReceiveMemory, rule, reason.text());
            }
            CloseReason::ReceiveRate(rule) => {
                self.deny_with(Denied::ReceiveRate, rule.to_string(), reason.text());
            }
            _ => {}
        }
        let rule = match reason {
            CloseReason::Told(ProtocolError::AuthenticationTimeout) => "timeout",
            CloseReason::Protocol(DecodeError::ConnectExpected) => "connect_expected",
            _ => return,
        };
        self.refuse(&Refusal {
            rule,
            reason: reason.text(),
            account: None,
        });
    }
}

impl Login {
    /// What decided that something is refused.
    fn rule(&self, kind: Denied, refused: &ProtocolError, shared: &Shared) -> String {
        let user = self.client.user();
        let deciding = |list: &str, decision: Decision<'_>| match decision {
            Decision::Denied(DecidingRule::Deny(rule)) => format!("{list}.deny {rule}"),
            Decision::Denied(DecidingRule::NotAllowed) => format!("not in {list}.allow"),
            Decision::Denied(DecidingRule::InvalidQueue) => "invalid queue".to_owned(),
            // The permissions allow it: it is nobody's to use.
            Decision::Allowed => "reserved".to_owned(),
        };
        match (kind, refused) {
            (Denied::PublishRate, _) => self
                .throttle
                .as_ref()
                .map_or_else(String::new, |throttle| throttle.rule()),
            (_, ProtocolError::PublishViolation { subject }) => {
                let reserved = subject.starts_with(EVENT_PREFIX) || is_reserved_subject(subject);
                match reserved {
                    true => "reserved".to_owned(),
                    false => deciding("pub", user.permissions.may_publish(subject)),
                }
            }
            (_, ProtocolError::PublishReplyViolation { .. }) => "reserved reply".to_owned(),
            (_, ProtocolError::SubscriptionViolation { filter, queue, .. }) => {
                let filter = FilterBuf::new(filter).expect("it was one when it was refused");
                deciding(
                    "sub",
                    user.permissions
                        .may_subscribe(filter.as_filter(), queue.as_deref()),
                )
            }
            (Denied::SubscribeTokens, _) => {
                format!(
                    "limit subscription tokens {}",
                    shared.settings.max_subscription_tokens
                )
            }
            (Denied::SubscribeMemory, _) => {
                format!("limit account memory {}", shared.settings.account_memory_max)
            }
            _ => {
                let own = self.client.subscriptions.load(Relaxed) + 1;
                let total = self.client.account.served().limits.subscriptions;
                match self.limits.subscriptions.allows(own) {
                    false => format!(
                        "limit connection subscriptions {}",
                        number(self.limits.subscriptions)
                    ),
                    true => format!("limit account subscriptions {}", number(total)),
                }
            }
        }
    }
}

/// A limit that was reached.
fn number(limit: Limit) -> i64 {
    limit.as_i64()
}
