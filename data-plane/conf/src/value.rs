//! What a configuration says, as a tree: values that know where they stand.

use std::collections::BTreeMap;
use std::fmt;

use crate::bounds::NODE_WEIGHT;
use crate::date::Date;
use crate::position::Position;
use crate::secret::Secret;

/// A value and where it begins. A value that a `$REFERENCE` stands for begins at the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value itself.
    pub value: Value,
    /// Where it stands.
    pub at: Position,
}

/// The kinds of values. Two values are equal when they say the same, wherever they stand.
#[derive(Debug, Clone)]
pub enum Value {
    /// Quoted, unquoted, or a block between brackets.
    Text(Secret),
    /// A whole number; a size such as `4kb` is multiplied out.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true`, `yes`, `on`, `false`, `no`, `off` without quotes.
    Boolean(bool),
    /// A time in UTC to the second.
    Date(Date),
    /// `[ … ]`
    List(Vec<Node>),
    /// `{ … }`
    Map(Map),
}

impl Value {
    /// What kind of value it is, for messages.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::Boolean(_) => Kind::Boolean,
            Self::Date(_) => Kind::Date,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.value == b.value)
            }
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

/// The name of a kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Value::Text`]
    Text,
    /// [`Value::Integer`]
    Integer,
    /// [`Value::Float`]
    Float,
    /// [`Value::Boolean`]
    Boolean,
    /// [`Value::Date`]
    Date,
    /// [`Value::List`]
    List,
    /// [`Value::Map`]
    Map,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Float => "a number with a fraction",
            Self::Boolean => "a boolean",
            Self::Date => "a date",
            Self::List => "a list",
            Self::Map => "a map",
        })
    }
}

/// Keys and their values, in the order of the file.
///
/// A key that is given again replaces what it had: the place in the order and the value are those
/// of the last one. Keys are compared letter by letter; that options are found in any case is a
/// rule of the options.
#[derive(Clone, Default)]
pub struct Map {
    entries: Vec<Entry>,
    /// Where in `entries` the last entry of a key stands.
    latest: BTreeMap<String, usize>,
}

/// One key of a map.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key as it is written, without quotes.
    pub key: String,
    /// Where the key stands.
    pub at: Position,
    /// What it is set to.
    pub node: Node,
    /// Whether a `$REFERENCE` used it. Such a key may have any name.
    pub referenced: bool,
}

impl Map {
    /// Sets a key. What it had before no longer counts, and is returned by position.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<Position> {
        let index = self.entries.len();
        let before = self.latest.insert(entry.key.clone(), index);
        self.entries.push(entry);
        before.map(|index| self.entries[index].at.clone())
    }

    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.latest.get(key).map(|&index| &self.entries[index])
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.latest.get(key).map(|&index| &mut self.entries[index])
    }

    /// The entries that count, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        let latest = &self.latest;
        self.entries
            .iter()
            .enumerate()
            .filter(move |(index, entry)| latest.get(&entry.key) == Some(index))
            .map(|(_, entry)| entry)
    }

    /// The entries that count, by key.
    pub fn iter_sorted(&self) -> impl Iterator<Item = &Entry> {
        self.latest.values().map(|&index| &self.entries[index])
    }

    /// The entries that count, in the order of the file, taken out.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = Entry> {
        let latest = self.latest;
        self.entries
            .into_iter()
            .enumerate()
            .filter(move |(index, entry)| latest.get(&entry.key) == Some(index))
            .map(|(_, entry)| entry)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.latest.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.latest.is_empty()
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter_sorted()
                .zip(other.iter_sorted())
                .all(|(a, b)| a.key == b.key && a.node.value == b.node.value)
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|entry| (&entry.key, &entry.node)))
            .finish()
    }
}

/// How much a value holds, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Text bytes, and [`NODE_WEIGHT`] for each value.
    pub(crate) weight: usize,
    /// 1 for a value that holds no others.
    pub(crate) depth: usize,
}

impl Node {
    /// Walks the whole value: whoever copies one pays for the walk by the copy.
    pub(crate) fn measure(&self) -> Measure {
        let mut weight = NODE_WEIGHT;
        let mut depth = 0;
        let mut add = |node: &Self, key: usize| {
            let inner = node.measure();
            weight += inner.weight + key;
            depth = depth.max(inner.depth);
        };
        match &self.value {
            Value::Text(text) => weight += text.len(),
            Value::List(items) => items.iter().for_each(|item| add(item, 0)),
            Value::Map(map) => map
                .entries
                .iter()
                .for_each(|entry| add(&entry.node, entry.key.len())),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date(_) => {}
        }
        Measure {
            weight,
            depth: depth + 1,
        }
    }
}
