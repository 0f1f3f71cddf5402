//! Programs of other languages, which `./dev test` installs.
#![allow(
    clippy::print_stderr,
    reason = "a test that is skipped says so to whoever runs it"
)]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a test needs beside what cargo builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The Python of a virtual environment with clients/python/requirements.txt in it.
    Python,
    /// The real server, which the node is compared with.
    RealServer,
    /// Node.
    Node,
    /// A folder whose `node_modules` are those of clients/node/package.json.
    NodeDir,
    /// Chromium.
    Chromium,
    /// A folder whose `node_modules` are those of browser/package.json.
    BrowserDir,
}

impl Tool {
    fn variable(self) -> &'static str {
        match self {
            Self::Python => "TOLLWAY_TEST_PYTHON",
            Self::RealServer => "TOLLWAY_TEST_NATS_SERVER",
            Self::Node => "TOLLWAY_TEST_NODE",
            Self::NodeDir => "TOLLWAY_TEST_NODE_DIR",
            Self::Chromium => "TOLLWAY_TEST_CHROMIUM",
            Self::BrowserDir => "TOLLWAY_TEST_BROWSER_DIR",
        }
    }

    /// Where the tool is. Without it the test `test` is not made: it says so and must return.
    ///
    /// # Panics
    /// In CI, which has all tools: a test that is skipped there is one nobody misses.
    pub fn find(self, test: &str) -> Option<PathBuf> {
        let found = env::var_os(self.variable()).filter(|value| !value.is_empty());
        if let Some(found) = found {
            return Some(found.into());
        }
        let reason = format!("{} is not set; ./dev test sets it", self.variable());
        assert!(
            env::var_os("TOLLWAY_CI") != Some(OsString::from("1")),
            "{test} cannot be skipped in CI: {reason}"
        );
        eprintln!("SKIPPED {test}: {reason}");
        None
    }
}

/// A file of this package, as the repository has it.
pub(crate) fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
