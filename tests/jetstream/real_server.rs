//! The real server with JetStream, for one test.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tollway_tests::PATIENCE;

pub(crate) struct RealServer {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl RealServer {
    pub(crate) fn start(program: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(&program)
            .args([
                "-js",
                "-sd",
                "store",
                "-a",
                "127.0.0.1",
                "-p",
                "-1",
                "--ports_file_dir",
                ".",
            ])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        let name = program.file_name().expect("a program").display();
        let ports = folder.path().join(format!("{name}_{}.ports", child.id()));
        let start = Instant::now();
        let url = loop {
            let ports: Option<Value> = fs::read(&ports)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok());
            if let Some(url) = ports.as_ref().and_then(|ports| ports["nats"][0].as_str()) {
                break url.to_owned();
            }
            let ended = child.try_wait().expect("a child");
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "the real server does not start"
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        Self {
            child,
            url,
            _folder: folder,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        // Over already, when it failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
