//! One key of a block, and its value as the option needs it.

use std::str::FromStr;
use std::time::Duration;

use tollway_claims::PublicKey;

use crate::duration::{self, InvalidDuration, Signed};
use crate::located::Located;
use crate::notice::NoticeReason;
use crate::position::Position;
use crate::problem::Reason;
use crate::report::Report;
use crate::secret::Secret;
use crate::value::{Entry, Node, Value};

/// A key and its value, or one value of a list under the same key.
///
/// Each reader gives `None` after it has reported why, so that callers only have to go on.
pub(crate) struct Field<'t> {
    /// The key in small letters: options are found in any case.
    pub(crate) key: String,
    /// The key as it is written.
    pub(crate) written: &'t str,
    /// Where the key stands.
    pub(crate) at: &'t Position,
    /// The value.
    pub(crate) node: &'t Node,
    /// Whether something refers to it.
    pub(crate) referenced: bool,
}

/// How much of a text a message shows.
const SHOWN_CHARS: usize = 60;

/// A text cut to a length that fits a message.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

impl<'t> Field<'t> {
    pub(crate) fn new(entry: &'t Entry) -> Self {
        Self {
            key: entry.key.to_ascii_lowercase(),
            written: &entry.key,
            at: &entry.at,
            node: &entry.node,
            referenced: entry.referenced,
        }
    }

    /// One value of a list.
    fn item(&self, node: &'t Node) -> Self {
        Self {
            key: self.key.clone(),
            written: self.written,
            at: &node.at,
            node,
            referenced: false,
        }
    }

    /// The values of a list.
    pub(crate) fn items(&self, report: &mut Report) -> Vec<Self> {
        match &self.node.value {
            Value::List(items) => items.iter().map(|node| self.item(node)).collect(),
            _ => {
                report.misfit(self, "a list");
                Vec::new()
            }
        }
    }

    /// The values of a list, or the one value there is.
    pub(crate) fn one_or_more(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(items) => items.iter().map(|node| self.item(node)).collect(),
            _ => vec![self.item(self.node)],
        }
    }

    /// A text that may be secret.
    pub(crate) fn secret(&self, report: &mut Report) -> Option<Secret> {
        match &self.node.value {
            Value::Text(text) => Some(text.clone()),
            _ => report.wrong_kind(self, "a text; if it looks like something else, it needs quotes"),
        }
    }

    /// A text that is no secret.
    pub(crate) fn text(&self, report: &mut Report) -> Option<Located<String>> {
        let text = self.secret(report)?;
        Some(Located::new(text.expose().to_owned(), &self.node.at))
    }

    /// A text that says something.
    pub(crate) fn name(&self, report: &mut Report) -> Option<Located<String>> {
        let text = self.text(report)?;
        if text.value.is_empty() {
            return report.invalid(self, "needs at least one letter");
        }
        Some(text)
    }

    /// A text, or a list of texts.
    pub(crate) fn texts(&self, report: &mut Report) -> Vec<Located<String>> {
        self.one_or_more()
            .iter()
            .filter_map(|item| item.text(report))
            .collect()
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, report: &mut Report) -> Option<bool> {
        match self.node.value {
            Value::Boolean(truth) => Some(truth),
            _ => report.wrong_kind(self, "true or false"),
        }
    }

    /// Any whole number.
    pub(crate) fn integer(&self, report: &mut Report) -> Option<i64> {
        match self.node.value {
            Value::Integer(number) => Some(number),
            _ => report.wrong_kind(self, "a whole number"),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn within(&self, report: &mut Report, least: i64, most: i64) -> Option<i64> {
        let number = self.integer(report)?;
        if !(least..=most).contains(&number) {
            let key = self.key.clone();
            report.problem(&self.node.at, Reason::OutOfRange { key, least, most });
            return None;
        }
        Some(number)
    }

    /// A number of something, from 0.
    pub(crate) fn count(&self, report: &mut Report, most: i64) -> Option<u64> {
        self.within(report, 0, most)
            .map(|number| u64::try_from(number).expect("it is not negative"))
    }

    /// A duration with units.
    pub(crate) fn duration(&self, report: &mut Report) -> Option<Duration> {
        match &self.node.value {
            Value::Text(text) => self.duration_of(report, text.expose()),
            _ => report.wrong_kind(self, "a duration in quotes, such as \"2m\""),
        }
    }

    fn duration_of(&self, report: &mut Report, text: &str) -> Option<Duration> {
        let why = match duration::parse(text) {
            Ok(Signed::Positive(duration)) => return Some(duration),
            Ok(Signed::Negative) => InvalidDuration::Negative,
            Err(why) => why,
        };
        let key = self.key.clone();
        report.problem(&self.node.at, Reason::Duration { key, why });
        None
    }

    /// A duration with units, or a number of seconds as in old files, which is worth a notice:
    /// `2m` without quotes is two million.
    pub(crate) fn duration_or_seconds(&self, report: &mut Report, name: &'static str) -> Option<Duration> {
        match self.node.value {
            Value::Integer(_) => {
                let seconds = self.count(report, SECONDS_MAX)?;
                report.notice(&self.node.at, NoticeReason::SecondsAsNumber(name));
                Some(Duration::from_secs(seconds))
            }
            _ => self.duration(report),
        }
    }

    /// Seconds, with a fraction if need be, or a duration with units.
    pub(crate) fn seconds(&self, report: &mut Report) -> Option<Duration> {
        match &self.node.value {
            Value::Integer(_) => Some(Duration::from_secs(self.count(report, SECONDS_MAX)?)),
            Value::Float(seconds) if (0.0..=SECONDS_MAX as f64).contains(seconds) => {
                Some(Duration::from_secs_f64(*seconds))
            }
            Value::Float(_) => {
                let (key, least, most) = (self.key.clone(), 0, SECONDS_MAX);
                report.problem(&self.node.at, Reason::OutOfRange { key, least, most });
                None
            }
            Value::Text(text) => self.duration_of(report, text.expose()),
            _ => report.wrong_kind(self, "seconds, or a duration in quotes"),
        }
    }

    /// Bytes: a number, or a text with one letter as its size.
    pub(crate) fn storage_size(&self, report: &mut Report) -> Option<i64> {
        match &self.node.value {
            Value::Integer(number) => Some(*number),
            Value::Text(text) => match storage_size(text.expose()) {
                Some(size) => Some(size),
                None => report.invalid(
                    self,
                    "a size in quotes is a number and K, M, G or T, such as \"10G\"",
                ),
            },
            _ => report.wrong_kind(self, "a size"),
        }
    }

    /// A public key of one role.
    pub(crate) fn public_key(
        &self,
        report: &mut Report,
        role: tollway_claims::KeyKind,
        why: &'static str,
    ) -> Option<PublicKey> {
        let text = self.secret(report)?;
        match PublicKey::from_str(text.expose()) {
            Ok(key) if key.kind() == role => Some(key),
            _ => report.invalid(self, why),
        }
    }
}

/// The longest time in whole seconds that fits nanoseconds in 64 bits.
pub(crate) const SECONDS_MAX: i64 = i64::MAX / 1_000_000_000;

fn storage_size(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let shift = match text.as_bytes().last()? {
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        b'T' => 40,
        _ => return None,
    };
    let number: i64 = text[..text.len() - 1].parse().ok()?;
    number.checked_mul(1 << shift)
}
