//! Small programs to try an account with: what any client in that language has to do.

use super::{UpError, folder::UpFolder};

/// Where they listen, and what they publish to.
pub(super) const FILTER: &str = "greetings.>";
pub(super) const SUBJECT: &str = "greetings.hello";

const PROGRAMS: [(&str, &str); 4] = [
    ("subscribe.py", include_str!("demo_programs/subscribe.py")),
    ("publish.py", include_str!("demo_programs/publish.py")),
    ("subscribe.mjs", include_str!("demo_programs/subscribe.mjs")),
    ("publish.mjs", include_str!("demo_programs/publish.mjs")),
];

/// Writes those that are not there: people may have made them their own.
pub(super) fn write(folder: &UpFolder) -> Result<(), UpError> {
    for (name, text) in PROGRAMS {
        let path = folder.demo().join(name);
        if !path.exists() {
            folder.write(&path, text.as_bytes())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_use_the_subjects_that_the_lines_show() {
        for (name, text) in PROGRAMS {
            let subject = if name.starts_with("subscribe") {
                FILTER
            } else {
                SUBJECT
            };
            assert!(text.contains(subject), "{name}");
        }
    }
}
