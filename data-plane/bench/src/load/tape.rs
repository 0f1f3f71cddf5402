//! Prepared messages, all of one length, which are written round and round.

/// What a publisher's payload consists of. It is no letter that a verb begins with.
pub(crate) const FILLER: u8 = b'x';

/// A whole number of frames, of equal length each.
#[derive(Debug, Clone)]
pub(crate) struct Tape {
    bytes: Vec<u8>,
    frame: usize,
}

/// Enough for one large write.
const LENGTH_MIN: usize = 256 * 1024;

impl Tape {
    /// Messages to the subjects in turn. All subjects have the same length.
    pub(crate) fn new<'s>(subjects: impl IntoIterator<Item = &'s str>, payload: usize) -> Self {
        let mut bytes = Vec::new();
        let mut frame = 0;
        for subject in subjects {
            let before = bytes.len();
            bytes.extend_from_slice(format!("PUB {subject} {payload}\r\n").as_bytes());
            bytes.resize(bytes.len() + payload, FILLER);
            bytes.extend_from_slice(b"\r\n");
            let length = bytes.len() - before;
            assert!(
                frame == 0 || frame == length,
                "all frames of a tape have one length"
            );
            frame = length;
        }
        assert!(frame > 0, "a tape has messages");
        let once = bytes.len();
        while bytes.len() < LENGTH_MIN {
            bytes.extend_from_within(..once);
        }
        Self { bytes, frame }
    }

    /// Bytes of one message on the wire.
    pub(crate) fn frame(&self) -> usize {
        self.frame
    }

    /// What comes behind the first `written` bytes, up to the tape's end or `most`.
    pub(crate) fn behind(&self, written: u64, most: usize) -> &[u8] {
        let from = (written % self.bytes.len() as u64) as usize;
        let to = self.bytes.len().min(from.saturating_add(most));
        &self.bytes[from..to]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tape_repeats_its_messages_without_a_seam() {
        let tape = Tape::new(["a.1", "a.2"], 2);
        assert_eq!(tape.frame(), "PUB a.1 2\r\nxx\r\n".len());
        assert_eq!(tape.behind(0, 30), b"PUB a.1 2\r\nxx\r\nPUB a.2 2\r\nxx\r\n");
        assert_eq!(tape.behind(4, 3), b"a.1");
        assert_eq!(tape.bytes.len() % (2 * tape.frame()), 0);
        let round = tape.bytes.len() as u64;
        assert_eq!(tape.behind(round * 3 + 4, 3), b"a.1");
        assert_eq!(tape.behind(round - 2, 30), b"\r\n");
    }
}
