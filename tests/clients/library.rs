//! Client libraries of other languages.

use tokio::process::Command;
use tollway_tests::{Creds, Node, Script, System, Tool};

/// A library that a script plays the parts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// nats-py.
    Python,
    /// `@nats-io/transport-node`, version 3.
    Node,
    /// `nats` from npm, version 2.
    OldNode,
}

impl Library {
    /// Whether its language is on this machine; says so when it is not.
    pub(crate) fn is_here(self) -> bool {
        let tools: &[Tool] = match self {
            Self::Python => &[Tool::Python],
            Self::Node | Self::OldNode => &[Tool::Node, Tool::NodeDir],
        };
        tools.iter().all(|tool| tool.find(&format!("{self:?}")).is_some())
    }

    /// A program that plays a part as one user.
    pub(crate) fn plays(self, part: &str, system: &System, node: &Node, creds: &Creds) -> Command {
        let mut command = match self {
            Self::Python => Script::python(part, "clients/python/client.py"),
            Self::Node => Script::node(part, "clients/node/nats_v3.mjs", system.folder()),
            Self::OldNode => Script::node(part, "clients/node/nats_v2.mjs", system.folder()),
        }
        .expect("its language is here");
        command
            .arg(part)
            .env("NATS_URL", node.url())
            .env("CREDS", &creds.path);
        command
    }
}

/// The texts come from the server; how much of them is left is up to the library. With nats-server
/// 2.15.1 the same scripts say the same, but for what expires: it lets creds in for the rest of the
/// second in which they expire, to cut them again at once.
impl Library {
    /// How it reports creds that are refused. Servers do not tell a stranger why.
    pub(crate) fn refusal(self) -> &'static str {
        match self {
            Self::Python => "Error: nats: 'Authorization Violation'",
            Self::Node => "AuthorizationError: Authorization Violation",
            Self::OldNode => "AUTHORIZATION_VIOLATION: 'Authorization Violation'",
        }
    }

    /// What `permissions` prints.
    pub(crate) fn permission_texts(self) -> [&'static str; 4] {
        match self {
            Self::Python => [
                r#"publish: nats: permissions violation for publish to "secret.plans""#,
                r#"subscribe: nats: permissions violation for subscription to "secret.>""#,
                r#"queue: nats: permissions violation for subscription to "secret.plans" using queue "spies""#,
                "the rest works",
            ],
            Self::Node => [
                r#"publish: PermissionViolationError: Permissions Violation for Publish to "secret.plans""#,
                r#"subscribe: PermissionViolationError: Permissions Violation for Subscription to "secret.>""#,
                r#"queue: PermissionViolationError: Permissions Violation for Subscription to "secret.plans" using queue "spies""#,
                "the rest works",
            ],
            Self::OldNode => [
                "publish: PERMISSIONS_VIOLATION: publish secret.plans",
                "subscribe: PERMISSIONS_VIOLATION: subscription secret.>",
                "queue: PERMISSIONS_VIOLATION: subscription secret.plans spies",
                "the rest works",
            ],
        }
    }

    /// How it reports that the account has all the connections it may have.
    pub(crate) fn no_connection_left(self) -> &'static str {
        match self {
            Self::Python => "Error: nats: 'maximum account active connections exceeded'",
            Self::Node => "ProtocolError: maximum account active connections exceeded",
            Self::OldNode => "NATS_PROTOCOL_ERR: 'maximum account active connections exceeded'",
        }
    }

    /// What `cut` prints after the creds expired. The libraries for Node try to come back, twice.
    pub(crate) fn expiry_texts(self) -> &'static [&'static str] {
        match self {
            Self::Python => &["closed: nats: user authentication expired"],
            Self::Node => &[
                "UserAuthenticationExpiredError: User Authentication Expired",
                "AuthorizationError: Authorization Violation",
                "closed: AuthorizationError: Authorization Violation",
            ],
            Self::OldNode => &[
                "AUTHENTICATION_EXPIRED",
                "AUTHORIZATION_VIOLATION",
                "closed: AUTHORIZATION_VIOLATION: 'Authorization Violation'",
            ],
        }
    }

    /// What `cut` prints after the creds were revoked, with the same second thoughts.
    pub(crate) fn revocation_texts(self) -> &'static [&'static str] {
        match self {
            Self::Python => &["closed: nats: user authentication revoked"],
            Self::Node => &[
                "ProtocolError: User Authentication Revoked",
                "AuthorizationError: Authorization Violation",
                "closed: AuthorizationError: Authorization Violation",
            ],
            Self::OldNode => &[
                "NATS_PROTOCOL_ERR",
                "AUTHORIZATION_VIOLATION",
                "closed: AUTHORIZATION_VIOLATION: 'Authorization Violation'",
            ],
        }
    }
}
