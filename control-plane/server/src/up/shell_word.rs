//! Text as one word of a shell line.

/// Quotes it when it has to be.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn every_word_comes_back_from_a_shell_as_it_was() {
        for text in [
            "/var/lib/tollway",
            "",
            "two words",
            "it's",
            "$HOME `x` \"y\" \\ *",
            "ümläut",
        ] {
            let line = format!("printf %s {}", shell_word(text));
            let output = Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
        assert_eq!(shell_word("/a/b-c.d"), "/a/b-c.d");
    }
}
