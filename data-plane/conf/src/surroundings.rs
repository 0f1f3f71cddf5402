//! What a configuration may ask for from outside.

/// Files that are included, and variables of the environment.
///
/// The crate itself opens nothing: whoever reads a configuration decides what it may see.
pub trait Surroundings {
    /// The bytes of an included file. The path is that of the including file's folder with the
    /// include's path appended, cleaned of `.` and `..`, as stock servers do it; an include's
    /// leading `/` does not lead out of that folder. More than [`crate::bounds::FILE_BYTES_MAX`] and one
    /// byte need not be read. The text of the error tells a person why.
    fn include(&mut self, path: &str) -> Result<Vec<u8>, String>;

    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;
}

/// No files and no variables.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Surroundings for Nothing {
    fn include(&mut self, _: &str) -> Result<Vec<u8>, String> {
        Err("files are not included here".into())
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

/// The path of an include, seen from the file that asks for it.
pub(crate) fn include_path(including: &str, wanted: &str) -> String {
    let folder = including.rfind('/').map_or("", |at| &including[..=at]);
    let rooted = folder.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(wanted.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // Nothing lies above the root.
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_include_is_looked_for_beside_the_file_that_asks() {
        for (including, wanted, path) in [
            ("nats.conf", "users.conf", "users.conf"),
            ("/etc/nats.conf", "users.conf", "/etc/users.conf"),
            ("/etc/nats.conf", "/users.conf", "/etc/users.conf"),
            ("/etc/nats/nats.conf", "../users.conf", "/etc/users.conf"),
            ("/etc/nats.conf", "../../../a", "/a"),
            ("conf/nats.conf", "./d/../e.conf", "conf/e.conf"),
            ("nats.conf", "../x.conf", "../x.conf"),
            ("../nats.conf", "../x.conf", "../../x.conf"),
            ("a/b.conf", "..", "."),
        ] {
            assert_eq!(include_path(including, wanted), path, "{including} {wanted}");
        }
    }
}
