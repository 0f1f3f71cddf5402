//! Why a connection ends, and what its client hears of it.

use tollway_websocket::{CloseCode, ReceiveError};
use tollway_wire::{DecodeError, ProtocolError};

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The client closed its side.
    ClientClosed,
    /// Reading from the socket failed.
    Io,
    /// Writing to it did.
    WriteFailed,
    /// What the client sent is not the protocol.
    Protocol(DecodeError),
    /// What the client sent is no websocket.
    Websocket(ReceiveError),
    /// The JSON of CONNECT cannot be read; stock servers close without a word.
    MalformedConnect,
    /// The client is told why.
    Told(ProtocolError),
    /// What let the user in is gone (signing key, scope); stock servers close without a word.
    Withdrawn(&'static str),
    /// More bytes wait for it than it may have waiting.
    PendingBytes,
    /// Its account made the node hold more than it may, and most of it waits for this one.
    AccountMemory,
    /// More waits for it than a rate sends in good time: this one.
    ReceiveRate(Box<str>),
    /// Its socket took nothing for the whole write deadline.
    WriteDeadline,
    /// It did not answer PINGs.
    Stale,
    /// The node stops.
    Shutdown,
    /// Who runs the node wants to be rid of it.
    Kicked,
}

impl CloseReason {
    /// What the client is told before the socket is closed.
    pub(crate) fn told(&self) -> Option<ProtocolError> {
        match self {
            Self::Protocol(error) => error.told(),
            Self::Told(error) => Some(error.clone()),
            Self::Stale => Some(ProtocolError::StaleConnection),
            Self::ClientClosed
            | Self::Io
            | Self::WriteFailed
            | Self::Websocket(_)
            | Self::MalformedConnect
            | Self::Withdrawn(_)
            | Self::PendingBytes
            | Self::AccountMemory
            | Self::ReceiveRate(_)
            | Self::WriteDeadline
            | Self::Shutdown
            | Self::Kicked => None,
        }
    }

    /// Whether what is still waiting for the client is worth the effort.
    pub(crate) fn flushes(&self) -> bool {
        !matches!(
            self,
            Self::ClientClosed
                | Self::Io
                | Self::WriteFailed
                | Self::PendingBytes
                | Self::AccountMemory
                | Self::ReceiveRate(_)
                | Self::WriteDeadline
        )
    }

    /// Whether the client may still be sending what it sent before it could know, so that the kernel
    /// would take back what it was told last.
    pub(crate) fn lingers(&self, last_words: &[u8]) -> bool {
        !last_words.is_empty() || matches!(self, Self::Websocket(_))
    }

    /// What the client of a websocket is told.
    pub(crate) fn websocket_code(&self) -> CloseCode {
        match self {
            Self::ClientClosed => CloseCode::NORMAL,
            Self::Websocket(error) => error.code,
            Self::Io | Self::WriteFailed | Self::Stale | Self::Shutdown | Self::Kicked => {
                CloseCode::GOING_AWAY
            }
            Self::Told(ProtocolError::MaximumPayloadViolation)
            | Self::Protocol(DecodeError::PayloadExceeded { .. }) => CloseCode::TOO_BIG,
            Self::Told(ProtocolError::InvalidClientProtocol) | Self::Protocol(_) | Self::MalformedConnect => {
                CloseCode::PROTOCOL_ERROR
            }
            Self::Told(_)
            | Self::Withdrawn(_)
            | Self::PendingBytes
            | Self::AccountMemory
            | Self::ReceiveRate(_)
            | Self::WriteDeadline => CloseCode::POLICY,
        }
    }

    pub(crate) fn is_slow_consumer(&self) -> bool {
        matches!(
            self,
            Self::PendingBytes | Self::AccountMemory | Self::ReceiveRate(_) | Self::WriteDeadline
        )
    }

    pub(crate) fn is_protocol_error(&self) -> bool {
        match self {
            // A client that never authenticates is counted among the refusals.
            Self::Protocol(error) => *error != DecodeError::ConnectExpected,
            Self::Websocket(_) | Self::MalformedConnect => true,
            _ => false,
        }
    }

    /// What stock servers call it, where they tell why a connection ended.
    pub(crate) fn stock(&self) -> &'static str {
        match self {
            Self::ClientClosed => "Client Closed",
            Self::Io => "Read Error",
            Self::WriteFailed => "Write Error",
            Self::Protocol(DecodeError::ConnectExpected) => "Authentication Failure",
            Self::Protocol(DecodeError::ControlLineExceeded { .. }) => "Maximum Control Line Exceeded",
            Self::Protocol(DecodeError::PayloadExceeded { .. }) => "Maximum Message Payload Exceeded",
            Self::Protocol(DecodeError::GivenUp) => "Parse Error",
            Self::Protocol(_) | Self::Websocket(_) | Self::MalformedConnect => "Protocol Violation",
            Self::Told(error) => stock_error(error),
            Self::Withdrawn(_) => "Authentication Failure",
            Self::PendingBytes | Self::AccountMemory | Self::ReceiveRate(_) => {
                "Slow Consumer (Pending Bytes)"
            }
            Self::WriteDeadline => "Slow Consumer (Write Deadline)",
            Self::Stale => "Stale Connection",
            Self::Shutdown => "Server Shutdown",
            Self::Kicked => "Kicked",
        }
    }

    /// For log lines.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::ClientClosed => "client closed".into(),
            Self::Io | Self::WriteFailed => "socket error".into(),
            Self::Protocol(error) => error.to_string(),
            Self::Websocket(error) => error.to_string(),
            Self::MalformedConnect => "malformed CONNECT".into(),
            Self::Told(error) => error.text().into_owned(),
            Self::Withdrawn(what) => (*what).into(),
            Self::PendingBytes => "slow consumer (pending bytes)".into(),
            Self::AccountMemory => "slow consumer (memory of its account)".into(),
            Self::ReceiveRate(rule) => format!("slow consumer ({rule})"),
            Self::WriteDeadline => "slow consumer (write deadline)".into(),
            Self::Stale => "stale connection".into(),
            Self::Shutdown => "server shutdown".into(),
            Self::Kicked => "kicked".into(),
        }
    }
}

fn stock_error(error: &ProtocolError) -> &'static str {
    match error {
        ProtocolError::AuthorizationViolation => "Authentication Failure",
        ProtocolError::AuthenticationTimeout => "Authentication Timeout",
        ProtocolError::UserAuthenticationExpired | ProtocolError::AccountAuthenticationExpired => {
            "Authentication Expired"
        }
        ProtocolError::UserAuthenticationRevoked => "Credentials Revoked",
        ProtocolError::MaximumAccountConnectionsExceeded => "Maximum Account Connections Exceeded",
        ProtocolError::MaximumConnectionsExceeded | ProtocolError::ConnectionThrottling => {
            "Maximum Connections Exceeded"
        }
        ProtocolError::MaximumPayloadViolation => "Maximum Message Payload Exceeded",
        ProtocolError::MaximumControlLineExceeded => "Maximum Control Line Exceeded",
        ProtocolError::MaximumSubscriptionsExceeded => "Maximum Subscriptions Exceeded",
        ProtocolError::TlsRequired => TLS_HANDSHAKE_FAILURE,
        ProtocolError::StaleConnection => "Stale Connection",
        ProtocolError::InvalidClientProtocol => "Bad Client Protocol Version",
        ProtocolError::NoRespondersRequiresHeaders => "No Responders Requires Headers",
        ProtocolError::FailedAccountRegistration => "Missing Account",
        // These do not close a connection.
        ProtocolError::UnknownProtocolOperation
        | ProtocolError::PublishViolation { .. }
        | ProtocolError::PublishReplyViolation { .. }
        | ProtocolError::SubscriptionViolation { .. }
        | ProtocolError::SubscriptionTooManyTokens { .. }
        | ProtocolError::InvalidSubject
        | ProtocolError::InvalidPublishSubject => "Protocol Violation",
    }
}

/// What stock servers call a connection that ended before there was one.
pub(crate) const TLS_HANDSHAKE_FAILURE: &str = "TLS Handshake Failure";
