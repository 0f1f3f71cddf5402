//! The loose spellings that NATS tools use for lists and absent values.

use serde::{Deserialize, Deserializer};

/// `null` reads like an absent value: Go writes a nil list as `null`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

pub(crate) fn is_zero(number: &i64) -> bool {
    *number == 0
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A point in time where 0 stands for "none", as the `omitempty` of Go has it.
pub(crate) fn time_or_none(seconds: i64) -> Option<i64> {
    (seconds != 0).then_some(seconds)
}
