//! What is logged, and where.

use crate::field::Field;
use crate::located::Located;
use crate::report::Report;

/// The keys about logs. Nothing where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logging {
    /// More than usual.
    pub debug: Option<bool>,
    /// Every operation of the protocol.
    pub trace: Option<bool>,
    /// Also those of the system account.
    pub trace_verbose: Option<bool>,
    /// Only the headers of messages that are traced.
    pub trace_headers: Option<bool>,
    /// How much of a message a trace shows.
    pub max_traced_msg_len: Option<u64>,
    /// Lines begin with the time.
    pub time: Option<bool>,
    /// The time is that of UTC.
    pub time_utc: Option<bool>,
    /// The file; the error output when there is none.
    pub file: Option<Located<String>>,
    /// Bytes after which a new file is begun; never when 0.
    pub file_size_limit: Option<u64>,
    /// How many files are kept; all when 0.
    pub files_max: Option<u64>,
}

impl Logging {
    /// Takes a field that it knows.
    pub(crate) fn take(&mut self, report: &mut Report, field: &Field<'_>) -> bool {
        let truth = |report: &mut Report, slot: &mut Option<bool>| {
            let value = field.boolean(report);
            report.set(slot, value, field);
        };
        match field.key.as_str() {
            "debug" => truth(report, &mut self.debug),
            "trace" => truth(report, &mut self.trace),
            "trace_verbose" => truth(report, &mut self.trace_verbose),
            "trace_headers" => truth(report, &mut self.trace_headers),
            "logtime" => truth(report, &mut self.time),
            "logtime_utc" => truth(report, &mut self.time_utc),
            "max_traced_msg_len" => {
                let length = field.count(report, i64::from(i32::MAX));
                report.set(&mut self.max_traced_msg_len, length, field);
            }
            "logfile" | "log_file" => {
                let path = field.text(report).filter(|path| !path.value.is_empty());
                report.set(&mut self.file, path, field);
            }
            "logfile_size_limit" | "log_size_limit" => {
                let size = field.count(report, i64::MAX);
                report.set(&mut self.file_size_limit, size, field);
            }
            "logfile_max_num" | "log_max_num" => {
                let files = field.count(report, i64::MAX);
                report.set(&mut self.files_max, files, field);
            }
            "syslog" => {
                if field.boolean(report) == Some(true) {
                    report.not_offered(field, "syslog", "logs go to the error output or a file");
                }
            }
            "remote_syslog" => {
                if field
                    .text(report)
                    .is_some_and(|address| !address.value.is_empty())
                {
                    report.not_offered(field, "remote_syslog", "logs go to the error output or a file");
                }
            }
            _ => return false,
        }
        true
    }
}
