//! Where something listens: `host`, `port`, or both as `listen`.

use crate::field::Field;
use crate::located::Located;
use crate::report::Report;

/// The port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// -1: whichever is free.
    AnyFree,
    /// 0: the usual one for clients; for anything else, not to listen.
    Unset,
    /// This one.
    Number(u16),
}

/// An address as far as the configuration gives it. The two parts may stand in different places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listen {
    /// A name or an address; a node takes all addresses when there is none.
    pub host: Option<Located<String>>,
    /// The port.
    pub port: Option<Located<Port>>,
}

impl Listen {
    /// `host` and `net`.
    pub(crate) fn set_host(&mut self, report: &mut Report, field: &Field<'_>) {
        let host = field.text(report);
        report.set(&mut self.host, host, field);
    }

    /// `port`.
    pub(crate) fn set_port(&mut self, report: &mut Report, field: &Field<'_>) {
        let port = field.within(report, -1, i64::from(u16::MAX)).map(port);
        let port = port.map(|port| Located::new(port, &field.node.at));
        report.set(&mut self.port, port, field);
    }

    /// `listen`, which may be a port alone.
    pub(crate) fn set(&mut self, report: &mut Report, field: &Field<'_>) {
        if matches!(field.node.value, crate::value::Value::Integer(_)) {
            return self.set_port(report, field);
        }
        let Some(text) = field.text(report) else { return };
        let Some((host, number)) = split(&text.value) else {
            return report.reject(field, ADDRESS);
        };
        if !host.is_empty() {
            let host = Located::new(host.to_owned(), &text.at);
            report.set(&mut self.host, Some(host), field);
        }
        report.set(&mut self.port, Some(Located::new(number, &text.at)), field);
    }
}

const ADDRESS: &str =
    "has to be a port, or host:port with an IPv6 address in square brackets and all of it in quotes";

fn port(number: i64) -> Port {
    match u16::try_from(number) {
        Ok(0) => Port::Unset,
        Ok(number) => Port::Number(number),
        Err(_) => Port::AnyFree,
    }
}

/// `host:port`, `[v6]:port`, `:port`. A host with colons in it needs its brackets.
fn split(text: &str) -> Option<(&str, Port)> {
    let (host, number) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains([':', '[', ']']) => return None,
        None => host,
    };
    let number: i64 = number.parse().ok()?;
    (-1..=i64::from(u16::MAX))
        .contains(&number)
        .then(|| (host, port(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, read) in [
            ("localhost:4222", Some(("localhost", Port::Number(4222)))),
            (":4222", Some(("", Port::Number(4222)))),
            ("[::1]:4222", Some(("::1", Port::Number(4222)))),
            ("0.0.0.0:-1", Some(("0.0.0.0", Port::AnyFree))),
            ("a:0", Some(("a", Port::Unset))),
            ("::1:4222", None),
            ("[::1:4222", None),
            ("::1]:4222", None),
            ("localhost", None),
            ("a:b", None),
            ("a:65536", None),
            ("a:-2", None),
            ("", None),
        ] {
            assert_eq!(split(text), read, "{text}");
        }
    }
}
