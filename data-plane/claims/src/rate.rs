//! Rates of a claim: so much per second.
//!
//! A rate that a claim does not name is no limit. Totals are the other way round, where an absent
//! number is zero, and the difference is meant:
//! - Documents without rates are everywhere: those of stock tools, and ours from before there were
//!   rates. An absent total must be refused to be safe; an absent rate that stopped every client
//!   of such an account would be an outage.
//! - Nothing is ever done at a rate of zero: what is owed at it is never paid. It would be a worse
//!   way to say that a user may not publish, for which there are permissions. So zero is an error.
//! - What an account without rates can take is bounded all the same, by what the node shares out.

use std::num::NonZeroU64;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::{is_default, object_or_none};

/// So much per second, and so much at once after a while of less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Units per second: messages or bytes.
    pub per_second: NonZeroU64,
    /// Units that may come at once.
    pub burst: NonZeroU64,
}

impl Rate {
    /// A rate that allows one second's worth at once.
    pub const fn per_second(per_second: NonZeroU64) -> Self {
        Self {
            per_second,
            burst: per_second,
        }
    }
}

/// A rate as claims write it: `{"per_second":1000,"burst":5000}`, or `{"per_second":-1}` for no
/// limit. A burst that is absent is one second's worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateLimit {
    /// No limit (-1), where something else would apply if nothing were said.
    Unlimited,
    /// At most this.
    AtMost(Rate),
}

/// Numbers that are no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRate {
    /// Not a rate.
    #[error("{0} per second is no rate: it must be -1 (unlimited) or from 1 to 9223372036854775807")]
    PerSecond(i64),
    /// Not a burst.
    #[error("{0} is no burst: it must be from 1 to 9223372036854775807")]
    Burst(i64),
    /// A burst of something that has no limit.
    #[error("a burst of {0} beside a rate without limit says nothing")]
    BurstOfUnlimited(i64),
}

impl RateLimit {
    /// From the numbers of a claim.
    pub fn new(per_second: i64, burst: Option<i64>) -> Result<Self, InvalidRate> {
        let positive = |number| u64::try_from(number).ok().and_then(NonZeroU64::new);
        if per_second == -1 {
            return match burst {
                None => Ok(Self::Unlimited),
                Some(burst) => Err(InvalidRate::BurstOfUnlimited(burst)),
            };
        }
        let per_second = positive(per_second).ok_or(InvalidRate::PerSecond(per_second))?;
        let burst = match burst {
            None => per_second,
            Some(burst) => positive(burst).ok_or(InvalidRate::Burst(burst))?,
        };
        Ok(Self::AtMost(Rate { per_second, burst }))
    }

    /// The rate, or `None` when unlimited.
    pub const fn get(self) -> Option<Rate> {
        match self {
            Self::Unlimited => None,
            Self::AtMost(rate) => Some(rate),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct RawRate {
    per_second: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burst: Option<i64>,
}

impl Serialize for RateLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = |number: NonZeroU64| i64::try_from(number.get()).unwrap_or(i64::MAX);
        let raw = match self {
            Self::Unlimited => RawRate {
                per_second: -1,
                burst: None,
            },
            Self::AtMost(rate) => RawRate {
                per_second: number(rate.per_second),
                burst: (rate.burst != rate.per_second).then(|| number(rate.burst)),
            },
        };
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RateLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawRate::deserialize(deserializer)?;
        Self::new(raw.per_second, raw.burst).map_err(serde::de::Error::custom)
    }
}

/// The rates of an account or of a user. In is what clients send, out is what they receive.
/// `None` is that nothing is said: no limit for an account, and for a user what applies to others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Messages that clients send, per second.
    #[serde(
        default,
        deserialize_with = "object_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub messages_in: Option<RateLimit>,
    /// Their bytes, as usage counts them.
    #[serde(
        default,
        deserialize_with = "object_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub bytes_in: Option<RateLimit>,
    /// Messages that clients receive, per second.
    #[serde(
        default,
        deserialize_with = "object_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub messages_out: Option<RateLimit>,
    /// Their bytes, as usage counts them.
    #[serde(
        default,
        deserialize_with = "object_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub bytes_out: Option<RateLimit>,
}

impl Rates {
    /// Nothing is limited.
    pub const UNLIMITED: Self = Self {
        messages_in: None,
        bytes_in: None,
        messages_out: None,
        bytes_out: None,
    };

    /// These, and `others` where these say nothing.
    pub fn or(self, others: Self) -> Self {
        Self {
            messages_in: self.messages_in.or(others.messages_in),
            bytes_in: self.bytes_in.or(others.bytes_in),
            messages_out: self.messages_out.or(others.messages_out),
            bytes_out: self.bytes_out.or(others.bytes_out),
        }
    }

    /// Whether no rate limits anything.
    pub fn is_unlimited(&self) -> bool {
        [self.messages_in, self.bytes_in, self.messages_out, self.bytes_out]
            .into_iter()
            .flatten()
            .all(|limit| limit == RateLimit::Unlimited)
    }
}

/// What one user of an account may take of what the account has. The connections of all the user's
/// credentials share it. What is not said is not limited, as with rates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserShare {
    /// Client connections open at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<crate::limit::Limit>,
    /// What they send and receive, all together.
    #[serde(
        default,
        deserialize_with = "crate::json::object_or_default",
        skip_serializing_if = "is_default"
    )]
    pub rates: Rates,
}

impl UserShare {
    /// Nothing is limited.
    pub const UNLIMITED: Self = Self {
        connections: None,
        rates: Rates::UNLIMITED,
    };

    /// This, and `others` where this says nothing.
    pub fn or(self, others: Self) -> Self {
        Self {
            connections: self.connections.or(others.connections),
            rates: self.rates.or(others.rates),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Rates, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn rates_are_read_as_they_are_written_and_what_is_absent_is_not_said() {
        let rates = read(r#"{"messages_in":{"per_second":1000},"bytes_out":{"per_second":5,"burst":7}}"#);
        let rates = rates.unwrap();
        assert_eq!(rates.messages_in, Some(RateLimit::new(1000, Some(1000)).unwrap()));
        assert_eq!(rates.bytes_out, Some(RateLimit::new(5, Some(7)).unwrap()));
        assert_eq!((rates.bytes_in, rates.messages_out), (None, None));
        assert_eq!(
            serde_json::to_string(&rates).unwrap(),
            r#"{"messages_in":{"per_second":1000},"bytes_out":{"per_second":5,"burst":7}}"#
        );
        assert_eq!(read("{}"), Ok(Rates::UNLIMITED));
        assert_eq!(read(r#"{"bytes_in":null}"#), Ok(Rates::UNLIMITED));
    }

    #[test]
    fn numbers_that_are_no_rate_are_refused() {
        for json in [
            r#"{"bytes_in":{"per_second":0}}"#,
            r#"{"bytes_in":{"per_second":-2}}"#,
            r#"{"bytes_in":{"per_second":1,"burst":0}}"#,
            r#"{"bytes_in":{"per_second":1,"burst":-1}}"#,
            r#"{"bytes_in":{"per_second":-1,"burst":1}}"#,
            r#"{"bytes_in":{"per_second":9223372036854775808}}"#,
            r#"{"bytes_in":{"per_second":1.5}}"#,
            r#"{"bytes_in":{"per_second":"1"}}"#,
            r#"{"bytes_in":{"burst":1}}"#,
            r#"{"bytes_in":{}}"#,
            r#"{"bytes_in":1000}"#,
            r#"{"bytes_in":[1000,1000]}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_a_key_says_goes_before_what_all_users_have() {
        let rate = |number| RateLimit::new(number, None).ok();
        let defaults = UserShare {
            connections: Some(crate::Limit::AtMost(5)),
            rates: Rates {
                messages_in: rate(10),
                bytes_in: rate(20),
                ..Rates::UNLIMITED
            },
        };
        let of_key = UserShare {
            connections: None,
            rates: Rates {
                messages_in: rate(-1),
                bytes_out: rate(30),
                ..Rates::UNLIMITED
            },
        };
        let share = of_key.or(defaults);
        assert_eq!(share.connections, Some(crate::Limit::AtMost(5)));
        assert_eq!(share.rates.messages_in, Some(RateLimit::Unlimited));
        assert_eq!(
            (share.rates.bytes_in, share.rates.bytes_out),
            (rate(20), rate(30))
        );
        assert!(!share.rates.is_unlimited() && Rates::UNLIMITED.is_unlimited());
    }
}
