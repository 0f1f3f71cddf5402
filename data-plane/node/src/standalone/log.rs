//! Lines as tools that watch nats-server read them: `[pid] date time [INF] text`.

use std::fs::{File, OpenOptions};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use time::OffsetDateTime;
use time::macros::format_description;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::configuration::LogSettings;

/// The log of this process, to be changed while it is written.
pub(super) struct Log {
    output: Output,
    without_time: Arc<AtomicBool>,
    filter: reload::Handle<EnvFilter, Registry>,
}

/// A log that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("open the log {path}")]
pub struct LogError {
    path: String,
    #[source]
    source: io::Error,
}

impl Log {
    /// Begins to log.
    pub(super) fn start(settings: &LogSettings) -> Result<Self, LogError> {
        let output = Output::default();
        output.open(settings)?;
        let without_time = Arc::new(AtomicBool::new(settings.without_time));
        let (filter, handle) = reload::Layer::new(filter(settings));
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(Lines {
                pid: std::process::id(),
                without_time: without_time.clone(),
            })
            .with_writer(output.clone());
        Registry::default().with(filter).with(lines).init();
        Ok(Self {
            output,
            without_time,
            filter: handle,
        })
    }

    /// Goes on as another configuration says. A file that cannot be opened leaves everything as it was.
    pub(super) fn change(&self, settings: &LogSettings) -> Result<(), LogError> {
        self.output.open(settings)?;
        self.without_time.store(settings.without_time, Ordering::Relaxed);
        // It fails only when the subscriber is gone, and that lives as long as the process.
        let _ = self.filter.reload(filter(settings));
        Ok(())
    }

    /// The file was moved away: another one takes its place.
    pub(super) fn reopen(&self, settings: &LogSettings) -> Result<(), LogError> {
        self.output.open(settings)
    }
}

/// What is logged. RUST_LOG wins: it is for whoever looks for something particular.
fn filter(settings: &LogSettings) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(match (settings.trace, settings.debug) {
            (true, _) => "info,tollway_node=trace",
            (false, true) => "info,tollway_node=debug",
            (false, false) => "info",
        })
    })
}

/// Stderr, or a file.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Option<File>>>);

impl Output {
    fn open(&self, settings: &LogSettings) -> Result<(), LogError> {
        let file = match &settings.file {
            None => None,
            Some(path) => {
                let opened = OpenOptions::new().append(true).create(true).open(path);
                Some(opened.map_err(|source| LogError {
                    path: path.clone(),
                    source,
                })?)
            }
        };
        *self.0.lock() = file;
        Ok(())
    }
}

impl io::Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *self.0.lock() {
            Some(file) => file.write_all(line)?,
            None => io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// One line for each event.
struct Lines {
    pid: u32,
    without_time: Arc<AtomicBool>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        write!(writer, "[{}] ", self.pid)?;
        if !self.without_time.load(Ordering::Relaxed) {
            let format =
                format_description!("[year]/[month]/[day] [hour]:[minute]:[second].[subsecond digits:6] ");
            let now = OffsetDateTime::now_utc();
            write!(writer, "{}", now.format(&format).map_err(|_| std::fmt::Error)?)?;
        }
        let level = match *event.metadata().level() {
            Level::ERROR => "[ERR] ",
            Level::WARN => "[WRN] ",
            Level::INFO => "[INF] ",
            Level::DEBUG => "[DBG] ",
            Level::TRACE => "[TRC] ",
        };
        writer.write_str(level)?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
