//! The files that tell others where a node of its own is: the number of its process, and its ports.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::Serialize;

/// Where a node listens, for programs that started it with any free port.
#[derive(Debug, Serialize)]
struct Ports {
    nats: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    monitoring: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    websocket: Vec<String>,
}

/// A file that goes when the node does.
#[derive(Debug)]
pub(super) struct PortsFile(PathBuf);

/// Writes the number of the process, digits and nothing else.
pub(super) fn write_pid(path: &str) -> io::Result<()> {
    fs::write(path, std::process::id().to_string())
}

impl PortsFile {
    /// Writes `NAME_PID.ports` into a folder, NAME being what the program was started as.
    pub(super) fn write(
        folder: &str,
        clients: SocketAddr,
        monitoring: Option<SocketAddr>,
        websocket: Option<(&str, SocketAddr)>,
    ) -> io::Result<Self> {
        let program = env::args_os().next().unwrap_or_default();
        let program = Path::new(&program)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let path = Path::new(folder).join(format!("{program}_{}.ports", std::process::id()));
        let ports = Ports {
            nats: urls("nats", clients),
            monitoring: monitoring
                .map(|address| urls("http", address))
                .unwrap_or_default(),
            websocket: websocket
                .map(|(scheme, address)| urls(scheme, address))
                .unwrap_or_default(),
        };
        // Whoever waits for the file reads it at once: it must never be there in part.
        let unfinished = path.with_extension("ports.new");
        fs::write(&unfinished, serde_json::to_vec(&ports).expect("texts are JSON"))?;
        fs::rename(&unfinished, &path)?;
        Ok(Self(path))
    }
}

impl Drop for PortsFile {
    fn drop(&mut self) {
        // It misleads whoever reads it, and nothing more can be done.
        let _ = fs::remove_file(&self.0);
    }
}

/// Who listens on all addresses is reached on those of the machine itself.
fn urls(scheme: &str, address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let ip = address.ip();
    match (ip.is_unspecified(), ip.is_ipv6()) {
        (false, _) => vec![format!("{scheme}://{address}")],
        (true, false) => vec![format!("{scheme}://127.0.0.1:{port}")],
        (true, true) => vec![
            format!("{scheme}://127.0.0.1:{port}"),
            format!("{scheme}://[::1]:{port}"),
        ],
    }
}
