//! A child process that should run as long as we do.

use std::{
    convert::Infallible,
    fs, io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

use super::{
    UpError,
    folder::{append_log, fresh_log},
};

const RESTART_PAUSE_FIRST: Duration = Duration::from_millis(250);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);
/// A child that ran so long had started well: the next pause is short again.
const RAN_WELL: Duration = Duration::from_secs(60);

/// What to run, and how to end it.
pub(super) struct Supervised {
    what: String,
    log: PathBuf,
    /// Asks it to end in order.
    stop_signal: Signal,
    /// How long that may take.
    stop_wait: Duration,
    child: Option<Child>,
}

impl Supervised {
    pub(super) fn new(what: String, log: PathBuf, stop_signal: Signal, stop_wait: Duration) -> Self {
        Self {
            what,
            log,
            stop_signal,
            stop_wait,
            child: None,
        }
    }

    /// Starts it for the first time, with a log of its own.
    pub(super) fn start(&mut self, command: Command) -> Result<(), UpError> {
        let log = fresh_log(&self.log)?;
        self.spawn(command, log)
    }

    fn spawn(&mut self, mut command: Command, log: fs::File) -> Result<(), UpError> {
        let program = PathBuf::from(command.get_program());
        let failed = |source| UpError::Spawn {
            what: self.what.clone(),
            program: program.clone(),
            source,
        };
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log);
        let child = tokio::process::Command::from(command).spawn().map_err(failed)?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits for `ready`, or for the child's end, which is then the error.
    pub(super) async fn ready<T, E>(
        &mut self,
        ready: impl Future<Output = Result<T, E>>,
    ) -> Result<T, UpError>
    where
        UpError: From<E>,
    {
        let (what, log) = (self.what.clone(), self.log.clone());
        tokio::select! {
            ready = ready => Ok(ready?),
            _ = self.exited() => Err(UpError::EndedEarly { what, last_words: last_words(&log), log }),
        }
    }

    /// What to say when it runs and does not become ready.
    pub(super) fn not_ready(&self) -> UpError {
        UpError::NotReady {
            what: self.what.clone(),
            log: self.log.clone(),
        }
    }

    async fn exited(&mut self) -> io::Result<ExitStatus> {
        match &mut self.child {
            Some(child) => child.wait().await,
            None => std::future::pending().await,
        }
    }

    /// Starts it again whenever it ends, with growing pauses.
    pub(super) async fn keep_running(&mut self, command: impl Fn() -> Command) -> Infallible {
        let mut pause = RESTART_PAUSE_FIRST;
        loop {
            let began = Instant::now();
            let status = self.exited().await;
            let how = status.map_or_else(|error| error.to_string(), describe);
            if began.elapsed() > RAN_WELL {
                pause = RESTART_PAUSE_FIRST;
            }
            tracing::error!(
                what = self.what,
                how,
                log = %self.log.display(),
                pause_ms = pause.as_millis(),
                "a child process ended and is started again"
            );
            loop {
                sleep(pause).await;
                pause = (pause * 2).min(RESTART_PAUSE_MAX);
                match append_log(&self.log).and_then(|log| self.spawn(command(), log)) {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::error!(
                            error = crate::app::chain(&error),
                            "a child process cannot be started"
                        );
                    }
                }
            }
        }
    }

    /// Asks it to end, and ends it when it takes too long.
    pub(super) async fn stop(&mut self) {
        self.signal(self.stop_signal);
        if timeout(self.stop_wait, self.exited_if_running()).await.is_err() {
            tracing::warn!(
                what = self.what,
                "a child process did not stop in time and is killed"
            );
            self.kill().await;
        }
    }

    /// Ends it now.
    pub(super) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.exited_if_running().await;
    }

    async fn exited_if_running(&mut self) {
        if self.child.is_some() {
            // An error means that it is not our child any more: there is nothing to wait for.
            let _ = self.exited().await;
        }
        self.child = None;
    }

    fn signal(&self, signal: Signal) {
        // Without an id it has ended and been waited for: the number may be somebody else's by now.
        let id = self.child.as_ref().and_then(Child::id);
        let pid = id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may end at this very moment, which is what we want.
            let _ = kill_process(pid, signal);
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}

/// The last line of a log, which is the reason when a process ended at its start.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or("it did not say why")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn supervised(log: PathBuf) -> Supervised {
        Supervised::new("the child".to_owned(), log, Signal::TERM, Duration::from_secs(30))
    }

    #[tokio::test]
    async fn child_that_ends_at_its_start_is_an_error_with_its_last_words() {
        let outer = tempfile::tempdir().unwrap();
        let mut child = supervised(outer.path().join("child.log"));
        child
            .start(shell("echo starting; echo 'no luck' >&2; exit 3"))
            .unwrap();
        let never = std::future::pending::<Result<(), UpError>>();
        let told = child.ready(never).await.unwrap_err().to_string();
        assert!(told.contains("the child") && told.contains("no luck"), "{told}");
    }

    #[tokio::test]
    async fn child_that_ends_is_started_again_and_logs_into_the_same_file() {
        let outer = tempfile::tempdir().unwrap();
        let log = outer.path().join("child.log");
        let mut child = supervised(log.clone());
        child.start(shell("echo run")).unwrap();
        let runs = async {
            while fs::read_to_string(&log).unwrap().lines().count() < 3 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = child.keep_running(|| shell("echo run")) => {}
            () = runs => {}
        }
        child.stop().await;
    }

    #[tokio::test]
    async fn child_is_asked_to_stop_and_a_deaf_one_is_killed() {
        let outer = tempfile::tempdir().unwrap();
        let log = outer.path().join("child.log");
        let mut polite = supervised(log.clone());
        polite
            .start(shell(
                "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.01; done",
            ))
            .unwrap();
        let ready = |log: PathBuf| async move {
            while !fs::read_to_string(&log).unwrap().contains("ready") {
                sleep(Duration::from_millis(5)).await;
            }
        };
        ready(log.clone()).await;
        polite.stop().await;
        assert!(fs::read_to_string(&log).unwrap().contains("bye"));

        let mut deaf = supervised(log.clone());
        deaf.stop_wait = Duration::from_millis(50);
        deaf.start(shell("trap '' TERM; echo ready; while :; do sleep 0.01; done"))
            .unwrap();
        ready(log).await;
        deaf.stop().await;
        assert!(deaf.child.is_none());
    }
}
