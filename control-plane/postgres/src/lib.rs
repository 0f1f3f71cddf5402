//! A private Postgres cluster made of the programs that the system has.
//!
//! ```text
//!  FOLDER/data/      of the user that the server runs as: what initdb made; complete, or not there
//!  FOLDER-socket/    of the same user: the only way in, since no port is opened
//!  FOLDER-access/    ours: who may come in
//! ```
//!
//! The cluster is durable (fsync stays on), is reached over a unix socket by the user who started it
//! without a password (`peer` authentication with a user map), and never disturbs a cluster that the
//! machine already has. Postgres does not run as root, so for root another user owns the folder: see
//! [`ServerUser`].
//!
//! This crate finds programs, makes the folder and says how to start the server; it speaks no SQL.
//!
//! ```no_run
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tollway_postgres::{Cluster, Programs, ServerUser};
//!
//! let folder = std::path::Path::new("/var/lib/example/postgres");
//! let programs = Programs::find(Cluster::version_of(folder)?)?;
//! let cluster = Cluster::open(folder, programs, ServerUser::find()?)?;
//! let server = cluster.server_command().spawn()?;
//! let url = cluster.url("postgres", "postgres");
//! # Ok(())
//! # }
//! ```

mod cluster;
mod programs;
mod server_user;

pub use cluster::{Cluster, ClusterError};
pub use programs::{Programs, ProgramsError};
pub use server_user::{ServerUser, ServerUserError};
