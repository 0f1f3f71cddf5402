//! Header blocks: what the server has to know of them, which is little.
//!
//! A block is `NATS/1.0[ status[ description]]` CRLF, `Key: value` CRLF for each header, CRLF. The
//! server passes it on byte for byte: case, order and repeated keys belong to the application.

use memchr::memmem;

/// How each block begins.
pub const VERSION: &[u8] = b"NATS/1.0";

/// A header block that begins and ends as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderBlock<'a>(&'a [u8]);

impl<'a> HeaderBlock<'a> {
    /// Checks that the block begins with the version and ends with an empty line; nothing between
    /// is looked at.
    pub fn new(block: &'a [u8]) -> Result<Self, InvalidHeaders> {
        if !block.starts_with(VERSION) {
            return Err(InvalidHeaders::Version);
        }
        if !block.ends_with(b"\r\n\r\n") {
            return Err(InvalidHeaders::End);
        }
        Ok(Self(block))
    }

    /// The block at the start of a body whose header size is not known: it ends with the first
    /// empty line.
    pub fn at_start_of(body: &'a [u8]) -> Result<Self, InvalidHeaders> {
        let end = memmem::find(body, b"\r\n\r\n").ok_or(InvalidHeaders::End)?;
        Self::new(&body[..end + 4])
    }

    /// The whole block.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The status on the first line, such as 503.
    pub fn status(self) -> Option<u16> {
        let line = self.lines().next()?;
        let mut words = line.split(|&byte| byte == b' ').skip(1);
        let digits = words.find(|word| !word.is_empty())?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// The value of the first header of this name, in whatever case, without blanks around it.
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Names and values in the order of the block, values without blanks around them. Lines without
    /// a colon are left out.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.lines().skip(1).filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
    }

    fn lines(self) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .split(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Why bytes are no header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeaders {
    /// The version is missing.
    #[error("a header block must begin with NATS/1.0")]
    Version,
    /// The empty line is missing.
    #[error("a header block must end with an empty line")]
    End,
}

/// The block that tells a requester that nobody is interested in what it published to `subject`,
/// spelled as it published it. The message has no payload.
pub fn no_responders(subject: &[u8]) -> Vec<u8> {
    [b"NATS/1.0 503\r\nNats-Subject: ", subject, b"\r\n\r\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_at_the_start_of_a_body() {
        let body =
            b"NATS/1.0 503 No Responders\r\nNats-Subject: a.b\r\nX:1\r\nx: 2 \r\nno colon\r\n\r\npayload";
        let block = HeaderBlock::at_start_of(body).unwrap();
        assert_eq!(block.as_bytes().len(), body.len() - "payload".len());
        assert_eq!(block.status(), Some(503));
        assert_eq!(block.get("nats-subject"), Some(&b"a.b"[..]));
        let all: Vec<_> = block.iter().collect();
        assert_eq!(
            all,
            [(&b"Nats-Subject"[..], &b"a.b"[..]), (b"X", b"1"), (b"x", b"2")]
        );
    }

    #[test]
    fn a_block_without_status_or_headers_is_one() {
        let block = HeaderBlock::new(b"NATS/1.0\r\n\r\n").unwrap();
        assert_eq!(
            (block.status(), block.iter().count(), block.get("")),
            (None, 0, None)
        );
        assert_eq!(HeaderBlock::new(b"NATS/1.0 many\r\n\r\n").unwrap().status(), None);
        assert_eq!(
            HeaderBlock::new(b"NATS/1.0 99999\r\n\r\n").unwrap().status(),
            None
        );
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for (bytes, reason) in [
            ("", InvalidHeaders::Version),
            ("HTTP/1.1\r\n\r\n", InvalidHeaders::Version),
            ("nats/1.0\r\n\r\n", InvalidHeaders::Version),
            ("NATS/1.0", InvalidHeaders::End),
            ("NATS/1.0\r\nA: b\r\n", InvalidHeaders::End),
            ("NATS/1.0\n\n", InvalidHeaders::End),
        ] {
            assert_eq!(HeaderBlock::new(bytes.as_bytes()), Err(reason), "{bytes:?}");
        }
    }

    #[test]
    fn the_block_of_nobody_interested_names_the_subject() {
        let bytes = no_responders(b"nope.svc");
        assert_eq!(bytes, b"NATS/1.0 503\r\nNats-Subject: nope.svc\r\n\r\n");
        let block = HeaderBlock::new(&bytes).unwrap();
        assert_eq!(
            (block.status(), block.get("Nats-Subject")),
            (Some(503), Some(&b"nope.svc"[..]))
        );
    }
}
