//! Any bytes as a configuration. The seeded loop of the tests calls this, and so does the fuzzer
//! (`data-plane/fuzz`).

use tollway_conf::{ServerConfig, Surroundings, Tree};

/// Everything that is asked for is made from the same bytes.
pub(crate) struct Mirror<'a>(pub(crate) &'a [u8]);

impl Surroundings for Mirror<'_> {
    fn include(&mut self, path: &str) -> Result<Vec<u8>, String> {
        match path.len() % 3 {
            0 => Err("not today".into()),
            1 => Ok(self.0.to_vec()),
            _ => Ok(self.0.iter().rev().copied().collect()),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        match name.len() % 3 {
            0 => None,
            1 => Some(String::from_utf8_lossy(self.0).into_owned()),
            _ => Some(name.chars().rev().collect()),
        }
    }
}

/// Reads the bytes as a configuration in every way there is. Nothing may panic, and a second reading may not
/// differ.
pub(crate) fn fuzz(bytes: &[u8]) {
    // The first half is what can be asked for, so that files differ from what includes them.
    let (around, text) = bytes.split_at(bytes.len() / 2);
    for text in [text, bytes] {
        let read = || Tree::parse("dir/x.conf", text, &mut Mirror(around));
        let tree = match (read(), read()) {
            (Ok(tree), Ok(again)) => {
                assert_eq!(tree.root, again.root);
                assert_eq!(tree.notices, again.notices);
                tree
            }
            (Err(error), Err(again)) => {
                assert_eq!(error, again);
                assert!(!error.to_string().is_empty());
                continue;
            }
            (one, other) => panic!("{one:?} and then {other:?}"),
        };
        assert_eq!(tree.root.digest(), tree.root.digest());
        let config = ServerConfig::from_tree(&tree);
        assert_eq!(config, ServerConfig::from_tree(&tree));
        match config {
            Ok(config) => assert!(config.digest.starts_with("sha256:")),
            Err(problems) => assert!(!problems.listed.is_empty() && !problems.to_string().is_empty()),
        }
    }
}
