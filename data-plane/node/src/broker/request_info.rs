//! What an exporter is told about who asks: the header `Nats-Request-Info`.
//!
//! Services decide by it, so nobody else may write it: whatever a requester puts under that name
//! is left out when its request crosses, however it is spelled.

use serde::Serialize;
use tollway_wire::Message;

use super::account::Account;

/// The header's name.
const NAME: &str = "Nats-Request-Info";

/// A client as other accounts, or its own, are told about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RequestInfo {
    /// The account.
    pub(crate) acc: String,
    /// What follows is told when the importer shares it, and to the client's own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lang: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_type: Option<&'static str>,
}

impl RequestInfo {
    /// The account, and nothing about who it is in there.
    pub(crate) fn of_account(account: &Account) -> Self {
        Self {
            acc: account.label.to_string(),
            ..Self::default()
        }
    }

    /// The line that says it.
    pub(crate) fn header(&self) -> Vec<u8> {
        let json = serde_json::to_string(self).expect("texts and numbers are JSON");
        format!("{NAME}: {json}\r\n").into_bytes()
    }
}

/// Writes a request's body with this header. Says how many bytes of it are headers.
pub(crate) fn write(header: &[u8], message: &Message<'_>, body: &mut Vec<u8>) -> usize {
    body.clear();
    match message.headers() {
        Some(block) => copy_without_own(block, body),
        None => body.extend_from_slice(b"NATS/1.0\r\n"),
    }
    body.extend_from_slice(header);
    body.extend_from_slice(b"\r\n");
    let header_len = body.len();
    body.extend_from_slice(message.payload());
    header_len
}

/// Copies a header block without the empty line at its end, and without lines under our name. Of a
/// block that is none nothing crosses: each receiver would read something else in it.
fn copy_without_own(block: &[u8], body: &mut Vec<u8>) {
    let first_line = b"NATS/1.0";
    let is_block = block.starts_with(first_line) && block.ends_with(b"\r\n\r\n");
    if !is_block {
        body.extend_from_slice(b"NATS/1.0\r\n");
        return;
    }
    for line in block[..block.len() - 2].split_inclusive(|&byte| byte == b'\n') {
        // Some libraries begin a line behind a bare carriage return too.
        let is_own = line.split(|&byte| byte == b'\r').any(|part| {
            let name = part.split(|&byte| byte == b':').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(NAME.as_bytes())
        });
        // An empty line would end the block before ours.
        if !is_own && !line.trim_ascii().is_empty() {
            body.extend_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(headers: Option<&[u8]>) -> String {
        let info = RequestInfo {
            acc: "ABC".to_owned(),
            ..RequestInfo::default()
        };
        let mut body = b"of the message before".to_vec();
        let header_len = match headers {
            None => write(&info.header(), &Message::new(b"s", None, b"payload"), &mut body),
            Some(headers) => {
                let whole = [headers, b"payload"].concat();
                let message = Message::with_headers(b"s", None, &whole, headers.len()).unwrap();
                write(&info.header(), &message, &mut body)
            }
        };
        assert_eq!(&body[header_len..], b"payload");
        String::from_utf8(body[..header_len].to_vec()).unwrap()
    }

    const OWN: &str = "Nats-Request-Info: {\"acc\":\"ABC\"}\r\n\r\n";

    #[test]
    fn a_request_is_told_where_it_comes_from() {
        assert_eq!(written(None), format!("NATS/1.0\r\n{OWN}"));
        assert_eq!(
            written(Some(b"NATS/1.0\r\nA: b\r\na:c\r\n\r\n")),
            format!("NATS/1.0\r\nA: b\r\na:c\r\n{OWN}")
        );
    }

    #[test]
    fn nobody_else_writes_it_however_it_is_spelled() {
        for forged in [
            "Nats-Request-Info: {\"acc\":\"X\"}\r\n",
            "nats-request-info:x\r\n",
            "NATS-REQUEST-INFO : x\r\n",
            " Nats-Request-Info: x\r\n",
            "Nats-Request-Info: x\n",
            "B: c\rNats-Request-Info: x\r\n",
            "\r\nNats-Request-Info: x\r\n",
        ] {
            let block = format!("NATS/1.0\r\nA: b\r\n{forged}C: d\r\n\r\n");
            assert_eq!(
                written(Some(block.as_bytes())),
                format!("NATS/1.0\r\nA: b\r\nC: d\r\n{OWN}"),
                "{forged:?}"
            );
        }
        for damaged in ["HTTP/1.1\r\nNats-Request-Info: x\r\n\r\n", "NATS/1.0\r\nA: b"] {
            assert_eq!(written(Some(damaged.as_bytes())), format!("NATS/1.0\r\n{OWN}"));
        }
    }
}
