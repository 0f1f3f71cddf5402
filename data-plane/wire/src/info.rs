//! What a server says about itself.

use serde::Serialize;

/// The JSON of `INFO`, sent when a connection opens, again after the client's first `PING`, and when
/// something changes (lame duck). The order of the fields is the order on the wire.
///
/// Encode it with [`crate::encoder::info`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Info {
    /// The server's public key (`N...`).
    pub server_id: String,
    /// The server's name for people.
    pub server_name: String,
    /// The version of the stock server that this one behaves like: client libraries decide by it
    /// which features they use, so it is not our own version.
    pub version: String,
    /// The version of the protocol: 1.
    pub proto: u8,
    /// The commit the server was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    /// The toolchain; part of the stock message, no client uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub go: Option<String>,
    /// The address the server listens on.
    pub host: String,
    /// The port the server listens on.
    pub port: u16,
    /// Whether messages may have headers.
    pub headers: bool,
    /// Whether the client has to authenticate.
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// Whether the client has to start TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// The most bytes of headers and payload together, in effect for this connection.
    pub max_payload: u32,
    /// Whether the JetStream API is served.
    #[serde(skip_serializing_if = "is_false")]
    pub jetstream: bool,
    /// The connection's number, unique for as long as the server runs.
    pub client_id: u64,
    /// The client's address as the server sees it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_ip: String,
    /// What the client has to sign; only in the first message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Where else the cell can be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// Whether the server is about to stop: clients should reconnect elsewhere.
    #[serde(rename = "ldm", skip_serializing_if = "is_false")]
    pub lame_duck_mode: bool,
    /// Whether this message says how the connection was set up, see the next two.
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    /// The account the client is bound to (`A...`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_account: Option<String>,
    /// Whether that is the system account.
    #[serde(rename = "acc_is_sys", skip_serializing_if = "is_false")]
    pub account_is_system: bool,
    /// Our own version; clients ignore what they do not know.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tollway_version: String,
}

fn is_false(flag: &bool) -> bool {
    !flag
}
