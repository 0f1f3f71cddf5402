//! What a client is told when something is refused: byte for byte the stock texts.
//!
//! Client libraries look for these texts to decide whether to reconnect, to report, or to give up,
//! and they close on texts they do not know. So nothing may be added to them; who wants to know
//! which limit decided finds it in the account's events.

use std::borrow::Cow;

/// An error of the protocol, sent as `-ERR 'text'`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolError {
    /// An unknown verb, or no line end behind a payload.
    UnknownProtocolOperation,
    /// The arguments of an operation are longer than allowed.
    MaximumControlLineExceeded,
    /// A message is larger than allowed.
    MaximumPayloadViolation,
    /// Every failure to authenticate: the client is never told which.
    AuthorizationViolation,
    /// No valid `CONNECT` in time.
    AuthenticationTimeout,
    /// The user's token expired, or its time of the day is over.
    UserAuthenticationExpired,
    /// The user's token was revoked while it was connected.
    UserAuthenticationRevoked,
    /// The account expired, or was deleted.
    AccountAuthenticationExpired,
    /// The account has as many connections as it may have.
    MaximumAccountConnectionsExceeded,
    /// The server has as many connections as it may have.
    MaximumConnectionsExceeded,
    /// Too many connections at the same time are being set up.
    ConnectionThrottling,
    /// The client did not start TLS.
    TlsRequired,
    /// The client did not answer pings.
    StaleConnection,
    /// `CONNECT.protocol` is neither 0 nor 1.
    InvalidClientProtocol,
    /// `no_responders` without `headers` in `CONNECT`.
    NoRespondersRequiresHeaders,
    /// The client's account is not served here.
    FailedAccountRegistration,
    /// The connection has as many subscriptions as it may have. It stays open, unless an update of
    /// the account put it over the limit: then its owner closes it all the same.
    MaximumSubscriptionsExceeded,
    /// The user may not publish to the subject, or a rate was exceeded for too long.
    PublishViolation {
        /// What it was published to.
        subject: Vec<u8>,
    },
    /// The reply subject is reserved.
    PublishReplyViolation {
        /// The reply subject.
        reply: Vec<u8>,
    },
    /// The user may not subscribe, or not any more.
    SubscriptionViolation {
        /// What it subscribed with.
        filter: Vec<u8>,
        /// The queue group it wanted to join.
        queue: Option<Vec<u8>>,
        /// Set when a living subscription was removed because permissions changed.
        sid: Option<Vec<u8>>,
    },
    /// A filter has more tokens than allowed.
    SubscriptionTooManyTokens {
        /// The filter.
        filter: Vec<u8>,
    },
    /// A subscription with an invalid filter.
    InvalidSubject,
    /// A pedantic client published to an invalid subject.
    InvalidPublishSubject,
}

impl ProtocolError {
    /// The text between the apostrophes.
    pub fn text(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::UnknownProtocolOperation => "Unknown Protocol Operation",
            Self::MaximumControlLineExceeded => "maximum control line exceeded",
            Self::MaximumPayloadViolation => "Maximum Payload Violation",
            Self::AuthorizationViolation => "Authorization Violation",
            Self::AuthenticationTimeout => "Authentication Timeout",
            Self::UserAuthenticationExpired => "User Authentication Expired",
            Self::UserAuthenticationRevoked => "User Authentication Revoked",
            Self::AccountAuthenticationExpired => "Account Authentication Expired",
            Self::MaximumAccountConnectionsExceeded => "maximum account active connections exceeded",
            Self::MaximumConnectionsExceeded => "maximum connections exceeded",
            Self::ConnectionThrottling => "Connection throttling is active. Please try again later.",
            Self::TlsRequired => "Secure Connection - TLS Required",
            Self::StaleConnection => "Stale Connection",
            Self::InvalidClientProtocol => "invalid client protocol",
            Self::NoRespondersRequiresHeaders => "no responders requires headers support",
            Self::FailedAccountRegistration => "Failed Account Registration",
            Self::MaximumSubscriptionsExceeded => "maximum subscriptions exceeded",
            Self::InvalidSubject => "Invalid Subject",
            Self::InvalidPublishSubject => "Invalid Publish Subject",
            Self::PublishViolation { subject } => {
                return Cow::Owned(format!(
                    "Permissions Violation for Publish to {}",
                    quoted(subject)
                ));
            }
            Self::PublishReplyViolation { reply } => {
                let reply = quoted(reply);
                return Cow::Owned(format!("Permissions Violation for Publish with Reply of {reply}"));
            }
            Self::SubscriptionViolation { filter, queue, sid } => {
                let mut text = format!("Permissions Violation for Subscription to {}", quoted(filter));
                if let Some(queue) = queue {
                    text.push_str(" using queue ");
                    text.push_str(&quoted(queue));
                }
                if let Some(sid) = sid {
                    text.push_str(" (sid ");
                    text.push_str(&quoted(sid));
                    text.push(')');
                }
                return Cow::Owned(text);
            }
            Self::SubscriptionTooManyTokens { filter } => {
                let filter = quoted(filter);
                return Cow::Owned(format!(
                    "Permissions Violation for Subscription to {filter}, too many tokens"
                ));
            }
        })
    }

    /// Whether the connection is closed after the client was told.
    pub fn closes(&self) -> bool {
        match self {
            Self::MaximumSubscriptionsExceeded
            | Self::PublishViolation { .. }
            | Self::PublishReplyViolation { .. }
            | Self::SubscriptionViolation { .. }
            | Self::SubscriptionTooManyTokens { .. }
            | Self::InvalidSubject
            | Self::InvalidPublishSubject => false,
            Self::UnknownProtocolOperation
            | Self::MaximumControlLineExceeded
            | Self::MaximumPayloadViolation
            | Self::AuthorizationViolation
            | Self::AuthenticationTimeout
            | Self::UserAuthenticationExpired
            | Self::UserAuthenticationRevoked
            | Self::AccountAuthenticationExpired
            | Self::MaximumAccountConnectionsExceeded
            | Self::MaximumConnectionsExceeded
            | Self::ConnectionThrottling
            | Self::TlsRequired
            | Self::StaleConnection
            | Self::InvalidClientProtocol
            | Self::NoRespondersRequiresHeaders
            | Self::FailedAccountRegistration => true,
        }
    }
}

/// The bytes between double quotes, with what is not printable escaped: the text stays one line
/// whatever a client used for a subject.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => text.extend(['\\', character]),
                _ if character.is_ascii_control() => push_escaped(&mut text, character as u8),
                _ => text.push(character),
            }
        }
        for &byte in chunk.invalid() {
            push_escaped(&mut text, byte);
        }
    }
    text.push('"');
    text
}

fn push_escaped(text: &mut String, byte: u8) {
    text.push_str(&format!("\\x{byte:02x}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are a contract with every client library: this table repeats them on purpose.
    #[test]
    fn texts_are_byte_for_byte_the_stock_ones() {
        use ProtocolError::*;
        let subscription = |queue: Option<&str>, sid: Option<&str>| SubscriptionViolation {
            filter: b"q.a".to_vec(),
            queue: queue.map(|queue| queue.as_bytes().to_vec()),
            sid: sid.map(|sid| sid.as_bytes().to_vec()),
        };
        let subject = || b"a.b".to_vec();
        for (error, text, closes) in [
            (UnknownProtocolOperation, "Unknown Protocol Operation", true),
            (MaximumControlLineExceeded, "maximum control line exceeded", true),
            (MaximumPayloadViolation, "Maximum Payload Violation", true),
            (AuthorizationViolation, "Authorization Violation", true),
            (AuthenticationTimeout, "Authentication Timeout", true),
            (UserAuthenticationExpired, "User Authentication Expired", true),
            (
                AccountAuthenticationExpired,
                "Account Authentication Expired",
                true,
            ),
            (UserAuthenticationRevoked, "User Authentication Revoked", true),
            (
                MaximumAccountConnectionsExceeded,
                "maximum account active connections exceeded",
                true,
            ),
            (MaximumConnectionsExceeded, "maximum connections exceeded", true),
            (
                ConnectionThrottling,
                "Connection throttling is active. Please try again later.",
                true,
            ),
            (TlsRequired, "Secure Connection - TLS Required", true),
            (StaleConnection, "Stale Connection", true),
            (InvalidClientProtocol, "invalid client protocol", true),
            (
                NoRespondersRequiresHeaders,
                "no responders requires headers support",
                true,
            ),
            (FailedAccountRegistration, "Failed Account Registration", true),
            (
                MaximumSubscriptionsExceeded,
                "maximum subscriptions exceeded",
                false,
            ),
            (
                PublishViolation { subject: subject() },
                r#"Permissions Violation for Publish to "a.b""#,
                false,
            ),
            (
                PublishReplyViolation { reply: subject() },
                r#"Permissions Violation for Publish with Reply of "a.b""#,
                false,
            ),
            (
                subscription(None, None),
                r#"Permissions Violation for Subscription to "q.a""#,
                false,
            ),
            (
                subscription(Some("other"), None),
                r#"Permissions Violation for Subscription to "q.a" using queue "other""#,
                false,
            ),
            (
                subscription(None, Some("7")),
                r#"Permissions Violation for Subscription to "q.a" (sid "7")"#,
                false,
            ),
            (
                subscription(Some("other"), Some("7")),
                r#"Permissions Violation for Subscription to "q.a" using queue "other" (sid "7")"#,
                false,
            ),
            (
                SubscriptionTooManyTokens { filter: subject() },
                r#"Permissions Violation for Subscription to "a.b", too many tokens"#,
                false,
            ),
            (InvalidSubject, "Invalid Subject", false),
            (InvalidPublishSubject, "Invalid Publish Subject", false),
        ] {
            assert_eq!(error.text(), text);
            assert_eq!(error.closes(), closes, "{text}");
        }
    }

    #[test]
    fn a_text_stays_one_line_whatever_the_subject_is() {
        for (subject, shown) in [
            (&b"plain"[..], r#""plain""#),
            (b"qu\"ote\\", r#""qu\"ote\\""#),
            (b"nul\0bell\x07del\x7f", r#""nul\x00bell\x07del\x7f""#),
            (b"\xff\xfe", r#""\xff\xfe""#),
            ("größe".as_bytes(), r#""größe""#),
        ] {
            assert_eq!(quoted(subject), shown);
        }
    }
}
