//! Finds the batches of one segment, and where the log ends in it.
//!
//! What is certain to have been synchronised must be there: where it is not, the disk is damaged,
//! and what stands behind is kept. What is not certain may be torn: there the log ends at the first
//! batch that is not whole. A batch says how far its segment was synchronised when it was written,
//! and a segment says how much of the one before it was used, all of that synchronised.

use std::ops::Range;

use crate::batch::{BATCH_HEADER_BYTES, BatchHeader, seed_of};
use crate::bounds::ALIGN;
use crate::record::Header;

/// The batch before: numbers and epochs do not run backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Its number; nothing when it is not known what came before.
    pub(crate) number: Option<u64>,
    pub(crate) epoch: u32,
}

/// A part of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A batch: where its header begins, and whether it was certainly synchronised.
    Batch {
        offset: usize,
        header: BatchHeader,
        certain: bool,
    },
    /// Bytes that were synchronised and in which no batch begins.
    Gap(Range<usize>),
}

/// What a segment holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) parts: Vec<Part>,
    /// Where the log ends in it, or goes on in the next segment.
    pub(crate) end: usize,
    /// The newest epoch that any batch in it has, also behind the end.
    pub(crate) epoch: u32,
}

/// Finds the batches in `bytes`, the whole file of segment `number`, from `begin` on.
///
/// `used` is how much of it was certainly used and synchronised, as far as that is known.
pub(crate) fn scan(
    bytes: &[u8],
    begin: usize,
    number: u32,
    used: Option<u32>,
    nonce: u64,
    chain: &mut Chain,
) -> Scan {
    let mut scan = Scan {
        end: begin,
        epoch: chain.epoch,
        ..Scan::default()
    };
    let mut certain_to = used.map_or(0, |used| used as usize);
    let mut gaps_allowed = true;
    loop {
        if let Some(header) = batch_at(bytes, scan.end, number, nonce, chain, gaps_allowed) {
            gaps_allowed = false;
            certain_to = certain_to.max(header.synced as usize);
            scan.push(header, chain);
            continue;
        }
        // Either the log ends here, or something was damaged: a batch that stands behind and says
        // that this place was synchronised before proves the latter.
        let mut behind = None;
        let mut at = scan.end;
        while let Some(found) = find_nonce(bytes, at, nonce) {
            at = found + ALIGN;
            if let Some(header) = batch_at(bytes, found, number, nonce, chain, true) {
                scan.epoch = scan.epoch.max(header.epoch);
                certain_to = certain_to.max(if header.synced as usize > scan.end {
                    header.synced as usize
                } else {
                    0
                });
                behind.get_or_insert(found);
                if certain_to > scan.end {
                    break;
                }
            }
        }
        let Some(next) = behind.filter(|_| certain_to > scan.end) else {
            // The batches behind the gap may be damaged too.
            if certain_to > scan.end {
                let end = certain_to.min(bytes.len());
                scan.parts.push(Part::Gap(scan.end..end));
                scan.end = end;
            }
            break;
        };
        scan.parts.push(Part::Gap(scan.end..next));
        scan.end = next;
        gaps_allowed = true;
    }
    for part in &mut scan.parts {
        if let Part::Batch { offset, certain, .. } = part {
            *certain = *offset < certain_to;
        }
    }
    scan.epoch = scan.epoch.max(chain.epoch);
    scan
}

impl Scan {
    fn push(&mut self, header: BatchHeader, chain: &mut Chain) {
        self.parts.push(Part::Batch {
            offset: self.end,
            header,
            certain: false,
        });
        self.end += BATCH_HEADER_BYTES + header.len as usize;
        *chain = Chain {
            number: Some(header.number),
            epoch: header.epoch,
        };
    }
}

/// The header of a batch that may follow `chain`.
fn batch_at(
    bytes: &[u8],
    at: usize,
    segment: u32,
    nonce: u64,
    chain: &Chain,
    gap: bool,
) -> Option<BatchHeader> {
    let header = BatchHeader::decode(bytes.get(at..)?, nonce)?;
    let end = at
        .checked_add(BATCH_HEADER_BYTES)?
        .checked_add(header.len as usize)?;
    let follows = match chain.number {
        Some(number) if gap => header.number > number,
        Some(number) => header.number == number + 1,
        None => true,
    };
    let fits = header.segment == segment && end <= bytes.len() && (header.len as usize).is_multiple_of(ALIGN);
    (follows && fits && header.epoch >= chain.epoch).then_some(header)
}

/// The next multiple of eight at or behind `from` where the nonce stands.
fn find_nonce(bytes: &[u8], from: usize, nonce: u64) -> Option<usize> {
    let nonce = nonce.to_le_bytes();
    let rest = bytes.get(from..)?;
    rest.chunks_exact(ALIGN)
        .position(|word| word == nonce)
        .map(|words| from + words * ALIGN)
}

/// Whether all records of a batch are there as they were written.
pub(crate) fn is_whole(records: &[u8], count: u32, nonce: u64) -> bool {
    let seed = seed_of(nonce);
    let mut at = 0;
    let mut found = 0;
    while at < records.len() {
        let Some(header) = Header::decode(&records[at..], seed) else {
            return false;
        };
        if !header.body_is_right(&records[at..], seed) {
            return false;
        }
        at += header.record_len();
        found += 1;
    }
    found == count
}
