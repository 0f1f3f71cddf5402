//! Whatever is written reads back, in every style it can be written in.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use tollway_conf::{Date, Map, Value};

use crate::around::parse;

/// A value, and the choices of whoever writes it.
#[derive(Debug, Clone)]
enum Written {
    Text(String, u8),
    Integer(i64),
    Float(f64),
    Boolean(bool, u8),
    Date(String),
    List(Vec<Written>, u8),
    Map(Vec<(String, Written)>, u8),
}

fn scalar() -> impl Strategy<Value = Written> {
    prop_oneof![
        ("[^\0]{0,12}", any::<u8>()).prop_map(|(text, style)| Written::Text(text, style)),
        ("[a-z$#/.(){}\\[\\]'\"\\\\ ]{0,6}", any::<u8>())
            .prop_map(|(text, style)| Written::Text(text, style)),
        any::<i64>().prop_map(Written::Integer),
        (-1_000_000..1_000_000_i32, 1..1000_u32).prop_map(|(whole, thousandth)| Written::Float(
            f64::from(whole) + f64::from(thousandth) / 1024.0
        )),
        (any::<bool>(), any::<u8>()).prop_map(|(truth, style)| Written::Boolean(truth, style)),
        (1..9999_u16, 1..=12_u8, 1..=28_u8, 0..24_u8, 0..60_u8)
            .prop_map(|(y, m, d, h, min)| Written::Date(format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:07Z"))),
    ]
}

fn key() -> impl Strategy<Value = String> {
    // Long enough that it is neither `include` nor anything else with a meaning of its own.
    "[a-zA-Z_.*>é -]{8,12}"
}

fn map_of(value: impl Strategy<Value = Written>) -> impl Strategy<Value = Written> {
    (btree_map(key(), value, 0..5), any::<u8>())
        .prop_map(|(entries, style)| Written::Map(entries.into_iter().collect(), style))
}

fn written() -> impl Strategy<Value = Written> {
    let value = scalar().prop_recursive(5, 60, 5, |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..5), any::<u8>()).prop_map(|(items, style)| Written::List(items, style)),
            map_of(inner),
        ]
    });
    map_of(value)
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\t' => out += "\\t",
            '\r' => out += "\\r",
            '\u{7f}' => out += "\\x7F",
            _ => out.push(c),
        }
    }
    out + "\""
}

fn text(text: &str, style: u8) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase());
    let word = ["true", "false", "yes", "no", "on", "off"].contains(&text);
    match style % 4 {
        0 if plain && !word => text.to_owned(),
        1 if !text.contains('\'') => format!("'{text}'"),
        2 if text.ends_with('\n') && !text.contains("\n)") => format!("({text})\n"),
        _ => double_quoted(text),
    }
}

impl Written {
    /// The value in the language. Blocks end with a line end of their own.
    fn write(&self, out: &mut String) {
        match self {
            Self::Text(content, style) => *out += &text(content, *style),
            Self::Integer(number) => *out += &number.to_string(),
            Self::Float(number) => *out += &format!("{number:?}"),
            Self::Boolean(true, style) => *out += ["true", "YES", "On"][usize::from(style % 3)],
            Self::Boolean(false, style) => *out += ["False", "no", "off"][usize::from(style % 3)],
            Self::Date(date) => *out += date,
            Self::List(items, style) => {
                out.push('[');
                for item in items {
                    item.write(out);
                    // The line end of a block is a separator already.
                    if out.ends_with(")\n") {
                        continue;
                    }
                    *out += [", ", "\n", " # comment\n", " ,\n\n\t"][usize::from(style % 4)];
                }
                out.push(']');
            }
            Self::Map(entries, style) => {
                out.push('{');
                Self::write_entries(entries, *style, out);
                out.push('}');
            }
        }
    }

    fn write_entries(entries: &[(String, Self)], style: u8, out: &mut String) {
        for (key, value) in entries {
            let simple = key.chars().all(|c| c.is_ascii_alphabetic() || "_.*".contains(c));
            match style & 4 {
                0 if simple => *out += key,
                _ => *out += &format!("\"{key}\""),
            }
            *out += [": ", " = ", " ", ":"][usize::from(style % 4)];
            value.write(out);
            if out.ends_with(")\n") {
                continue;
            }
            *out += ["\n", "; ", ", // comment\n", " # comment\n"][usize::from(style / 8 % 4)];
        }
    }

    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(written, _), Value::Text(read)) => written == read.expose(),
            (Self::Integer(written), Value::Integer(read)) => written == read,
            (Self::Float(written), Value::Float(read)) => written.to_bits() == read.to_bits(),
            (Self::Boolean(written, _), Value::Boolean(read)) => written == read,
            (Self::Date(written), Value::Date(read)) => Date::parse(written) == Some(*read),
            (Self::List(written, _), Value::List(read)) => {
                written.len() == read.len() && written.iter().zip(read).all(|(w, r)| w.is(&r.value))
            }
            (Self::Map(written, _), Value::Map(read)) => Self::are(written, read),
            _ => false,
        }
    }

    fn are(entries: &[(String, Self)], read: &Map) -> bool {
        let in_order = entries
            .iter()
            .zip(read.iter())
            .all(|((key, value), entry)| *key == entry.key && value.is(&entry.node.value));
        entries.len() == read.len() && in_order
    }

    /// The same value, written by somebody else.
    fn restyled(&self, shift: u8) -> Self {
        match self {
            Self::Text(text, style) => Self::Text(text.clone(), style.wrapping_add(shift)),
            Self::Boolean(truth, style) => Self::Boolean(*truth, style.wrapping_add(shift)),
            Self::List(items, style) => {
                let items = items.iter().map(|item| item.restyled(shift)).collect();
                Self::List(items, style.wrapping_add(shift))
            }
            Self::Map(entries, style) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| (key.clone(), value.restyled(shift)));
                Self::Map(entries.collect(), style.wrapping_add(shift))
            }
            other => other.clone(),
        }
    }

    /// As a file: the keys of the outermost map are those of the file.
    fn file(&self) -> String {
        let Self::Map(entries, style) = self else {
            panic!("{self:?}")
        };
        let mut out = String::new();
        Self::write_entries(entries, *style, &mut out);
        out
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(written in written()) {
        let text = written.file();
        let tree = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let Written::Map(entries, _) = &written else { panic!("{written:?}") };
        prop_assert!(Written::are(entries, &tree.root), "{text}\n{:?}", tree.root);
    }

    #[test]
    fn the_style_changes_neither_the_tree_nor_its_digest(written in written(), shift in any::<u8>()) {
        let read = |text: String| parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")));
        let tree = read(written.file())?;
        let again = read(written.restyled(shift).file())?;
        prop_assert_eq!(&tree.root, &again.root);
        prop_assert_eq!(tree.root.digest(), again.root.digest());
    }

    #[test]
    fn a_reference_reads_like_what_it_refers_to(written in written(), inside in any::<bool>()) {
        let mut value = String::new();
        written.write(&mut value);
        let reference = match inside {
            true => format!("VARIABLE: {value}\nm {{ v: $VARIABLE }}\nw: [$VARIABLE]"),
            false => format!("VARIABLE = {value}\nm: {{ v $VARIABLE\n}}\nw: [\n$VARIABLE\n]"),
        };
        let plain = format!("VARIABLE: {value}\nm {{ v: {value} }}\nw: [{value}]");
        let read = |text: String| parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")));
        prop_assert_eq!(read(reference)?.root, read(plain)?.root);
    }
}
