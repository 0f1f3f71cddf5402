//! What a value lacks to be the one that was asked for, in plain words and with its whole path.
//!
//! Serde says it in Rust's words, and only in a text: `invalid type: string "many", expected i64`. That text is
//! taken apart here. What is not known passes as it is, so that a sentence of ours stays a sentence of ours.

use tollway_api::FieldError;

/// Letters of a caller's own value that are said back.
const SHOWN_MAX: usize = 60;

/// Letters of a path that are said back: a caller makes up names, too.
const PATH_SHOWN_MAX: usize = 200;

/// The field at fault, of serde's path to the value (`.` is the whole) and its text about it.
pub(super) fn mismatch(path: &str, text: &str) -> FieldError {
    let mut error = taken_apart(path, text);
    error.field = shown(&error.field, PATH_SHOWN_MAX);
    error
}

fn taken_apart(path: &str, text: &str) -> FieldError {
    let path = if path == "." { "" } else { path };
    let text = without_place(text);
    let about = |kind: &str| text.strip_prefix(kind);
    if let Some(rest) = about("missing field ") {
        return FieldError::new(within(path, quoted(rest)), "missing_field", "is missing");
    }
    if let Some(rest) = about("duplicate field ") {
        return FieldError::new(within(path, quoted(rest)), "duplicate_field", "is there twice");
    }
    if let Some(rest) = about("unknown field ") {
        let (name, known) = rest.split_once(", ").unwrap_or((rest, ""));
        let detail = match one_of(known) {
            Some(known) => format!("is not known here; known are {known}"),
            None => "is not known here, and nothing else is".to_owned(),
        };
        return FieldError::new(within(path, quoted(name)), "unknown_field", detail);
    }
    if let Some(rest) = about("unknown variant ") {
        let known = rest.split_once(", ").and_then(|(_, known)| one_of(known));
        let detail = known.map_or("is not known here".to_owned(), |known| format!("must be {known}"));
        return FieldError::new(path, "invalid_value", detail);
    }
    for (kind, code) in [
        ("invalid type: ", "invalid_type"),
        ("invalid value: ", "invalid_value"),
        ("invalid length ", "invalid_length"),
    ] {
        if let Some((found, wanted)) = about(kind).and_then(|rest| rest.rsplit_once(", expected ")) {
            let detail = match kind {
                "invalid length " => format!("must be {}, and has {found} entries", in_words(wanted)),
                _ => format!("must be {}, and is {}", in_words(wanted), found_in_words(found)),
            };
            return FieldError::new(path, code, detail);
        }
    }
    FieldError::new(path, "invalid_value", text)
}

/// A field error as a sentence by itself.
pub(super) fn sentence(error: &FieldError) -> String {
    match error.field.as_str() {
        "" => format!("the body {}", error.detail),
        field => format!("{field}: {}", error.detail),
    }
}

/// Why a text is no JSON document, with the place in front of the reason.
pub(super) fn not_json(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    if error.is_eof() {
        return format!("the body is not JSON: it ends too early, at {place}");
    }
    let text = error.to_string();
    format!("the body is not JSON: at {place}: {}", without_place(&text))
}

/// The text without the place that serde_json puts at its end.
fn without_place(text: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((reason, place)) = text.rsplit_once(" at line ") else {
        return text;
    };
    match place.split_once(" column ") {
        Some((line, column)) if is_number(line) && is_number(column) => reason,
        _ => text,
    }
}

/// Serde names the field in its text, and in the path only when it got as far as the value.
fn within(path: &str, name: &str) -> String {
    let last = path.rsplit('.').next().unwrap_or_default();
    if path.is_empty() || last == name {
        return if path.is_empty() {
            name.to_owned()
        } else {
            path.to_owned()
        };
    }
    format!("{path}.{name}")
}

fn quoted(text: &str) -> &str {
    text.trim_matches('`')
}

/// Of "expected `a`", "expected `a` or `b`" and "expected one of `a`, `b`".
fn one_of(text: &str) -> Option<&str> {
    let known = text.strip_prefix("expected ")?;
    Some(known.strip_prefix("one of ").unwrap_or(known))
}

fn in_words(wanted: &str) -> String {
    let words = match wanted {
        "i64" | "u64" => "a whole number of at most 64 bits",
        "i32" | "u16" | "u8" | "i8" | "i16" => "a whole number",
        "u32" => "a whole number from 0 to 4294967295",
        "f32" | "f64" => "a number",
        "a string" | "str" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        wanted if wanted.starts_with("struct ") => "an object",
        wanted => wanted,
    };
    words.to_owned()
}

fn found_in_words(found: &str) -> String {
    let value = |kind: &str| {
        let value = found.strip_prefix(kind)?;
        Some(shown(quoted(value), SHOWN_MAX))
    };
    match found {
        "null" | "unit value" => return "null".to_owned(),
        "sequence" => return "a list".to_owned(),
        "map" => return "an object".to_owned(),
        _ => {}
    }
    if let Some(text) = value("string ") {
        return format!("the text {text}");
    }
    ["integer ", "floating point ", "boolean "]
        .into_iter()
        .find_map(value)
        .unwrap_or_else(|| shown(found, SHOWN_MAX))
}

fn shown(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str) -> (String, String, String) {
        let error = mismatch(path, text);
        (error.field, error.code, error.detail)
    }

    #[test]
    fn what_is_wrong_is_said_without_rusts_words() {
        for (path, text, field, code, detail) in [
            (
                "limits.connections",
                "invalid type: string \"many\", expected i64 at line 1 column 40",
                "limits.connections",
                "invalid_type",
                "must be a whole number of at most 64 bits, and is the text \"many\"",
            ),
            (
                "limits.connections",
                "invalid type: floating point `1e+20`, expected i64",
                "limits.connections",
                "invalid_type",
                "must be a whole number of at most 64 bits, and is 1e+20",
            ),
            (
                ".",
                "invalid type: sequence, expected struct NewUser at line 1 column 0",
                "",
                "invalid_type",
                "must be an object, and is a list",
            ),
            (
                "limits",
                "missing field `connections`",
                "limits.connections",
                "missing_field",
                "is missing",
            ),
            (".", "missing field `name`", "name", "missing_field", "is missing"),
            (
                "permissions.publish_alow",
                "unknown field `publish_alow`, expected one of `publish_allow`, `publish_deny`",
                "permissions.publish_alow",
                "unknown_field",
                "is not known here; known are `publish_allow`, `publish_deny`",
            ),
            (
                "wait",
                "unknown variant `forever`, expected `applied`",
                "wait",
                "invalid_value",
                "must be `applied`",
            ),
            (
                "name",
                "duplicate field `name`",
                "name",
                "duplicate_field",
                "is there twice",
            ),
            (
                "payload",
                "must be base64 with padding",
                "payload",
                "invalid_value",
                "must be base64 with padding",
            ),
        ] {
            let expected = (field.to_owned(), code.to_owned(), detail.to_owned());
            assert_eq!(said(path, text), expected, "{text}");
        }
    }

    #[test]
    fn a_long_value_is_said_back_in_part() {
        let text = format!("invalid type: string \"{}\", expected u32", "é".repeat(10_000));
        let (_, _, detail) = said("a", &text);
        assert!(detail.len() < 250 && detail.ends_with("..."), "{detail}");
        let name = "x".repeat(10_000);
        let (field, _, detail) = said(&name, &format!("unknown field `{name}`, expected `a`"));
        assert!(field.len() < 250 && detail.len() < 250, "{field}: {detail}");
    }

    #[test]
    fn a_value_that_looks_like_a_message_of_serde_changes_nothing() {
        let text = "invalid type: string \"x, expected a boat at line 1 column 2\", expected u32";
        let (field, _, detail) = said("a", text);
        assert_eq!(field, "a");
        assert!(
            detail.starts_with("must be a whole number from 0 to 4294967295"),
            "{detail}"
        );
    }
}
