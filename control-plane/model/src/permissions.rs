//! What a user may publish to and subscribe with.

use tollway_subject::Filter;

use crate::field::{FieldError, InvalidFields};

/// Most entries of one list: what is worth checking one by one. The lists travel in every JWT of the user,
/// and CONNECT has room for far less than four lists of this length: whoever compiles the JWT says when.
pub const PERMISSION_ENTRIES_MAX: usize = 100;

/// Longest entry, in bytes.
const ENTRY_BYTES_MAX: usize = 256;

/// The lists as they come from outside, not yet checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PermissionLists {
    /// Filters that may be published to; when empty everything, or with `allow_responses` nothing but replies.
    pub publish_allow: Vec<String>,
    /// Filters that may not be published to, whatever is allowed.
    pub publish_deny: Vec<String>,
    /// Filters that may be subscribed with, or a filter, a blank and a queue group; everything when empty.
    pub subscribe_allow: Vec<String>,
    /// What may not be subscribed with, whatever is allowed.
    pub subscribe_deny: Vec<String>,
    /// Whether replies to received requests may be published although `publish_allow` does not name
    /// their subjects. As in NATS, this beside an empty `publish_allow` allows nothing else.
    pub allow_responses: bool,
}

/// Permissions whose entries are all filters that the broker understands.
///
/// The default allows everything inside the account.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "PermissionLists", into = "PermissionLists")]
pub struct Permissions(PermissionLists);

impl Permissions {
    /// Checks permissions from outside.
    ///
    /// # Errors
    /// Every entry that is no filter, and every list that is too long.
    pub fn new(lists: PermissionLists) -> Result<Self, InvalidFields> {
        let mut errors = Vec::new();
        check_list("publish_allow", &lists.publish_allow, check_publish, &mut errors);
        check_list("publish_deny", &lists.publish_deny, check_publish, &mut errors);
        check_list(
            "subscribe_allow",
            &lists.subscribe_allow,
            check_subscribe,
            &mut errors,
        );
        check_list(
            "subscribe_deny",
            &lists.subscribe_deny,
            check_subscribe,
            &mut errors,
        );
        InvalidFields::none_in(errors)?;
        Ok(Self(lists))
    }

    /// The checked lists.
    pub fn lists(&self) -> &PermissionLists {
        &self.0
    }
}

impl TryFrom<PermissionLists> for Permissions {
    type Error = InvalidFields;

    fn try_from(lists: PermissionLists) -> Result<Self, InvalidFields> {
        Self::new(lists)
    }
}

impl From<Permissions> for PermissionLists {
    fn from(permissions: Permissions) -> Self {
        permissions.0
    }
}

fn check_list(
    field: &str,
    entries: &[String],
    check: impl Fn(&str) -> Result<(), String>,
    errors: &mut Vec<FieldError>,
) {
    if entries.len() > PERMISSION_ENTRIES_MAX {
        errors.push(FieldError {
            field: field.to_owned(),
            code: "too_many",
            detail: format!("has at most {PERMISSION_ENTRIES_MAX} entries"),
        });
        return;
    }
    for (at, entry) in entries.iter().enumerate() {
        let checked = if entry.len() > ENTRY_BYTES_MAX {
            Err(format!("has at most {ENTRY_BYTES_MAX} bytes"))
        } else {
            check(entry)
        };
        if let Err(detail) = checked {
            errors.push(FieldError {
                field: format!("{field}[{at}]"),
                code: "invalid_filter",
                detail,
            });
        }
    }
}

fn check_publish(entry: &str) -> Result<(), String> {
    check_filter(entry)
}

/// `filter`, or `filter queue` with exactly one blank. A queue group's name may itself be a filter of names.
fn check_subscribe(entry: &str) -> Result<(), String> {
    match entry.split_once(' ') {
        None => check_filter(entry),
        Some((filter, queue)) => {
            check_filter(filter)?;
            check_filter(queue).map_err(|detail| format!("the queue group: {detail}"))
        }
    }
}

fn check_filter(text: &str) -> Result<(), String> {
    // Other control characters would pass as bytes, but no tool could show what they allow.
    if text.chars().any(char::is_control) {
        return Err("holds a control character".to_owned());
    }
    Filter::new(text.as_bytes())
        .map(drop)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribe(entry: &str) -> Result<Permissions, InvalidFields> {
        Permissions::new(PermissionLists {
            subscribe_allow: vec![entry.to_owned()],
            ..Default::default()
        })
    }

    #[test]
    fn filters_with_wildcards_and_queue_groups_are_taken() {
        for entry in [
            "orders.>",
            "orders.*.new",
            "_INBOX.>",
            "orders.> workers",
            "orders.* workers.*",
            ">",
        ] {
            assert!(subscribe(entry).is_ok(), "{entry}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_by_the_place_of_its_entry() {
        for entry in [
            "",
            "a..b",
            ".a",
            ">.a",
            "a ",
            " a",
            "a b c",
            "a\tb",
            "a\r\nPUB b",
            "a\u{1b}b",
        ] {
            let error = subscribe(entry).unwrap_err();
            assert_eq!(error.errors()[0].field, "subscribe_allow[0]", "{entry:?}");
        }
    }

    #[test]
    fn a_queue_group_means_nothing_to_publishing() {
        let lists = PermissionLists {
            publish_deny: vec!["ok".into(), "a q".into()],
            ..Default::default()
        };
        assert_eq!(
            Permissions::new(lists).unwrap_err().errors()[0].field,
            "publish_deny[1]"
        );
    }

    #[test]
    fn a_list_and_an_entry_have_a_longest_length() {
        let many = PermissionLists {
            publish_allow: vec!["a".into(); 101],
            ..Default::default()
        };
        assert_eq!(Permissions::new(many).unwrap_err().errors()[0].code, "too_many");
        assert!(subscribe(&"a".repeat(257)).is_err());
        assert!(subscribe(&"a".repeat(256)).is_ok());
    }

    #[test]
    fn stored_permissions_are_checked_when_they_are_read() {
        let permissions = subscribe("orders.> workers").unwrap();
        let json = serde_json::to_string(&permissions).unwrap();
        assert_eq!(serde_json::from_str::<Permissions>(&json).unwrap(), permissions);
        assert!(serde_json::from_str::<Permissions>(r#"{"publish_allow":["a..b"]}"#).is_err());
        assert_eq!(
            serde_json::from_str::<Permissions>("{}").unwrap(),
            Permissions::default()
        );
    }
}
