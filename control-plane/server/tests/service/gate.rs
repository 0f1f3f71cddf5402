//! A way to Postgres that a test can shut.

use std::{path::PathBuf, sync::Arc};

use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    sync::watch,
};

/// Passes connections on while it is open. Shutting it breaks those that are there, as a database that
/// died does, and refuses new ones.
pub(crate) struct Gate {
    open: Arc<watch::Sender<bool>>,
    folder: TempDir,
    behind: String,
}

impl Gate {
    /// A gate in front of the database with this URL, open.
    pub(crate) fn before(url: &str) -> Self {
        let behind = url.to_owned();
        let host = parameter(url, "host");
        let folder = tempfile::Builder::new().prefix("gate").tempdir().unwrap();
        let socket = PathBuf::from(host).join(".s.PGSQL.5432");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let open = Arc::new(watch::Sender::new(true));
        let gate = Arc::clone(&open);
        tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                let mut open = gate.subscribe();
                let socket = socket.clone();
                tokio::spawn(async move {
                    if !*open.borrow_and_update() {
                        return;
                    }
                    let Ok(mut outside) = UnixStream::connect(socket).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut inside, &mut outside) => {}
                        _ = open.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { open, folder, behind }
    }

    /// The URL through the gate.
    pub(crate) fn url(&self) -> String {
        let host = parameter(&self.behind, "host");
        self.behind
            .replace(host, &self.folder.path().display().to_string())
    }

    pub(crate) fn shut(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

fn parameter<'u>(url: &'u str, name: &str) -> &'u str {
    let (_, query) = url.split_once('?').unwrap();
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        .unwrap()
}
