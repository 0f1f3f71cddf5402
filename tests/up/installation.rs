//! One `tollway up` in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tollway_tests::{built, eventually};

/// A data folder, and the commands that work on it. Whatever still runs in it is stopped when it is dropped.
pub(crate) struct Installation {
    outer: TempDir,
    database_url: Option<String>,
}

impl Installation {
    /// A folder in which nothing ran yet.
    pub(crate) fn new() -> Self {
        let outer = tempfile::tempdir().expect("a temporary folder");
        // Postgres runs as another user when we are root, and has to get in.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        fs::set_permissions(outer.path(), open).expect("our folder");
        Self {
            outer,
            database_url: None,
        }
    }

    /// The same with a database of its own.
    pub(crate) fn with_database(url: &str) -> Self {
        let mut installation = Self::new();
        installation.database_url = Some(url.to_owned());
        installation
    }

    /// From now on DATABASE_URL is this, or not set.
    pub(crate) fn use_database(&mut self, url: Option<&str>) {
        self.database_url = url.map(str::to_owned);
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.outer.path().join("data")
    }

    /// A folder beside the data, for the test's own things.
    pub(crate) fn beside(&self) -> &Path {
        self.outer.path()
    }

    /// `tollway up` on free ports, with further arguments.
    pub(crate) fn up_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("up");
        command.args([
            "--api-port=0",
            "--fleet-port=0",
            "--metrics-port=0",
            "--nats-ports=0,0",
        ]);
        command.args(arguments);
        command
    }

    /// A command on the data folder.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(built("tollway"));
        command
            .arg(name)
            .arg("--data-dir")
            .arg(self.folder())
            .env_remove("RUST_LOG")
            .env_remove("DATABASE_URL")
            .stdin(Stdio::null());
        if let Some(url) = &self.database_url {
            command.env("DATABASE_URL", url);
        }
        command
    }

    /// Starts it in the background, and gives what was printed.
    pub(crate) fn up(&self) -> String {
        let output = output(self.up_command(&["--detach"]));
        assert!(output.status.success(), "{}{}", text(&output.stdout), self.logs());
        text(&output.stdout)
    }

    /// Stops it.
    pub(crate) fn down(&self) {
        let output = output(self.command("down"));
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// What up.json says, once it is there.
    pub(crate) async fn facts(&self) -> Value {
        let path = self.folder().join("up.json");
        eventually("up.json is there", async || {
            serde_json::from_slice(&fs::read(&path).ok()?).ok()
        })
        .await
    }

    /// Calls the API with the token that was printed.
    pub(crate) async fn api(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let facts = self.facts().await;
        let token = fs::read_to_string(facts["api_token_file"].as_str().unwrap()).unwrap();
        let url = format!("{}{path}", facts["api_url"].as_str().unwrap());
        let mut request = reqwest::Client::new()
            .request(method, url)
            .bearer_auth(token.trim());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let answer = response.text().await.unwrap();
        assert!(status.is_success(), "{status}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Processes whose command line names the data folder.
    pub(crate) fn processes(&self) -> Vec<String> {
        let folder = self.folder().to_string_lossy().into_owned();
        fs::read_dir("/proc")
            .expect("a Linux system")
            .flatten()
            .filter_map(|entry| {
                let command_line = fs::read(entry.path().join("cmdline")).ok()?;
                let command_line = text(&command_line).replace('\0', " ");
                command_line.contains(&folder).then_some(command_line)
            })
            .collect()
    }

    fn logs(&self) -> String {
        fs::read_dir(self.folder().join("logs"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| fs::read_to_string(entry.path()).unwrap_or_default())
            .collect()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if self.folder().join("up.lock").exists() {
            let _ = output(self.command("down"));
        }
    }
}

/// Runs a command to its end.
pub(crate) fn output(mut command: Command) -> Output {
    command.output().expect("the program can be run")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
