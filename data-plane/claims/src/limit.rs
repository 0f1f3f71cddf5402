//! One numeric limit of a claim.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A limit as NATS claims write it: -1 is unlimited, any other negative number is an error.
///
/// The default is a limit of zero, because a number that is absent from a
/// claim reads as 0, and 0 means that nothing is allowed: who issues a
/// document has to write -1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// No limit (-1).
    Unlimited,
    /// At most so many.
    AtMost(u64),
}

/// A number that is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no limit: it must be -1 (unlimited) or from 0 to 9223372036854775807")]
pub struct InvalidLimit(pub i128);

impl Limit {
    /// Nothing is allowed.
    pub const ZERO: Self = Self::AtMost(0);

    /// The number in a claim: -1 when unlimited.
    pub const fn as_i64(self) -> i64 {
        match self {
            Self::Unlimited => -1,
            Self::AtMost(limit) if limit > i64::MAX as u64 => i64::MAX,
            Self::AtMost(limit) => limit as i64,
        }
    }

    /// The limit, or `None` when unlimited.
    pub const fn get(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::AtMost(limit) => Some(limit),
        }
    }

    /// Whether `used` keeps within the limit.
    pub const fn allows(self, used: u64) -> bool {
        match self {
            Self::Unlimited => true,
            Self::AtMost(limit) => used <= limit,
        }
    }

    /// The stricter of the two.
    pub fn min(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unlimited, limit) | (limit, Self::Unlimited) => limit,
            (Self::AtMost(a), Self::AtMost(b)) => Self::AtMost(a.min(b)),
        }
    }

    pub(crate) fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::ZERO
    }
}

impl TryFrom<i64> for Limit {
    type Error = InvalidLimit;

    fn try_from(number: i64) -> Result<Self, InvalidLimit> {
        match number {
            -1 => Ok(Self::Unlimited),
            _ => u64::try_from(number)
                .map(Self::AtMost)
                .map_err(|_| InvalidLimit(number.into())),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.as_i64())
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
