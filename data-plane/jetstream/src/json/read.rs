//! Values into fields.

use std::collections::BTreeMap;

use crate::json::JsonError;
use crate::json::value::{Node, Parser, Value};
use crate::nanos::Nanos;
use crate::wire_time::WireTime;

/// What is read from an object, field by field.
pub(crate) trait Object: Default {
    /// What stock servers call it, which their texts show: `server.StreamConfig`.
    const SERVER_TYPE: &'static str;

    /// Takes the value of a field. `false` when there is no such field.
    ///
    /// `name` is in small letters.
    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError>;
}

/// Reads all values of a body into one thing.
pub(crate) fn read_all<T: Object>(body: &[u8]) -> Result<T, JsonError> {
    let mut read = T::default();
    let mut parser = Parser::new(body);
    while let Some(node) = parser.next()? {
        At::root::<T>().object(&mut read, &node)?;
    }
    Ok(read)
}

/// Reads the only value of a body. Fields that nobody asked for are passed over.
pub(crate) fn read_leniently<T: Object>(body: &[u8]) -> Result<T, String> {
    let mut parser = Parser::new(body);
    let node = match parser.only() {
        Ok(node) => node,
        Err(JsonError::End) => return Err("unexpected end of JSON input".to_owned()),
        Err(JsonError::Syntax { text, .. }) => return Err(text),
        Err(other) => return Err(other.to_string()),
    };
    let mut read = T::default();
    let at = At {
        unknown: Unknown::PassedOver,
        ..At::root::<T>()
    };
    at.object(&mut read, &node).map_err(|error| error.to_string())?;
    Ok(read)
}

/// What becomes of fields that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refused,
    PassedOver,
}

/// Where in a body a value stands.
pub(crate) struct At<'a> {
    unknown: Unknown,
    above: Option<&'a At<'a>>,
    step: Step<'a>,
}

enum Step<'a> {
    /// The name of the outermost type.
    Root(&'static str),
    Field(&'a str),
    Element(usize),
}

impl At<'static> {
    fn root<T: Object>() -> Self {
        Self {
            unknown: Unknown::Refused,
            above: None,
            step: Step::Root(T::SERVER_TYPE.trim_start_matches("server.")),
        }
    }
}

impl At<'_> {
    fn path(&self) -> String {
        let own = match &self.step {
            Step::Root(name) => return (*name).to_owned(),
            Step::Field(name) => (*name).to_owned(),
            Step::Element(index) => index.to_string(),
        };
        match self.above {
            Some(above) => format!("{}.{own}", above.path()),
            None => own,
        }
    }

    fn mismatch(&self, node: &Node<'_>, wanted: &'static str) -> JsonError {
        let found = match &node.value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        self.mismatched(found.to_owned(), wanted)
    }

    fn mismatched(&self, found: String, wanted: &'static str) -> JsonError {
        let place = match &self.step {
            Step::Root(_) => "Go value".to_owned(),
            Step::Field(_) => format!("Go struct field {}", self.path()),
            Step::Element(_) => self.path(),
        };
        JsonError::Type { found, place, wanted }
    }

    pub(crate) fn object<T: Object>(&self, to: &mut T, node: &Node<'_>) -> Result<(), JsonError> {
        let fields = match &node.value {
            Value::Null => return Ok(()),
            Value::Object(fields) => fields,
            _ => return Err(self.mismatch(node, T::SERVER_TYPE)),
        };
        for (name, value) in fields {
            let small = name.to_ascii_lowercase();
            let at = At {
                unknown: self.unknown,
                above: Some(self),
                step: Step::Field(&small),
            };
            if !to.field(&small, value, &at)? && self.unknown == Unknown::Refused {
                return Err(JsonError::UnknownField(name.clone()));
            }
        }
        Ok(())
    }

    /// An object that may be absent: `null` takes it away.
    pub(crate) fn optional<T: Object>(&self, to: &mut Option<T>, node: &Node<'_>) -> Result<(), JsonError> {
        if node.value == Value::Null {
            *to = None;
            return Ok(());
        }
        self.object(to.get_or_insert_default(), node)
    }

    fn list<T>(
        &self,
        to: &mut Vec<T>,
        node: &Node<'_>,
        wanted: &'static str,
        mut read: impl FnMut(&At<'_>, &Node<'_>) -> Result<T, JsonError>,
    ) -> Result<(), JsonError> {
        let elements = match &node.value {
            Value::Null => {
                to.clear();
                return Ok(());
            }
            Value::Array(elements) => elements,
            _ => return Err(self.mismatch(node, wanted)),
        };
        to.clear();
        for (index, element) in elements.iter().enumerate() {
            let at = At {
                unknown: self.unknown,
                above: Some(self),
                step: Step::Element(index),
            };
            to.push(read(&at, element)?);
        }
        Ok(())
    }

    pub(crate) fn objects<T: Object>(
        &self,
        to: &mut Vec<T>,
        node: &Node<'_>,
        wanted: &'static str,
    ) -> Result<(), JsonError> {
        self.list(to, node, wanted, |at, node| {
            let mut object = T::default();
            at.object(&mut object, node)?;
            Ok(object)
        })
    }

    pub(crate) fn strings(&self, to: &mut Vec<String>, node: &Node<'_>) -> Result<(), JsonError> {
        self.list(to, node, "[]string", |at, node| {
            let mut text = String::new();
            at.string(&mut text, node)?;
            Ok(text)
        })
    }

    pub(crate) fn durations(&self, to: &mut Vec<Nanos>, node: &Node<'_>) -> Result<(), JsonError> {
        self.list(to, node, "[]time.Duration", |at, node| {
            let mut nanos = Nanos::default();
            at.duration(&mut nanos, node)?;
            Ok(nanos)
        })
    }

    pub(crate) fn texts(&self, to: &mut BTreeMap<String, String>, node: &Node<'_>) -> Result<(), JsonError> {
        let fields = match &node.value {
            Value::Null => {
                to.clear();
                return Ok(());
            }
            Value::Object(fields) => fields,
            _ => return Err(self.mismatch(node, "map[string]string")),
        };
        for (name, value) in fields {
            let at = At {
                unknown: self.unknown,
                above: Some(self),
                step: Step::Field(name),
            };
            let mut text = String::new();
            at.string(&mut text, value)?;
            to.insert(name.clone(), text);
        }
        Ok(())
    }

    pub(crate) fn string(&self, to: &mut String, node: &Node<'_>) -> Result<(), JsonError> {
        match &node.value {
            Value::Null => Ok(()),
            Value::String(text) => {
                text.clone_into(to);
                Ok(())
            }
            _ => Err(self.mismatch(node, "string")),
        }
    }

    pub(crate) fn boolean(&self, to: &mut bool, node: &Node<'_>) -> Result<(), JsonError> {
        match node.value {
            Value::Null => Ok(()),
            Value::Bool(value) => {
                *to = value;
                Ok(())
            }
            _ => Err(self.mismatch(node, "bool")),
        }
    }

    /// A whole number that fits the target; `wanted` is what stock servers call its type.
    pub(crate) fn number<T: std::str::FromStr>(
        &self,
        to: &mut T,
        node: &Node<'_>,
        wanted: &'static str,
    ) -> Result<(), JsonError> {
        match node.value {
            Value::Null => Ok(()),
            Value::Number(text) => {
                *to = text
                    .parse()
                    .map_err(|_| self.mismatched(format!("number {text}"), wanted))?;
                Ok(())
            }
            _ => Err(self.mismatch(node, wanted)),
        }
    }

    pub(crate) fn duration(&self, to: &mut Nanos, node: &Node<'_>) -> Result<(), JsonError> {
        let mut nanos = to.0;
        self.number(&mut nanos, node, "time.Duration")?;
        *to = Nanos(nanos);
        Ok(())
    }

    pub(crate) fn time(&self, to: &mut Option<WireTime>, node: &Node<'_>) -> Result<(), JsonError> {
        match &node.value {
            Value::Null => *to = None,
            Value::String(text) => *to = Some(WireTime::parse(text).map_err(JsonError::Value)?),
            _ => return Err(self.mismatch(node, "time.Time")),
        }
        Ok(())
    }
}

/// A word out of several; anything else, `null` too, is refused with the text `refusal` makes of what was
/// written.
pub(crate) fn enumeration<T: Copy>(
    to: &mut T,
    node: &Node<'_>,
    words: &[(&str, T)],
    refusal: impl FnOnce(&str) -> String,
) -> Result<(), JsonError> {
    if let Value::String(text) = &node.value
        && let Some((_, value)) = words.iter().find(|(word, _)| word == text)
    {
        *to = *value;
        return Ok(());
    }
    Err(JsonError::Value(refusal(&String::from_utf8_lossy(node.raw))))
}
