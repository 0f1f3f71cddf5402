//! The head of a frame.

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    pub(crate) fn is_control(self) -> bool {
        self.bits() >= 8
    }
}

/// The head of a frame of a client, which is always masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) last: bool,
    /// The first reserved bit: the message is compressed.
    pub(crate) compressed: bool,
    pub(crate) opcode: Opcode,
    pub(crate) length: u64,
    pub(crate) mask: [u8; 4],
}

/// The most bytes that a head of a client has.
pub(crate) const HEAD_BYTES_MAX: usize = 14;

/// Reads a head. `Ok(Err(n))` says that so many bytes are needed before more can be said; an error
/// says what is wrong, as soon as it is seen.
pub(crate) fn read_head(bytes: &[u8]) -> Result<Result<(Head, usize), usize>, &'static str> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(Err(2));
    };
    if first & 0b0011_0000 != 0 {
        return Err("reserved bits are set");
    }
    let Some(opcode) = Opcode::from_bits(first & 0x0f) else {
        return Err("the opcode is not known");
    };
    let last = first & 0x80 != 0;
    let compressed = first & 0x40 != 0;
    if opcode.is_control() && (!last || compressed) {
        return Err("a control frame is in parts or compressed");
    }
    let Some((&second, rest)) = rest.split_first() else {
        return Ok(Err(2));
    };
    if second & 0x80 == 0 {
        return Err("a frame of a client is not masked");
    }
    let short = second & 0x7f;
    if opcode.is_control() && short > 125 {
        return Err("a control frame is longer than 125 bytes");
    }
    let extended = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let needed = 2 + extended + 4;
    if bytes.len() < needed {
        return Ok(Err(needed));
    }
    let (extended, rest) = rest.split_at(extended);
    let length = match extended {
        [] => u64::from(short),
        long => long.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    if length > i64::MAX as u64 {
        return Err("a length has its highest bit set");
    }
    let least = match extended.len() {
        0 => 0,
        2 => 126,
        _ => 65_536,
    };
    if length < least {
        return Err("a length takes more bytes than it needs");
    }
    let mut mask = [0; 4];
    mask.copy_from_slice(&rest[..4]);
    let head = Head {
        last,
        compressed,
        opcode,
        length,
        mask,
    };
    Ok(Ok((head, needed)))
}

/// Appends the head of a whole message, or control frame, of the server, which is never masked.
pub(crate) fn write_head(out: &mut Vec<u8>, opcode: Opcode, compressed: bool, length: usize) {
    out.push(0x80 | u8::from(compressed) << 6 | opcode.bits());
    match length {
        0..=125 => out.push(length as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_head_is_refused_as_soon_as_it_is_seen() {
        for (bytes, wanted) in [
            (&[0x92][..], "reserved"),
            (&[0xa2], "reserved"),
            (&[0x83], "opcode"),
            (&[0x8b], "opcode"),
            (&[0x09], "in parts"),
            (&[0xc9], "compressed"),
            (&[0x82, 0x05], "not masked"),
            (&[0x89, 0xfe], "125"),
            (
                &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
                "highest bit",
            ),
            (&[0x82, 0xfe, 0, 125, 1, 2, 3, 4], "more bytes"),
            (
                &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4],
                "more bytes",
            ),
        ] {
            let error = read_head(bytes).expect_err("refused");
            assert!(error.contains(wanted), "{bytes:x?}: {error}");
        }
    }

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let whole = [0xc2, 0xfe, 1, 0, 9, 8, 7, 6];
        for cut in 0..whole.len() {
            assert!(matches!(read_head(&whole[..cut]), Ok(Err(needed)) if needed > cut));
        }
        let (head, length) = read_head(&whole).unwrap().unwrap();
        assert_eq!(
            (head.last, head.compressed, head.length, length),
            (true, true, 256, 8)
        );
        assert_eq!((head.opcode, head.mask), (Opcode::Binary, [9, 8, 7, 6]));
    }

    #[test]
    fn lengths_are_written_with_as_few_bytes_as_they_need() {
        let head = |length| {
            let mut out = Vec::new();
            write_head(&mut out, Opcode::Binary, false, length);
            out
        };
        assert_eq!(head(125), [0x82, 125]);
        assert_eq!(head(126), [0x82, 126, 0, 126]);
        assert_eq!(head(65_535), [0x82, 126, 255, 255]);
        assert_eq!(head(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
