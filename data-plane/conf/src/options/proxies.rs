//! `proxies`: who may vouch for a client.

use crate::field::Field;
use crate::problem::Reason;
use crate::report::Report;

/// The block `proxies`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Public keys of proxies that are believed.
    pub trusted: Vec<String>,
}

/// Reads the block.
pub(crate) fn read(report: &mut Report, block: &Field<'_>) -> Proxies {
    let mut proxies = Proxies::default();
    for field in report.fields(block) {
        match field.key.as_str() {
            "trusted" => {
                let items = field.items(report);
                proxies.trusted = items.iter().filter_map(|item| trusted(report, item)).collect();
            }
            _ => report.unknown(&field, "proxies"),
        }
    }
    proxies
}

fn trusted(report: &mut Report, item: &Field<'_>) -> Option<String> {
    report.map_of(item)?;
    let mut key = None;
    for field in report.fields(item) {
        match field.key.as_str() {
            "key" => key = Some(proxy_key(report, &field)),
            _ => report.unknown(&field, "a trusted proxy"),
        }
    }
    if key.is_none() {
        let (block, key) = ("a trusted proxy", "key");
        report.problem(&item.node.at, Reason::Missing { block, key });
    }
    key?
}

/// A proxy may have a key of any role.
fn proxy_key(report: &mut Report, field: &Field<'_>) -> Option<String> {
    let text = field.text(report)?.value;
    if text.parse::<tollway_claims::PublicKey>().is_err() {
        return report.invalid(field, "has to be a public key");
    }
    Some(text)
}
