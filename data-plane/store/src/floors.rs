//! How far streams may have come in what could not be read.
//!
//! When the disk lost a part of the log together with what says which sequences were given in it,
//! a stream may have given as many as there is room for records. All streams of which nothing
//! is heard behind that part skip so many sequences: a gap does no harm, a sequence given twice does.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::ids::StreamId;
use crate::record::HEADER_BYTES;

/// Parts that could not be read, and what was heard of streams since.
#[derive(Debug, Default)]
pub(crate) struct Floors {
    /// Sequences that each part had room for.
    parts: Vec<u64>,
    /// How many parts there were when a stream was last mentioned.
    mentioned: HashMap<StreamId, usize, FixedState>,
}

impl Floors {
    /// Whether nothing is missing so far.
    pub(crate) fn are_certain(&self) -> bool {
        self.parts.is_empty()
    }

    /// Nothing is known of so many bytes.
    pub(crate) fn unknown(&mut self, bytes: u64) {
        self.parts.push(bytes / HEADER_BYTES as u64 + 1);
    }

    /// What is read now says how far the stream is.
    pub(crate) fn mentioned(&mut self, stream: StreamId) {
        self.mentioned.insert(stream, self.parts.len());
    }

    /// How many sequences the stream may have given that nobody knows of.
    pub(crate) fn uncertainty(&self, stream: StreamId) -> u64 {
        let known = self.mentioned.get(&stream).copied().unwrap_or(0);
        self.parts[known..].iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_streams_that_are_not_heard_of_behind_the_damage_skip_sequences() {
        let mut floors = Floors::default();
        floors.unknown(400);
        floors.mentioned(StreamId(1));
        assert_eq!(floors.uncertainty(StreamId(1)), 0);
        assert_eq!(floors.uncertainty(StreamId(2)), 11);
    }
}
