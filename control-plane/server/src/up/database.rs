//! The database: a private cluster of ours, or the one that was given.

use std::{fmt, time::Duration};

use rustix::process::Signal;
use tollway_datastore::{PRIVATE_CLUSTER_OWNER, private_cluster_prepare};
use tollway_postgres::{Cluster, Programs, ServerUser};

use super::{UpError, folder::UpFolder, supervised::Supervised};

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

impl fmt::Display for Database {
    /// Never the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("the database of DATABASE_URL"),
            Self::Private(own) => write!(f, "private, Postgres {}", own.cluster.major()),
        }
    }
}
