//! The files and variables that a configuration may ask for.

use std::fs::File;
use std::io::Read as _;
use std::{env, io};

use tollway_conf::Surroundings;
use tollway_conf::bounds::FILE_BYTES_MAX;

/// The machine: its files, and the variables of this process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Machine;

impl Surroundings for Machine {
    fn include(&mut self, path: &str) -> Result<Vec<u8>, String> {
        read(path).map_err(|error| error.to_string())
    }

    fn variable(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }
}

/// Reads a file, and of one that is too large not much more than shows it.
pub(super) fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
