//! Where clients reach a node, as the node says it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Schemes that clients know.
const SCHEMES: [&str; 4] = ["nats", "tls", "ws", "wss"];

/// Longest host name, as in DNS.
const HOST_LENGTH_MAX: usize = 253;

/// A scheme, a host and a port, and nothing else: `nats://node-1.example:4222`.
///
/// Tenants paste it into a shell as part of a line that we wrote, so it holds no character that means
/// something there, and no user whose password would go to somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientUrl(String);

/// A text that is no [`ClientUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a client URL is nats, tls, ws or wss, a host and a port, such as nats://node.example:4222")]
pub struct InvalidClientUrl;

impl ClientUrl {
    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientUrl {
    type Err = InvalidClientUrl;

    fn from_str(text: &str) -> Result<Self, InvalidClientUrl> {
        let (scheme, place) = text.split_once("://").ok_or(InvalidClientUrl)?;
        // An address of IPv6 has colons of its own, and stands in brackets.
        let (host, port) = place.rsplit_once(':').ok_or(InvalidClientUrl)?;
        if SCHEMES.contains(&scheme) && is_host(host) && is_port(port) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidClientUrl)
        }
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    // Underscores are no letters of DNS, but of the names that container networks give.
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    host.len() <= HOST_LENGTH_MAX
        && host.bytes().all(inner)
        && host
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

impl fmt::Display for ClientUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_are_a_client_url() {
        for text in [
            "nats://127.0.0.1:4222",
            "nats://0.0.0.0:4222",
            "tls://nats.example.org:4443",
            "ws://node_1:80",
            "wss://xn--kse-qla.example:65535",
            "nats://[::1]:4222",
            "nats://[fd00::12ab]:4222",
        ] {
            assert_eq!(text.parse::<ClientUrl>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_would_mean_something_to_a_shell_or_lead_elsewhere_is_refused() {
        for text in [
            "",
            "nats://",
            "nats://host",
            "nats://host:",
            "nats://:4222",
            "nats://host:0",
            "nats://host:65536",
            "nats://host:+1",
            "nats://host:4222/",
            "nats://host:4222/$(id)",
            "nats://host:4222?x",
            "nats://user@host:4222",
            "nats://user:secret@host:4222",
            "nats://a:1,nats://b:2",
            "nats://host;id;:4222",
            "nats://$(id):4222",
            "nats://`id`:4222",
            "nats://host\n:4222",
            "nats://host :4222",
            " nats://host:4222",
            "nats://-host:4222",
            "nats://'x':4222",
            "nats://[::1%lo]:4222",
            "nats://[::1:4222",
            "nats://::1:4222",
            "nats://h\u{f6}st:4222",
            "NATS://host:4222",
            "http://host:4222",
            "javascript://host:4222",
        ] {
            assert_eq!(text.parse::<ClientUrl>(), Err(InvalidClientUrl), "{text:?}");
        }
    }
}
