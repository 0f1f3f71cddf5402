//! From what the application layer answers to what pages show.

use time::OffsetDateTime;
use tollway_api as api;
use tollway_web::{
    format::Moment,
    page::{
        AccountHead, AccountRow, AccountState, CellNode, CellRow, IssuanceRow, IssuanceState, Rollout,
        UserRow,
    },
    usage::{Usage, UsageDay},
};

/// As many subjects are written out in a table's cell; a user's own page has them all.
const SUBJECTS_IN_A_ROW: usize = 3;

pub(super) fn account_state(account: &api::Account, rollout: &api::AccountRollout) -> AccountState {
    // A suspension that is still on its way is on its way: the clients are not cut yet.
    if !rollout.refused_code.is_empty() {
        AccountState::Refused {
            code: rollout.refused_code.clone(),
            reason: rollout.refused_reason.clone(),
        }
    } else if !rollout.applied {
        AccountState::Applying
    } else if account.suspended {
        AccountState::Suspended {
            reason: account.suspended_reason.clone(),
        }
    } else {
        AccountState::Serving
    }
}

pub(super) fn rollout(rollout: api::AccountRollout) -> Rollout {
    Rollout {
        cell: rollout.cell,
        revision: rollout.revision,
        applied_revision: rollout.applied_revision,
    }
}

pub(super) fn account_row(account: api::Account, state: AccountState, day: UsageDay) -> AccountRow {
    AccountRow {
        id: account.id,
        name: account.name,
        cell: account.cell,
        state,
        connections: u64::from(account.connections),
        day,
    }
}

pub(super) fn account_head(
    account: &api::Account,
    organization: api::Organization,
    now: OffsetDateTime,
) -> AccountHead {
    AccountHead {
        id: account.id.clone(),
        name: account.name.clone(),
        organization: organization.display_name,
        organization_id: organization.id,
        public_key: account.public_key.clone(),
        connections_max: account.limits.connections,
        subscriptions_max: account.limits.subscriptions,
        payload_bytes_max: account.limits.payload_bytes,
        version: account.version,
        created: Moment {
            at: account.created_at,
            now,
        },
    }
}

pub(super) fn usage_day(hours: &[api::UsageHour], now: OffsetDateTime) -> UsageDay {
    UsageDay::new(now, hours.iter().map(|hour| (hour.hour, totals(&hour.usage))))
}

fn totals(totals: &api::UsageTotals) -> Usage {
    Usage {
        messages_in: totals.messages_in,
        bytes_in: totals.bytes_in,
        messages_out: totals.messages_out,
        bytes_out: totals.bytes_out,
        connections_opened: totals.connections_opened,
    }
}

pub(super) fn user_row(user: api::User, now: OffsetDateTime) -> UserRow {
    let permissions = &user.permissions;
    UserRow {
        publish: in_words(&permissions.publish_allow, &permissions.publish_deny),
        subscribe: in_words(&permissions.subscribe_allow, &permissions.subscribe_deny),
        created: Moment {
            at: user.created_at,
            now,
        },
        id: user.id,
        name: user.name,
    }
}

/// Permissions as one phrase: `everything`, `orders.>, and 4 more`, `everything but secrets.>`.
fn in_words(allow: &[String], deny: &[String]) -> String {
    if deny.iter().any(|subject| subject == ">") {
        return "nothing".to_owned();
    }
    let allowed = if allow.is_empty() {
        "everything".to_owned()
    } else {
        listed(allow)
    };
    if deny.is_empty() {
        allowed
    } else {
        format!("{allowed} but {}", listed(deny))
    }
}

fn listed(subjects: &[String]) -> String {
    let shown = subjects
        .iter()
        .take(SUBJECTS_IN_A_ROW)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match subjects.len().saturating_sub(SUBJECTS_IN_A_ROW) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}

pub(super) fn issuance_row(issuance: api::Issuance, now: OffsetDateTime) -> IssuanceRow {
    IssuanceRow {
        state: IssuanceState::at(now, issuance.expires_at, issuance.revoked_at),
        issued: Moment {
            at: issuance.issued_at,
            now,
        },
        id: issuance.id,
        public_key: issuance.public_key,
    }
}

pub(super) fn cell_row(cell: api::Cell) -> CellRow {
    CellRow {
        name: cell.name,
        accounts: u64::from(cell.accounts),
        refused: cell.refused.len() as u64,
        revision: cell.revision,
        applied_revision: cell.applied_revision,
        nodes: cell
            .nodes
            .into_iter()
            .map(|node| CellNode {
                name: node.name,
                client_url: node.client_url,
                connected: node.connected,
            })
            .collect(),
    }
}

/// A role as people say it.
pub(super) fn role_in_words(role: &str) -> String {
    role.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn account(suspended: bool) -> api::Account {
        api::Account {
            id: "acc_1".into(),
            organization: "org_1".into(),
            name: "orders".into(),
            public_key: "A".into(),
            cell: "cell-1".into(),
            limits: api::AccountLimits {
                connections: 1,
                subscriptions: -1,
                payload_bytes: 1024,
            },
            limits_granted: api::AccountLimits {
                connections: 1,
                subscriptions: -1,
                payload_bytes: 1024,
            },
            suspended_by: if suspended {
                "platform".into()
            } else {
                String::new()
            },
            suspended,
            suspended_reason: if suspended { "unpaid".into() } else { String::new() },
            version: 1,
            created_at: datetime!(2026-11-21 09:00 UTC),
            connections: 3,
        }
    }

    fn travelled(applied: bool, refused_code: &str) -> api::AccountRollout {
        api::AccountRollout {
            cell: "cell-1".into(),
            revision: 4,
            applied_revision: if applied { 4 } else { 3 },
            applied,
            refused_code: refused_code.into(),
            refused_reason: "because".into(),
        }
    }

    #[test]
    fn an_account_is_suspended_when_its_cell_knows_and_not_before() {
        let state = |suspended, applied, refused| {
            account_state(&account(suspended), &travelled(applied, refused)).label()
        };
        assert_eq!(state(false, true, ""), "serving");
        assert_eq!(state(false, false, ""), "applying");
        assert_eq!(state(true, false, ""), "applying");
        assert_eq!(state(true, true, ""), "suspended");
        assert_eq!(state(true, false, "stale_version"), "refused");
    }

    #[test]
    fn permissions_are_one_phrase() {
        let list = |subjects: &[&str]| {
            subjects
                .iter()
                .map(|subject| (*subject).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(in_words(&[], &[]), "everything");
        assert_eq!(in_words(&[], &list(&[">"])), "nothing");
        assert_eq!(in_words(&[], &list(&["secrets.>"])), "everything but secrets.>");
        assert_eq!(
            in_words(&list(&["a", "b", "c", "d", "e"]), &[]),
            "a, b, c, and 2 more"
        );
    }
}
