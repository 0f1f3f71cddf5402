//! The digest of a configuration, as stock servers print it for `-t` and show it in `/varz`.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::value::{Map, Value};

impl Map {
    /// `sha256:` and the SHA-256 of the configuration as JSON with sorted keys and a line end.
    /// Two configurations that say the same have the same digest, however they are written, and the
    /// same as on a stock server.
    pub fn digest(&self) -> String {
        let mut json = Json(Sha256::new());
        json.map(self);
        json.0.update(b"\n");
        format!("sha256:{}", HEXLOWER.encode(&json.0.finalize()))
    }
}

/// Writes JSON as Go's encoder does, straight into the hash: the texts may be secrets.
struct Json(Sha256);

impl Json {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Text(text) => self.text(text.expose()),
            Value::Integer(number) => self.0.update(number.to_string()),
            Value::Float(number) => self.0.update(float(*number)),
            Value::Boolean(truth) => self.0.update(truth.to_string()),
            Value::Date(date) => self.text(&date.to_string()),
            Value::List(items) => {
                self.0.update(b"[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.0.update(b",");
                    }
                    self.value(&item.value);
                }
                self.0.update(b"]");
            }
            Value::Map(map) => self.map(map),
        }
    }

    fn map(&mut self, map: &Map) {
        self.0.update(b"{");
        for (index, entry) in map.iter_sorted().enumerate() {
            if index > 0 {
                self.0.update(b",");
            }
            self.text(&entry.key);
            self.0.update(b":");
            self.value(&entry.node.value);
        }
        self.0.update(b"}");
    }

    /// Go escapes what would be read as markup when JSON lies inside a page.
    fn text(&mut self, text: &str) {
        self.0.update(b"\"");
        let mut buffer = [0; 4];
        for c in text.chars() {
            match c {
                '"' => self.0.update(b"\\\""),
                '\\' => self.0.update(b"\\\\"),
                '\n' => self.0.update(b"\\n"),
                '\r' => self.0.update(b"\\r"),
                '\t' => self.0.update(b"\\t"),
                '\u{8}' => self.0.update(b"\\b"),
                '\u{c}' => self.0.update(b"\\f"),
                '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    self.0.update(format!("\\u{:04x}", u32::from(c)));
                }
                _ => self.0.update(c.encode_utf8(&mut buffer)),
            }
        }
        self.0.update(b"\"");
    }
}

/// The shortest digits that read back as the same number; with an exponent when very large or small.
fn float(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let written = format!("{number:e}");
        // Rust writes 1e21 where Go writes 1e+21; below 1e-9 both write 1e-10.
        return match written.split_once('e') {
            Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
            _ => written,
        };
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (number, written) in [
            (1.5, "1.5"),
            (-0.5, "-0.5"),
            (100.0, "100"),
            (0.0, "0"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.25e30, "1.25e+30"),
        ] {
            assert_eq!(float(number), written);
        }
    }
}
