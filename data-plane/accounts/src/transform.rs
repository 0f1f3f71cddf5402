//! Subjects that become other subjects.

use tollway_claims::LocalSubject;
use tollway_subject::{Filter, FilterBuf, InvalidSubject, Subject, tokens};

use crate::bounds::WILDCARDS_MAX;
use crate::function::{Cut, FunctionError, Part, part};
use crate::intersection::intersection;

/// A rule that turns each subject its source matches into another one, compiled.
///
/// `orders.*.*` to `by-state.$2.$1` turns `orders.eu.new` into
/// `by-state.new.eu`; `>` stands for the same tokens on both sides. The
/// functions that a destination may have besides `$n` are those of stock
/// servers, with the same results. Differences, all where the stock server
/// accepts what cannot be meant:
/// - references below `$1`, and lengths and bucket numbers below 1, are refused,
/// - a partition of the whole subject does not ignore that subject when the source has no wildcards,
/// - separators at the ends of a split token leave no empty token behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    source: FilterBuf,
    /// For each `*` of the source, which token it is.
    wildcards: Box<[usize]>,
    /// Which token the `>` of the source is.
    tail: Option<usize>,
    parts: Box<[Part]>,
}

/// Why a transform cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// The source is no filter.
    #[error("the source is no filter")]
    Source(#[source] InvalidSubject),
    /// More `*` than are kept track of.
    #[error("the source has {found} wildcards; at most {WILDCARDS_MAX} are accepted")]
    TooManyWildcards {
        /// How many there are.
        found: usize,
    },
    /// The destination is no subject.
    #[error("the destination is no subject")]
    Destination(#[source] InvalidSubject),
    /// `*` says nothing in a destination: `$1` says which wildcard is meant.
    #[error("the destination has a *, but it must refer to wildcards by number")]
    DestinationWildcard,
    /// `>` ends one of the two alone.
    #[error("both or neither of source and destination must end with >")]
    Tail,
    /// A local subject that was made for another import.
    #[error("the local subject does not refer to each wildcard of the imported one exactly once")]
    OtherImport,
    /// A function or a reference is wrong.
    #[error("{token:?} in the destination is not acceptable")]
    Function {
        /// The token of the destination.
        token: String,
        /// What is wrong with it.
        #[source]
        source: FunctionError,
    },
}

/// Why a subject has no other subject by a transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotMapped {
    /// The source does not match it.
    #[error("the subject is not matched by the source")]
    NotMatched,
    /// The new subject does not fit into the buffer.
    #[error("the new subject is longer than the buffer")]
    TooLong,
    /// A token that consists of separators alone was split.
    #[error("a token of the new subject would be empty")]
    EmptyToken,
}

impl Transform {
    /// Compiles a rule.
    pub fn new(source: Filter<'_>, destination: &str) -> Result<Self, TransformError> {
        let (wildcards, tail) = wildcards_of(source)?;
        let mut position = 0;
        let mut parts = Vec::new();
        let mut ends_with_tail = false;
        for token in destination.split('.') {
            if ends_with_tail {
                let position = position - 2;
                return Err(TransformError::Destination(InvalidSubject::TailNotLast {
                    position,
                }));
            }
            let part = match token {
                "*" => return Err(TransformError::DestinationWildcard),
                ">" => Part::Tail,
                _ => part(token, wildcards.len())?,
            };
            if let Part::Literal(literal) = &part {
                Subject::new(literal).map_err(|error| destination_error(error, position))?;
            }
            ends_with_tail = part == Part::Tail;
            parts.push(part);
            position += token.len() + 1;
        }
        if ends_with_tail != tail.is_some() {
            return Err(TransformError::Tail);
        }
        Ok(Self {
            source: source.to_buf(),
            wildcards: wildcards.into(),
            tail,
            parts: parts.into(),
        })
    }

    /// The rule of an import: from the name in the exporting account to the
    /// local one. It has a reverse, because a local subject names each subject once.
    pub fn renaming(imported: Filter<'_>, local: &LocalSubject) -> Result<Self, TransformError> {
        let (wildcards, tail) = wildcards_of(imported)?;
        let mut references = local.references().iter();
        let parts = local.filter().as_filter().tokens().map(|token| match token {
            b"*" => {
                let reference = references.next().expect("a reference for each star");
                Part::Wildcard(reference - 1)
            }
            b">" => Part::Tail,
            literal => Part::Literal(literal.into()),
        });
        let transform = Self {
            source: imported.to_buf(),
            parts: parts.collect(),
            wildcards: wildcards.into(),
            tail,
        };
        // The local subject may have been made for another import than this one.
        let refers_within = local
            .references()
            .iter()
            .all(|reference| *reference <= transform.wildcards.len());
        match refers_within && transform.reversed().is_some() {
            true => Ok(transform),
            false => Err(TransformError::OtherImport),
        }
    }

    /// What is transformed.
    pub fn source(&self) -> Filter<'_> {
        self.source.as_filter()
    }

    /// The new subject, written to the front of `buffer`.
    ///
    /// Linear in both subjects, and nothing is allocated. `random` decides
    /// what `random` functions give; the same number gives the same subject.
    pub fn map<'b>(&self, subject: &[u8], random: u64, buffer: &'b mut [u8]) -> Result<&'b [u8], NotMapped> {
        if !self.source.as_filter().matches(subject) {
            return Err(NotMapped::NotMatched);
        }
        let taken = Taken::of(self, subject);
        let mut out = Out { buffer, len: 0 };
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                out.push(b".")?;
            }
            match part {
                Part::Literal(literal) => out.push(literal)?,
                Part::Tail => out.push(taken.tail)?,
                Part::Wildcard(wildcard) => out.push(taken.wildcards[*wildcard])?,
                Part::Partition { buckets, of } => {
                    let hash = match of.is_empty() {
                        true => fnv1a(FNV1A_START, subject),
                        false => of.iter().fold(FNV1A_START, |hash, wildcard| {
                            fnv1a(hash, taken.wildcards[*wildcard])
                        }),
                    };
                    out.push_number(hash % buckets)?;
                }
                Part::Random { buckets } => {
                    // Each place of a destination has a number of its own.
                    let drawn = scatter(random ^ index as u64);
                    out.push_number(below(drawn, *buckets))?;
                }
                Part::Cut { wildcard, cut, bytes } => {
                    out.push_cut(taken.wildcards[*wildcard], *cut, *bytes)?
                }
                Part::Split { wildcard, separator } => {
                    out.push_split(taken.wildcards[*wildcard], separator)?;
                }
            }
        }
        let Out { buffer, len } = out;
        Ok(&buffer[..len])
    }

    /// The rule that undoes this one, if there is one: when every wildcard of
    /// the source stands in the destination exactly once, and no function does.
    pub fn reversed(&self) -> Option<Self> {
        let mut place_of: Vec<Option<usize>> = vec![None; self.wildcards.len()];
        let mut source: Vec<&[u8]> = Vec::new();
        let mut wildcards = Vec::new();
        let mut tail = None;
        for (index, part) in self.parts.iter().enumerate() {
            source.push(match part {
                Part::Literal(literal) => literal,
                Part::Tail => {
                    tail = Some(index);
                    b">"
                }
                Part::Wildcard(wildcard) => {
                    if place_of[*wildcard].replace(wildcards.len()).is_some() {
                        return None;
                    }
                    wildcards.push(index);
                    b"*"
                }
                Part::Partition { .. } | Part::Random { .. } | Part::Cut { .. } | Part::Split { .. } => {
                    return None;
                }
            });
        }
        if tail.is_some() != self.tail.is_some() {
            return None;
        }
        let mut places = place_of.into_iter();
        let parts: Option<Box<[Part]>> = self
            .source()
            .tokens()
            .map(|token| match token {
                b"*" => places.next().flatten().map(Part::Wildcard),
                b">" => Some(Part::Tail),
                literal => Some(Part::Literal(literal.into())),
            })
            .collect();
        Some(Self {
            source: FilterBuf::new(&source.join(&b'.')).ok()?,
            wildcards: wildcards.into(),
            tail,
            parts: parts?,
        })
    }

    /// The filter whose subjects, transformed, are just those of the destination that `subscribed` matches.
    ///
    /// `None` when `subscribed` matches nothing that comes out of this
    /// transform, and when the transform has no reverse.
    pub fn source_filter(&self, subscribed: Filter<'_>) -> Option<FilterBuf> {
        self.reversed()?.map_filter(subscribed)
    }

    /// What the part of `filter` that lies within the source becomes. Only for transforms with a reverse.
    pub(crate) fn map_filter(&self, filter: Filter<'_>) -> Option<FilterBuf> {
        let within = intersection(filter, self.source())?;
        // Read as a subject, a filter within the source is matched by it, and each of its
        // wildcards moves as an ordinary token would; `>` can only be in the tail.
        let literals: usize = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Literal(literal) => literal.len() + 1,
                _ => 1,
            })
            .sum();
        let mut buffer = vec![0; within.as_bytes().len() + literals];
        let mapped = self.map(within.as_bytes(), 0, &mut buffer).ok()?;
        FilterBuf::new(mapped).ok()
    }
}

/// Which tokens of a source are `*`, and which is `>`.
fn wildcards_of(source: Filter<'_>) -> Result<(Vec<usize>, Option<usize>), TransformError> {
    let positions = |wanted: &'static [u8]| {
        source
            .tokens()
            .enumerate()
            .filter(move |(_, token)| *token == wanted)
            .map(|(index, _)| index)
    };
    let wildcards: Vec<_> = positions(b"*").collect();
    if wildcards.len() > WILDCARDS_MAX {
        return Err(TransformError::TooManyWildcards {
            found: wildcards.len(),
        });
    }
    Ok((wildcards, positions(b">").next()))
}

/// The position within the destination of what is wrong with one of its tokens.
fn destination_error(error: InvalidSubject, offset: usize) -> TransformError {
    TransformError::Destination(match error {
        InvalidSubject::Empty => InvalidSubject::EmptyToken { position: offset },
        InvalidSubject::ForbiddenByte { position, byte } => InvalidSubject::ForbiddenByte {
            position: offset + position,
            byte,
        },
        other => other,
    })
}

/// What the wildcards of a source take of one subject.
struct Taken<'s> {
    wildcards: [&'s [u8]; WILDCARDS_MAX],
    tail: &'s [u8],
}

impl<'s> Taken<'s> {
    fn of(transform: &Transform, subject: &'s [u8]) -> Self {
        let mut taken = Self {
            wildcards: [b""; WILDCARDS_MAX],
            tail: b"",
        };
        let mut wanted = transform.wildcards.iter().zip(&mut taken.wildcards).peekable();
        let mut position = 0;
        for (index, token) in tokens(subject).enumerate() {
            if transform.tail == Some(index) {
                taken.tail = &subject[position..];
                break;
            }
            if let Some((_, place)) = wanted.next_if(|(wildcard, _)| **wildcard == index) {
                *place = token;
            }
            position += token.len() + 1;
        }
        taken
    }
}

/// The caller's buffer, filled from the front.
struct Out<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl Out<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), NotMapped> {
        let end = self.len + bytes.len();
        let place = self.buffer.get_mut(self.len..end).ok_or(NotMapped::TooLong)?;
        place.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    fn push_number(&mut self, mut number: u32) -> Result<(), NotMapped> {
        let mut digits = [0; 10];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return self.push(&digits[first..]);
            }
        }
    }

    /// Tokens that are not longer than the cut stay whole.
    fn push_cut(&mut self, token: &[u8], cut: Cut, bytes: usize) -> Result<(), NotMapped> {
        if bytes >= token.len() {
            return self.push(token);
        }
        let from_left = token.split_at(bytes);
        let from_right = token.split_at(token.len() - bytes);
        match cut {
            Cut::Left => self.push(from_left.0),
            Cut::Right => self.push(from_right.1),
            Cut::SplitFromLeft => self.push_pieces([from_left.0, from_left.1]),
            Cut::SplitFromRight => self.push_pieces([from_right.0, from_right.1]),
            Cut::SliceFromLeft => self.push_pieces(token.chunks(bytes)),
            Cut::SliceFromRight => {
                let (shorter, whole) = token.split_at(token.len() % bytes);
                let shorter = (!shorter.is_empty()).then_some(shorter);
                self.push_pieces(shorter.into_iter().chain(whole.chunks(bytes)))
            }
        }
    }

    fn push_split(&mut self, token: &[u8], separator: &[u8]) -> Result<(), NotMapped> {
        if separator.is_empty() {
            return self.push_pieces(Characters(token));
        }
        let pieces = Pieces {
            rest: Some(token),
            separator,
        };
        let mut pieces = pieces.filter(|piece| !piece.is_empty()).peekable();
        match pieces.peek() {
            Some(_) => self.push_pieces(pieces),
            None => Err(NotMapped::EmptyToken),
        }
    }

    fn push_pieces<'p>(&mut self, pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<(), NotMapped> {
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                self.push(b".")?;
            }
            self.push(piece)?;
        }
        Ok(())
    }
}

/// The parts between separators.
struct Pieces<'t> {
    rest: Option<&'t [u8]>,
    separator: &'t [u8],
}

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        let rest = self.rest?;
        let at = rest
            .windows(self.separator.len())
            .position(|window| window == self.separator);
        let Some(at) = at else {
            self.rest = None;
            return Some(rest);
        };
        self.rest = Some(&rest[at + self.separator.len()..]);
        Some(&rest[..at])
    }
}

/// The characters of a text; bytes that are none stand alone.
struct Characters<'t>(&'t [u8]);

impl<'t> Iterator for Characters<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        let length = match self.0.first()? {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        let is_one = self
            .0
            .get(..length)
            .is_some_and(|bytes| std::str::from_utf8(bytes).is_ok());
        let length = if is_one { length } else { 1 };
        let (first, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(first)
    }
}

const FNV1A_START: u32 = 2_166_136_261;

/// FNV-1a of 32 bits, which stock servers use too: the same tokens fall into the same partition everywhere.
fn fnv1a(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(16_777_619)
    })
}

/// A number whose every bit depends on every bit of the given one (SplitMix64).
pub(crate) fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number below `limit`, as evenly as the random number is.
pub(crate) fn below(random: u64, limit: u32) -> u32 {
    (((random >> 32) * u64::from(limit)) >> 32) as u32
}
