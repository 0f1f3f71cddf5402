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
    /// Whether the client has to show a certificate.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    /// Whether the client may start TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_available: bool,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder;

    fn encoded(info: &Info) -> String {
        let mut out = Vec::new();
        encoder::info(&mut out, info);
        String::from_utf8(out).unwrap()
    }

    fn server() -> Info {
        Info {
            server_id: "NSERVER".into(),
            server_name: "node-1".into(),
            version: "2.12.0".into(),
            proto: 1,
            host: "127.0.0.1".into(),
            port: 4222,
            headers: true,
            auth_required: true,
            max_payload: 1_048_576,
            client_id: 7,
            client_ip: "127.0.0.1".into(),
            tollway_version: "0.1.0".into(),
            ..Info::default()
        }
    }

    #[test]
    fn the_first_info_has_a_nonce_and_the_order_of_a_stock_server() {
        let first = Info {
            git_commit: Some("abc1234".into()),
            go: Some("none".into()),
            nonce: Some("Abcdefghijklmno".into()),
            ..server()
        };
        assert_eq!(
            encoded(&first),
            "INFO {\"server_id\":\"NSERVER\",\"server_name\":\"node-1\",\"version\":\"2.12.0\",\"proto\":1,\
             \"git_commit\":\"abc1234\",\"go\":\"none\",\"host\":\"127.0.0.1\",\"port\":4222,\"headers\":true,\
             \"auth_required\":true,\"max_payload\":1048576,\"client_id\":7,\"client_ip\":\"127.0.0.1\",\
             \"nonce\":\"Abcdefghijklmno\",\"tollway_version\":\"0.1.0\"} \r\n"
        );
    }

    #[test]
    fn the_second_info_says_how_the_connection_was_set_up() {
        let second = Info {
            max_payload: 100,
            connect_info: true,
            remote_account: Some("AACCOUNT".into()),
            lame_duck_mode: true,
            account_is_system: true,
            ..server()
        };
        let text = encoded(&second);
        assert!(!text.contains("nonce"));
        assert!(text.ends_with(
            "\"client_ip\":\"127.0.0.1\",\"ldm\":true,\"connect_info\":true,\
             \"remote_account\":\"AACCOUNT\",\"acc_is_sys\":true,\"tollway_version\":\"0.1.0\"} \r\n"
        ));
    }
}
