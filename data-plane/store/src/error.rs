//! Why something was not appended, read, committed or opened.

use std::io;

use crate::ids::StreamId;

/// Why a record was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The stream was never made or is gone.
    #[error("no stream {0:?} in this store")]
    UnknownStream(StreamId),
    /// The account was never made.
    #[error("no such account in this store")]
    UnknownAccount,
    /// The sequence was given before.
    #[error("the stream has given sequences up to {last}")]
    SequenceNotNew {
        /// The last sequence that it has given, acknowledged or not.
        last: u64,
    },
    /// The record or the group is longer than a batch can hold.
    #[error("longer than {max} bytes")]
    TooLong {
        /// The longest that is taken.
        max: usize,
    },
    /// Too much waits for the disk: ask again after the next commit.
    #[error("too much waits for the disk")]
    Busy,
    /// The disk is full but for its reserve, which is kept for deleting.
    #[error("the disk is full")]
    NoSpace,
    /// The disk failed. Nothing is acknowledged any more until the store was opened again.
    #[error("the store stopped after an error of the disk: {0}")]
    Poisoned(String),
    /// Something that is not possible with streams in memory, or a name that is too long.
    #[error("{0}")]
    NotPossible(&'static str),
}

/// Why a message or a state was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such stream, message or state.
    #[error("not found")]
    NotFound,
    /// It is there, but what is on the disk is not what was written.
    #[error("damaged on the disk")]
    Damaged,
    /// The disk could not be read.
    #[error("failed to read the log")]
    Disk(#[source] io::Error),
}

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The disk failed now; nothing of this batch and nothing after it is acknowledged.
    #[error("failed to {step}")]
    Disk {
        /// What was being done.
        step: &'static str,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// The disk failed before.
    #[error("the store stopped after an error of the disk: {0}")]
    Poisoned(String),
    /// Even the reserve is used up.
    #[error("the disk and its reserve are full")]
    NoSpace,
}

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk failed.
    #[error("failed to {step}")]
    Disk {
        /// What was being done.
        step: String,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// Another process has the folder.
    #[error("another process uses this folder")]
    Locked,
    /// A later program wrote it.
    #[error("{file} has format version {version}, this program reads version 1")]
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
    },
    /// There are segments, but none that can be recognised: nothing is made anew over them.
    #[error("no segment in this folder can be recognised")]
    Unrecognised,
}
