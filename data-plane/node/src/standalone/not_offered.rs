//! What people may ask of a node and do not get.
//!
//! Refused is what somebody would rely on without noticing that it is not there, above all about who
//! may log in. Passed over, with a line in the log, is what is missed at once or by nobody.

use tollway_conf::{Located, Position, ServerConfig, WriteTimeout};

use super::flags::Flags;
use crate::broker::bounds::CONTROL_LINE_CEILING;

/// Sentences about what makes a configuration impossible here.
pub(super) fn refused(flags: &Flags, file: &ServerConfig) -> Vec<String> {
    let mut refused = Refused::default();
    if flags.https_port.is_some() {
        refused.flag("ms", "monitoring with TLS is not built yet");
    }
    if let Some(port) = &file.https.port {
        refused.at(&port.at, "https: monitoring with TLS is not built yet");
    }
    if file.proxy_protocol == Some(true) {
        refused.say("proxy_protocol: it is not built yet");
    }
    if file.no_header_support == Some(true) {
        refused.say("no_header_support: headers of messages are always there");
    }
    if let Some(sentinel) = &file.default_sentinel {
        refused.at(
            &sentinel.at,
            "default_sentinel: clients without a JWT are refused",
        );
    }
    if let Some(block) = &file.authorization
        && block.auth_callout.is_some()
    {
        refused.at(&block.at, "auth_callout: it is not built yet");
    }
    if let Some(key) = file.trusted_keys.first() {
        refused.say(&format!(
            "trusted_keys: name the JWT of the operator {key} instead (operator)"
        ));
    }
    if let Some(another) = file.operators.get(1) {
        refused.option(another, "operator: a node has one operator");
    }
    refused.0
}

/// Sentences about what is read and does nothing.
pub(super) fn passed_over(flags: &Flags, file: &ServerConfig) -> Vec<String> {
    let mut told = Vec::new();
    for flag in &flags.clustering {
        told.push(format!(
            "--{flag}: clustering is not offered; this node serves alone (the control plane runs many as cells)"
        ));
    }
    for flag in &flags.passed_over {
        told.push(format!("--{flag} is passed over: see --help"));
    }
    let in_file = file.jetstream.as_ref().is_some_and(|stream| stream.enabled);
    if flags.jetstream == Some(true) || in_file {
        told.push(
            "JetStream is not built yet: requests to it are answered as by a server without it".to_owned(),
        );
    }
    let limits = &file.limits;
    if limits
        .max_control_line
        .is_some_and(|bytes| bytes as usize > CONTROL_LINE_CEILING)
    {
        told.push(format!(
            "max_control_line: at most {CONTROL_LINE_CEILING} are taken"
        ));
    }
    let mut unused = |said: bool, option: &str| {
        if said {
            told.push(format!("{option} is passed over: it cannot be set yet"));
        }
    };
    unused(
        limits.write_timeout == Some(WriteTimeout::Retry),
        "write_timeout: retry",
    );
    unused(
        limits.no_fast_producer_stall == Some(true),
        "no_fast_producer_stall",
    );
    unused(
        file.logging.file_size_limit.is_some_and(|bytes| bytes > 0),
        "logfile_size_limit",
    );
    for account in &file.accounts {
        unused(account.message_trace.is_some(), "msg_trace of an account");
    }
    told
}

#[derive(Default)]
struct Refused(Vec<String>);

impl Refused {
    fn say(&mut self, sentence: &str) {
        self.0.push(sentence.to_owned());
    }

    fn flag(&mut self, flag: &str, why: &str) {
        self.0.push(format!("--{flag}: {why}"));
    }

    fn at(&mut self, at: &Position, why: &str) {
        self.0.push(format!("{at}: {why}"));
    }

    fn option<T>(&mut self, option: &Located<T>, why: &str) {
        self.at(&option.at, why);
    }
}
