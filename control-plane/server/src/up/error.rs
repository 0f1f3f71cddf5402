//! Why `tollway up` did not start, or did not stop cleanly.

use std::{io, path::PathBuf};

use tollway_datastore::PrivateClusterError;
use tollway_postgres::{ClusterError, ProgramsError, ServerUserError};

use crate::{
    app::AppError, data_folder::DataFolderError, listen::ListenError, serve::StartError,
    sign_in_link::SignInLinkError,
};

/// Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The operating system does not let us wait for signals.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// A file or folder.
    #[error("cannot {step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The folder of the control plane.
    #[error(transparent)]
    Folder(#[from] DataFolderError),
    /// Another one has the data folder.
    #[error(
        "Tollway runs already with the data folder {} (process {process}): stop it with `{stop}`, or choose \
         another folder with --data-dir, and other ports",
        folder.display()
    )]
    RunsAlready {
        /// The folder.
        folder: PathBuf,
        /// Who has it.
        process: String,
        /// What stops it.
        stop: String,
    },
    /// No place to write.
    #[error(
        "only {free_mib} MiB are free in {}, and Tollway needs {needed_mib} MiB to start: free some space, or choose \
         another folder with --data-dir",
        folder.display()
    )]
    DiskFull {
        /// Where.
        folder: PathBuf,
        /// What there is.
        free_mib: u64,
        /// What there should be.
        needed_mib: u64,
    },
    /// A port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The folder was used with a database elsewhere.
    #[error(
        "the data folder {} was used with a database that DATABASE_URL named, and now it is not set: set it to the \
         same one, or choose another folder with --data-dir",
        .0.display()
    )]
    DatabaseElsewhere(PathBuf),
    /// The folder has a database of its own.
    #[error(
        "the data folder {} has a database of its own, and DATABASE_URL names another: unset it, or choose another \
         folder with --data-dir",
        .0.display()
    )]
    DatabaseHere(PathBuf),
    /// No Postgres.
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    /// Nobody to run it.
    #[error(transparent)]
    ServerUser(#[from] ServerUserError),
    /// Its folder.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Its first statements.
    #[error(transparent)]
    PrivateCluster(#[from] PrivateClusterError),
    /// A child cannot be started.
    #[error("cannot start {what} ({})", program.display())]
    Spawn {
        /// What it is.
        what: String,
        /// Its program.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A child ended before it was ready.
    #[error("{what} ended at its start: {last_words} (its log is {})", log.display())]
    EndedEarly {
        /// What it is.
        what: String,
        /// The last line of its log.
        last_words: String,
        /// All of it.
        log: PathBuf,
    },
    /// A child runs and does not become ready.
    #[error("{what} does not become ready; its log says why: {}", log.display())]
    NotReady {
        /// What it is.
        what: String,
        /// Where to look.
        log: PathBuf,
    },
    /// The control plane.
    #[error(transparent)]
    ControlPlane(StartError),
    /// `--node-binary` names nothing.
    #[error("{} is no file: name the program tollway-node with --node-binary", .0.display())]
    NodeProgramMissing(PathBuf),
    /// The node's program is not where we look.
    #[error(
        "the program tollway-node is neither beside tollway nor on PATH: build it (cargo build -p tollway-node), or \
         name it with --node-binary"
    )]
    NoNodeProgram,
    /// Making the demo.
    #[error("failed to {step}")]
    Demo {
        /// What was being done.
        step: &'static str,
        /// What the application layer said.
        #[source]
        source: AppError,
    },
    /// The first link.
    #[error(transparent)]
    SignInLink(#[from] SignInLinkError),
    /// The one in the background could not be started.
    #[error("cannot start in the background")]
    Detach(#[source] io::Error),
}

/// What the options of `serve` are called here.
const OWN_FLAGS: [(&str, &str); 3] = [
    ("--listen", "--api-port"),
    ("--fleet-listen", "--fleet-port"),
    ("--metrics-listen", "--metrics-port"),
];

impl UpError {
    /// For `map_err`: the control plane did not start.
    pub(super) fn control_plane(error: StartError) -> Self {
        match error {
            // Somebody took the port after we had looked.
            StartError::Listen(error) => Self::Listen(error.with_flags(&OWN_FLAGS)),
            error => Self::ControlPlane(error),
        }
    }

    /// For `map_err`: an error of the operating system with its step and path.
    pub(super) fn file(step: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { step, path, source }
    }

    /// For `map_err`: an error of the application layer with its step.
    pub(super) fn demo(step: &'static str) -> impl Fn(AppError) -> Self {
        move |source| Self::Demo { step, source }
    }
}
