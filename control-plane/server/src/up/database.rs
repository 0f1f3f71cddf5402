//! The database: a private cluster of ours, or the one that was given.

use std::{fmt, time::Duration};

use rustix::process::Signal;
use tollway_datastore::{PRIVATE_CLUSTER_OWNER, private_cluster_prepare};
use tollway_postgres::{Cluster, Programs, ServerUser};

use super::{UpError, folder::UpFolder, supervised::Supervised};
use crate::data_folder::DataFolder;

/// Longest wait for Postgres to write out what it holds; what it had to leave is in its log for recovery.
const STOP_WAIT: Duration = Duration::from_secs(60);

/// See the module.
pub(super) enum Database {
    /// By URL; it is not ours to start or stop.
    Given(String),
    /// Ours.
    Private(Box<PrivateDatabase>),
}

pub(super) struct PrivateDatabase {
    cluster: Cluster,
    server: Supervised,
}

impl Database {
    /// The one that was given, or ours; always the same for a folder, whose keys and credentials belong to it.
    pub(super) fn choose(given: Option<String>, folder: &UpFolder) -> Result<Self, UpError> {
        let has_own = folder.postgres().exists();
        match given {
            Some(_) if has_own => Err(UpError::DatabaseHere(folder.path().to_owned())),
            Some(url) => Ok(Self::Given(url)),
            None if !has_own
                && DataFolder::existing(&folder.control_plane())
                    .read_installation()?
                    .is_some() =>
            {
                Err(UpError::DatabaseElsewhere(folder.path().to_owned()))
            }
            None => Self::private(folder),
        }
    }

    /// Our cluster, made when it is not there. It does not run yet.
    fn private(folder: &UpFolder) -> Result<Self, UpError> {
        let path = folder.postgres();
        let programs = Programs::find(Cluster::version_of(&path)?)?;
        let cluster = Cluster::open(&path, programs, ServerUser::find()?)?;
        // SIGINT is "fast shutdown": open transactions are rolled back, everything else is kept.
        let log = folder.log_path("postgres");
        let server = Supervised::new("Postgres".to_owned(), log, Signal::INT, STOP_WAIT);
        Ok(Self::Private(Box::new(PrivateDatabase { cluster, server })))
    }

    /// Starts it, waits until it takes connections, and makes our database in it.
    pub(super) async fn start(&mut self) -> Result<(), UpError> {
        match self {
            Self::Given(_) => Ok(()),
            Self::Private(own) => {
                own.server.start(own.cluster.server_command())?;
                let superuser = own.cluster.url("postgres", "postgres");
                own.server.ready(private_cluster_prepare(&superuser)).await
            }
        }
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Given(url) => url.clone(),
            Self::Private(own) => own.cluster.url(PRIVATE_CLUSTER_OWNER, PRIVATE_CLUSTER_OWNER),
        }
    }

    pub(super) async fn keep_running(&mut self) {
        match self {
            Self::Given(_) => std::future::pending().await,
            Self::Private(own) => {
                let PrivateDatabase { cluster, server } = own.as_mut();
                server.keep_running(|| cluster.server_command()).await;
            }
        }
    }

    pub(super) async fn stop(&mut self) {
        if let Self::Private(own) = self {
            own.server.stop().await;
        }
    }

    pub(super) async fn kill(&mut self) {
        if let Self::Private(own) = self {
            own.server.kill().await;
        }
    }
}

impl fmt::Display for Database {
    /// Never the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("the database of DATABASE_URL"),
            Self::Private(own) => write!(f, "private, Postgres {}", own.cluster.major()),
        }
    }
}
