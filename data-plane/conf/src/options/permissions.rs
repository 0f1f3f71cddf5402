//! What a user may publish and subscribe to.
//!
//! ```text
//! permissions: {
//!   publish: "a.>"                               one filter
//!   subscribe: ["b.*", "jobs workers"]           several; a second word is a queue group
//!   publish: { allow: "a.>", deny: ["a.x"] }     both sides
//!   allow_responses: true                        or { max: 5, ttl: "1m" }
//! }
//! ```

use tollway_claims::{PermissionSet, Permissions, ResponsePermission, Rules};

use crate::duration::{self, Signed};
use crate::field::{Field, shown};
use crate::notice::NoticeReason;
use crate::problem::Reason;
use crate::report::Report;
use crate::value::Value;

/// Reads a block of permissions.
pub(crate) fn read(report: &mut Report, block: &Field<'_>) -> Option<Permissions> {
    let mut publish = None;
    let mut subscribe = None;
    let mut responses = None;
    report.map_of(block)?;
    for field in report.fields(block) {
        match field.key.as_str() {
            "pub" | "publish" | "import" => {
                let rules = rules(report, &field, Side::Publish);
                report.set(&mut publish, Some(rules), &field);
            }
            "sub" | "subscribe" | "export" => {
                let rules = rules(report, &field, Side::Subscribe);
                report.set(&mut subscribe, Some(rules), &field);
            }
            "allow_responses" | "publish_allow_responses" => {
                let allowed = self::responses(report, &field);
                report.set(&mut responses, allowed, &field);
            }
            _ => report.unknown(&field, "permissions"),
        }
    }
    Some(Permissions {
        publish: publish.unwrap_or_default(),
        subscribe: subscribe.unwrap_or_default(),
        responses: responses.flatten(),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Publish,
    Subscribe,
}

fn rules(report: &mut Report, field: &Field<'_>, side: Side) -> Rules {
    if !matches!(field.node.value, Value::Map(_)) {
        return Rules {
            allow: subjects(report, field, side),
            deny: Vec::new(),
        };
    }
    let mut rules = Rules::default();
    for inner in report.fields(field) {
        match inner.key.as_str() {
            "allow" => rules.allow = subjects(report, &inner, side),
            "deny" => rules.deny = subjects(report, &inner, side),
            _ => report.unknown(&inner, "publish and subscribe permissions"),
        }
    }
    rules
}

/// Filters, each one checked as the node will use it.
fn subjects(report: &mut Report, field: &Field<'_>, side: Side) -> Vec<String> {
    let items = field.one_or_more();
    if items.is_empty() && field.key != "deny" {
        report.notice(field.at, NoticeReason::EmptyAllow(field.key.clone()));
    }
    let mut subjects = Vec::with_capacity(items.len());
    for item in items {
        let Some(text) = item.text(report) else { continue };
        if is_rule(&text.value, side) {
            subjects.push(text.value);
        } else {
            let (key, subject) = (item.key.clone(), shown(&text.value));
            report.problem(&text.at, Reason::InvalidSubject { key, subject });
        }
    }
    subjects
}

fn is_rule(text: &str, side: Side) -> bool {
    let mut permissions = Permissions::default();
    let rules = match side {
        Side::Publish => &mut permissions.publish,
        Side::Subscribe => &mut permissions.subscribe,
    };
    rules.allow.push(text.to_owned());
    PermissionSet::compile(&permissions).is_ok()
}

/// The outer `Option` is whether it could be read, the inner one whether answers are allowed at all.
fn responses(report: &mut Report, field: &Field<'_>) -> Option<Option<ResponsePermission>> {
    if let Value::Boolean(allowed) = field.node.value {
        return Some(allowed.then(ResponsePermission::default));
    }
    if !matches!(field.node.value, Value::Map(_)) {
        return report.wrong_kind(field, "true, false, or a map");
    }
    let mut max = None;
    let mut ttl_ns = None;
    for inner in report.fields(field) {
        match inner.key.as_str() {
            "max" | "max_msgs" | "max_messages" | "max_responses" => {
                let number = inner.integer(report);
                report.set(&mut max, number, &inner);
            }
            "ttl" | "expires" | "expiration" => {
                let ttl = ttl(report, &inner);
                report.set(&mut ttl_ns, ttl, &inner);
            }
            _ => report.unknown(&inner, "allow_responses"),
        }
    }
    Some(Some(ResponsePermission {
        max: max.unwrap_or(0),
        ttl_ns: ttl_ns.unwrap_or(0),
    }))
}

/// A negative one stands for ever.
fn ttl(report: &mut Report, field: &Field<'_>) -> Option<i64> {
    let Value::Text(text) = &field.node.value else {
        return report.wrong_kind(field, "a duration in quotes, such as \"2m\"");
    };
    match duration::parse(text.expose()) {
        Ok(Signed::Positive(ttl)) => Some(i64::try_from(ttl.as_nanos()).expect("durations fit 63 bits")),
        Ok(Signed::Negative) => Some(-1),
        Err(why) => {
            let key = field.key.clone();
            report.problem(&field.node.at, Reason::Duration { key, why });
            None
        }
    }
}
