//! The thread that reads the meters and keeps the journal.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tollway_accounts::MeterTotals;
use tollway_claims::PublicKey;
use tollway_proto::fleet;
use uuid::Uuid;

use super::clock::ControlClock;
use super::journal::{Journal, JournalError};
use super::ledger::Ledger;
use super::{CHECKPOINT_INTERVAL, JOURNAL_BYTES_KEEP, JOURNAL_ROW_BYTES, REPORT_ROWS_MAX, SYNC_INTERVAL};

/// Reads the totals of all accounts since boot; see `Broker::meters_visit`.
pub type ReadMeters = Box<dyn Fn(&mut dyn FnMut(PublicKey, MeterTotals)) + Send>;

/// Counts usage for as long as the node runs. It has a thread of its own, so
/// that neither a busy runtime nor a slow disk moves its checkpoints far.
#[derive(Debug)]
pub struct UsageMeter {
    shared: Arc<Shared>,
    stop: mpsc::Sender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// For `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageStatus {
    /// How long ago everything that was counted by then was in the journal.
    pub journal_lag: Duration,
    /// Rows that are kept, in memory and in the journal.
    pub rows: usize,
    /// Whether the control plane has stored everything.
    pub acknowledged: bool,
}

#[derive(Debug)]
struct Shared {
    ledger: Mutex<Ledger>,
    clock: Arc<ControlClock>,
    /// Rows went that the journal need not keep either.
    journal_outdated: AtomicBool,
    started: Instant,
    /// Milliseconds from `started` to the last checkpoint that was written.
    checkpoint_ms: AtomicU64,
}

impl UsageMeter {
    /// Loads what earlier boots left and begins to count for the boot `boot`.
    ///
    /// # Errors
    /// When the journal cannot be opened.
    pub fn start(
        journal: &Path,
        boot: Uuid,
        clock: Arc<ControlClock>,
        meters: ReadMeters,
    ) -> Result<Self, JournalError> {
        let (journal, past) = Journal::open(journal, boot)?;
        let shared = Arc::new(Shared {
            ledger: Mutex::new(Ledger::new(boot, past)),
            clock,
            journal_outdated: AtomicBool::new(false),
            started: Instant::now(),
            checkpoint_ms: AtomicU64::new(0),
        });
        let (stop, stopped) = mpsc::channel();
        let mut keeper = Keeper {
            shared: shared.clone(),
            meters,
            journal,
            syncer: Syncer::start(),
            unsynced_since: None,
            complained: None,
        };
        let thread = thread::Builder::new()
            .name("tollway-usage".into())
            .spawn(move || keeper.run(&stopped))
            .expect("the operating system has room for one thread more while the node starts");
        Ok(Self {
            shared,
            stop,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What to tell the control plane next, if there is something new and no
    /// report under way.
    pub fn poll_report(&self) -> Option<fleet::UsageReport> {
        self.shared.ledger.lock().poll_report(REPORT_ROWS_MAX)
    }

    /// Whether more waits to be told than the growth of a moment.
    pub fn has_backlog(&self) -> bool {
        self.shared.ledger.lock().has_backlog(REPORT_ROWS_MAX)
    }

    /// The control plane has stored the report with this sequence.
    pub fn handle_ack(&self, sequence: u64) {
        let now = self.shared.clock.now_unix();
        if self.shared.ledger.lock().handle_ack(sequence, now) {
            self.shared.journal_outdated.store(true, Ordering::Relaxed);
        }
    }

    /// The stream ended: what was under way has to be told again.
    pub fn handle_lost(&self) {
        self.shared.ledger.lock().handle_lost();
    }

    /// How the counting goes.
    pub fn status(&self) -> UsageStatus {
        let checkpoint = Duration::from_millis(self.shared.checkpoint_ms.load(Ordering::Relaxed));
        let ledger = self.shared.ledger.lock();
        UsageStatus {
            journal_lag: self.shared.started.elapsed().saturating_sub(checkpoint),
            rows: ledger.len(),
            acknowledged: ledger.is_acknowledged(),
        }
    }

    /// Reads the meters a last time and syncs the journal. Blocks while it does.
    pub fn finish(&self) {
        let Some(thread) = self.thread.lock().take() else {
            return;
        };
        // When nobody listens the thread is gone already, and joining tells why.
        let _ = self.stop.send(());
        if thread.join().is_err() {
            tracing::error!("the usage thread had failed before: the last checkpoint is missing");
        }
    }
}

/// What the thread owns.
struct Keeper {
    shared: Arc<Shared>,
    meters: ReadMeters,
    journal: Journal,
    syncer: Syncer,
    /// When the oldest of what is written and not yet synced was written.
    unsynced_since: Option<Instant>,
    /// When the last complaint was logged: a full disk fails ten times a second.
    complained: Option<Instant>,
}

impl Keeper {
    fn run(&mut self, stopped: &mpsc::Receiver<()>) {
        let mut next = Instant::now();
        loop {
            next += CHECKPOINT_INTERVAL;
            // After a pause (a slow disk, a suspended machine) there is nothing to catch up with.
            next = next.max(Instant::now());
            let wait = next.saturating_duration_since(Instant::now());
            match stopped.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => self.checkpoint(),
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.checkpoint();
        let synced = if self.journal.is_broken() {
            self.rewrite()
        } else {
            self.journal.sync()
        };
        self.note(synced);
    }

    fn checkpoint(&mut self) {
        let began = Instant::now();
        let now = self.shared.clock.now_unix();
        let mut changed = Vec::new();
        {
            let mut ledger = self.shared.ledger.lock();
            (self.meters)(&mut |account, totals| changed.extend(ledger.handle_sample(account, now, totals)));
        }
        if self.syncer.take_failure() {
            self.journal.set_broken();
        }
        let written = if self.journal.is_broken() || self.is_due_for_rewrite() {
            self.rewrite()
        } else if changed.is_empty() {
            Ok(())
        } else {
            self.unsynced_since.get_or_insert(began);
            self.journal.append(&changed)
        };
        if written.is_ok() {
            let at = u64::try_from(began.duration_since(self.shared.started).as_millis()).unwrap_or(u64::MAX);
            self.shared.checkpoint_ms.store(at, Ordering::Relaxed);
        }
        self.note(written);
        if self
            .unsynced_since
            .is_some_and(|since| since.elapsed() >= SYNC_INTERVAL)
        {
            let asked = self.journal.handle().map(|file| self.syncer.ask(file));
            if matches!(asked, Ok(true)) {
                self.unsynced_since = None;
            }
            self.note(asked.map(drop));
        }
    }

    fn is_due_for_rewrite(&self) -> bool {
        if self.shared.journal_outdated.swap(false, Ordering::Relaxed) {
            return true;
        }
        let length = self.journal.length();
        // Locked only when the file is long.
        length > JOURNAL_BYTES_KEEP && length > 4 * JOURNAL_ROW_BYTES * self.shared.ledger.lock().len() as u64
    }

    fn rewrite(&mut self) -> Result<(), JournalError> {
        let rows: Vec<_> = self.shared.ledger.lock().rows().collect();
        self.journal.rewrite(rows)?;
        self.unsynced_since = None;
        Ok(())
    }

    /// Usage that is not in the journal is still in memory, and is reported from there.
    fn note(&mut self, result: Result<(), JournalError>) {
        const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);
        match result {
            Ok(()) => {}
            Err(_)
                if self
                    .complained
                    .is_some_and(|at| at.elapsed() < COMPLAINT_INTERVAL) => {}
            Err(error) => {
                self.complained = Some(Instant::now());
                let error = crate::error_text::chain(&error);
                tracing::error!(
                    error,
                    "usage cannot be written to the disk: a crash now would lose it"
                );
            }
        }
    }
}

/// Syncs on a thread of its own: a disk that takes its time must not delay the next checkpoint.
struct Syncer {
    files: SyncSender<File>,
    failed: Arc<AtomicBool>,
}

impl Syncer {
    fn start() -> Self {
        let (files, asked) = mpsc::sync_channel::<File>(1);
        let failed = Arc::new(AtomicBool::new(false));
        let set_failed = failed.clone();
        thread::Builder::new()
            .name("tollway-sync".into())
            .spawn(move || {
                // Ends when the keeper does.
                for file in asked {
                    if let Err(error) = file.sync_data() {
                        tracing::error!(%error, "the usage journal could not be synced; writing it anew");
                        set_failed.store(true, Ordering::Relaxed);
                    }
                }
            })
            .expect("the operating system has room for one thread more while the node starts");
        Self { files, failed }
    }

    /// False when the last syncs have not ended yet; ask again later.
    fn ask(&self, file: File) -> bool {
        match self.files.try_send(file) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => false,
            Err(TrySendError::Disconnected(_)) => {
                self.failed.store(true, Ordering::Relaxed);
                false
            }
        }
    }

    fn take_failure(&self) -> bool {
        self.failed.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tollway_claims::KeyKind;

    use super::*;

    fn account() -> PublicKey {
        PublicKey::from_bytes(KeyKind::Account, [1; 32])
    }

    fn start(path: &Path, boot: u128, counter: &Arc<AtomicU64>) -> UsageMeter {
        let counter = counter.clone();
        let meters: ReadMeters = Box::new(move |visit| {
            let messages_in = counter.load(Ordering::Relaxed);
            visit(
                account(),
                MeterTotals {
                    messages_in,
                    ..MeterTotals::ZERO
                },
            );
        });
        UsageMeter::start(
            path,
            Uuid::from_u128(boot),
            Arc::new(ControlClock::local()),
            meters,
        )
        .unwrap()
    }

    fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "never happened: {what}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn last_checkpoint_of_a_clean_stop_is_told_by_the_next_boot_until_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage.log");
        let counter = Arc::new(AtomicU64::new(3));
        let first = start(&path, 1, &counter);
        counter.store(8, Ordering::Relaxed);
        first.finish();

        let second = start(&path, 2, &Arc::new(AtomicU64::new(0)));
        let report = second.poll_report().unwrap();
        let told: Vec<_> = report
            .rows
            .iter()
            .map(|row| (row.boot_id.as_str(), row.messages_in))
            .collect();
        let told_sum: u64 = told.iter().map(|(_, count)| count).sum();
        assert_eq!(told_sum, 8);
        assert_eq!(told[0].0, Uuid::from_u128(1).to_string());
        second.handle_ack(report.sequence);
        assert!(second.status().acknowledged);
        let length = || std::fs::metadata(&path).unwrap().len();
        eventually("the journal forgets them", || (length() == 16).then_some(()));
    }

    #[test]
    fn checkpoints_are_in_the_file_without_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage.log");
        let counter = Arc::new(AtomicU64::new(3));
        let _running = start(&path, 1, &counter);
        eventually("a checkpoint", || {
            // A copy, as a crash would leave it: opening the journal may change it.
            let copy = folder.path().join("copy.log");
            std::fs::copy(&path, &copy).unwrap();
            let (_, past) = Journal::open(&copy, Uuid::from_u128(2)).unwrap();
            (past.first()?.row.totals.messages_in == 3).then_some(())
        });
    }
}
