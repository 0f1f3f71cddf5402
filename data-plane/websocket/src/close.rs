//! How a websocket is closed: the codes, and the body of a close frame.

use crate::bounds::CLOSE_REASON_BYTES_MAX;

/// Why a side closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The conversation is over.
    pub const NORMAL: Self = Self(1000);
    /// The server stops, or the other side is gone.
    pub const GOING_AWAY: Self = Self(1001);
    /// The other side does not speak the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// What a message holds is not what it has to be: text that is no UTF-8, compressed data that is none.
    pub const INVALID_DATA: Self = Self(1007);
    /// The other side did something that it may not.
    pub const POLICY: Self = Self(1008);
    /// A message is larger than the server takes.
    pub const TOO_BIG: Self = Self(1009);
    /// The server cannot go on.
    pub const INTERNAL: Self = Self(1011);

    /// The code as a number.
    pub fn as_u16(self) -> u16 {
        self.0
    }

    /// A code that a peer may send. 1004 to 1006 and 1015 never stand in a frame.
    fn received(code: u16) -> Option<Self> {
        let known = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        known.then_some(Self(code))
    }
}

/// What a close frame said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CloseBody {
    /// Nothing.
    Empty,
    /// A code; the reason is text.
    Code(CloseCode),
}

/// Reads the body of a close frame. The error is the code to answer with.
pub(crate) fn read(body: &[u8]) -> Result<CloseBody, CloseCode> {
    match body {
        [] => Ok(CloseBody::Empty),
        [high, low, reason @ ..] => {
            let code = CloseCode::received(u16::from_be_bytes([*high, *low]));
            let code = code.ok_or(CloseCode::PROTOCOL_ERROR)?;
            if std::str::from_utf8(reason).is_err() {
                return Err(CloseCode::INVALID_DATA);
            }
            Ok(CloseBody::Code(code))
        }
        [_] => Err(CloseCode::PROTOCOL_ERROR),
    }
}

/// The body of a close frame; a reason that is too long is cut between two characters.
pub(crate) fn body(code: CloseCode, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(CLOSE_REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    [&code.0.to_be_bytes(), &reason.as_bytes()[..end]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_never_stand_in_a_frame_are_refused() {
        for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(
                read(&code.to_be_bytes()),
                Err(CloseCode::PROTOCOL_ERROR),
                "{code}"
            );
        }
        for code in [1000_u16, 1001, 1011, 3000, 4999] {
            assert_eq!(read(&code.to_be_bytes()), Ok(CloseBody::Code(CloseCode(code))));
        }
        assert_eq!(read(&[]), Ok(CloseBody::Empty));
        assert_eq!(read(&[3]), Err(CloseCode::PROTOCOL_ERROR));
        assert_eq!(read(&[3, 232, 0xff]), Err(CloseCode::INVALID_DATA));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let body = body(CloseCode::POLICY, &"ä".repeat(100));
        assert_eq!(body.len(), 2 + 122);
        assert!(read(&body).is_ok());
    }
}
