//! How `tollway up` was called.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use rustix::process::geteuid;

use super::UpError;

const NODE_PROGRAM: &str = "tollway-node";

/// How to start everything.
#[derive(Debug, Clone)]
pub struct UpSettings {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// A database to use instead of a private one.
    pub database_url: Option<String>,
    /// REST, gRPC and console. Port 0 is any free one, here and below.
    pub api_port: u16,
    /// Nodes.
    pub fleet_port: u16,
    /// Metrics and health.
    pub metrics_port: u16,
    /// NATS clients, of the first and the second cell.
    pub nats_ports: [u16; 2],
    /// The program of the nodes; looked for when absent.
    pub node_program: Option<PathBuf>,
    /// We are the one in the background.
    pub detached: bool,
}

impl UpSettings {
    /// Everything listens on loopback: what is reachable from outside is for production to decide.
    pub(super) fn address(&self, port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    /// The node's program: as told, beside this one, or from PATH.
    pub(super) fn node_program(&self) -> Result<PathBuf, UpError> {
        if let Some(program) = &self.node_program {
            // The node is started from another folder.
            return std::path::absolute(program)
                .ok()
                .filter(|program| program.is_file())
                .ok_or_else(|| UpError::NodeProgramMissing(program.clone()));
        }
        let beside = env::current_exe()
            .ok()
            .and_then(|own| Some(own.parent()?.join(NODE_PROGRAM)));
        let on_path = env::var_os("PATH")
            .map(|path| {
                env::split_paths(&path)
                    .map(|folder| folder.join(NODE_PROGRAM))
                    .collect::<Vec<_>>()
            })
            .unwrap_or_default();
        beside
            .into_iter()
            .chain(on_path)
            .find(|program| program.is_file())
            .ok_or(UpError::NoNodeProgram)
    }
}

/// `/var/lib/tollway` for root, and a folder of the user's own for everybody else.
///
/// Root's own home would not do: Postgres runs as another user, who cannot enter it.
pub fn default_data_dir() -> Option<PathBuf> {
    if geteuid().is_root() {
        return Some("/var/lib/tollway".into());
    }
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(base.join("tollway"))
}
