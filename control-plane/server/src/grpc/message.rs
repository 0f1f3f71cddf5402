//! Between the protobuf messages and the JSON types, field by field.
//!
//! Both forms have the same fields; an absent text or number is the proto's zero value.

use prost_types::Timestamp;
use time::OffsetDateTime;
use tollway_api as api;
use tollway_proto::v1;

pub(super) fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: time.unix_timestamp(),
        nanos: time.nanosecond() as i32,
    }
}

/// The time of a message; `None` when it is none that RFC 3339 can write.
pub(super) fn time(timestamp: Timestamp) -> Option<OffsetDateTime> {
    let nanos = u32::try_from(timestamp.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    OffsetDateTime::from_unix_timestamp(timestamp.seconds)
        .ok()?
        .replace_nanosecond(nanos)
        .ok()
}

/// A proto text, where empty means absent.
pub(super) fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(super) fn organization(organization: api::Organization) -> v1::Organization {
    v1::Organization {
        id: organization.id,
        name: organization.name,
        display_name: organization.display_name,
        quotas: Some(v1::OrganizationQuotas {
            accounts: organization.quotas.accounts,
            users: organization.quotas.users,
            api_tokens: organization.quotas.api_tokens,
        }),
        created_at: Some(timestamp(organization.created_at)),
    }
}

pub(super) fn account(account: api::Account) -> v1::Account {
    v1::Account {
        id: account.id,
        organization: account.organization,
        name: account.name,
        public_key: account.public_key,
        cell: account.cell,
        limits: Some(limits(account.limits)),
        limits_granted: Some(limits(account.limits_granted)),
        suspended: account.suspended,
        suspended_reason: account.suspended_reason,
        suspended_by: account.suspended_by,
        version: account.version,
        created_at: Some(timestamp(account.created_at)),
        connections: account.connections,
    }
}

fn limits(limits: api::AccountLimits) -> v1::AccountLimits {
    v1::AccountLimits {
        connections: limits.connections,
        subscriptions: limits.subscriptions,
        payload_bytes: limits.payload_bytes,
    }
}

pub(super) fn new_account(
    name: String,
    cell: String,
    limits: Option<v1::NewAccountLimits>,
) -> api::NewAccount {
    let limits = limits.map(|limits| api::NewAccountLimits {
        connections: limits.connections,
        subscriptions: limits.subscriptions,
        payload_bytes: limits.payload_bytes,
    });
    api::NewAccount {
        name,
        cell: text(cell),
        limits,
    }
}

pub(super) fn update_account(limits: Option<v1::AccountLimitsChange>) -> api::UpdateAccount {
    let limits = limits.unwrap_or_default();
    api::UpdateAccount {
        limits: api::AccountLimitsChange {
            connections: limits.connections,
            subscriptions: limits.subscriptions,
            payload_bytes: limits.payload_bytes,
        },
    }
}

pub(super) fn rollout(rollout: api::AccountRollout) -> v1::AccountRollout {
    v1::AccountRollout {
        cell: rollout.cell,
        revision: rollout.revision,
        applied_revision: rollout.applied_revision,
        applied: rollout.applied,
        refused_code: rollout.refused_code,
        refused_reason: rollout.refused_reason,
    }
}

pub(super) fn user(user: api::User) -> v1::User {
    let permissions = user.permissions;
    v1::User {
        id: user.id,
        account: user.account,
        name: user.name,
        permissions: Some(v1::Permissions {
            publish_allow: permissions.publish_allow,
            publish_deny: permissions.publish_deny,
            subscribe_allow: permissions.subscribe_allow,
            subscribe_deny: permissions.subscribe_deny,
            allow_responses: permissions.allow_responses,
        }),
        created_at: Some(timestamp(user.created_at)),
    }
}

pub(super) fn permissions(permissions: v1::Permissions) -> api::Permissions {
    api::Permissions {
        publish_allow: permissions.publish_allow,
        publish_deny: permissions.publish_deny,
        subscribe_allow: permissions.subscribe_allow,
        subscribe_deny: permissions.subscribe_deny,
        allow_responses: permissions.allow_responses,
    }
}

pub(super) fn issuance(issuance: api::Issuance) -> v1::Issuance {
    v1::Issuance {
        id: issuance.id,
        user: issuance.user,
        public_key: issuance.public_key,
        issued_at: Some(timestamp(issuance.issued_at)),
        expires_at: issuance.expires_at.map(timestamp),
        revoked_at: issuance.revoked_at.map(timestamp),
    }
}

pub(super) fn api_token(token: api::ApiToken) -> v1::ApiToken {
    v1::ApiToken {
        id: token.id,
        organization: token.organization,
        name: token.name,
        role: token.role,
        created_at: Some(timestamp(token.created_at)),
        expires_at: token.expires_at.map(timestamp),
        last_used_at: token.last_used_at.map(timestamp),
    }
}

pub(super) fn cell(cell: api::Cell) -> v1::Cell {
    v1::Cell {
        id: cell.id,
        name: cell.name,
        epoch: cell.epoch,
        revision: cell.revision,
        applied_revision: cell.applied_revision,
        accounts: cell.accounts,
        nodes: cell.nodes.into_iter().map(cell_node).collect(),
        refused: cell.refused.into_iter().map(cell_refusal).collect(),
        created_at: Some(timestamp(cell.created_at)),
        update_refused: cell.update_refused.map(cell_update_refusal),
    }
}

fn cell_update_refusal(refusal: api::CellUpdateRefusal) -> v1::CellUpdateRefusal {
    v1::CellUpdateRefusal {
        code: refusal.code,
        reason: refusal.reason,
        refused_at: Some(timestamp(refusal.refused_at)),
    }
}

fn cell_node(node: api::CellNode) -> v1::CellNode {
    v1::CellNode {
        id: node.id,
        name: node.name,
        client_url: node.client_url,
        software_version: node.software_version,
        connected: node.connected,
        last_seen_at: node.last_seen_at.map(timestamp),
    }
}

fn cell_refusal(refusal: api::CellRefusal) -> v1::CellRefusal {
    v1::CellRefusal {
        account: refusal.account,
        code: refusal.code,
        reason: refusal.reason,
    }
}

pub(super) fn usage(usage: api::AccountUsage) -> v1::GetAccountUsageResponse {
    v1::GetAccountUsageResponse {
        from: Some(timestamp(usage.from)),
        to: Some(timestamp(usage.to)),
        hours: usage
            .hours
            .into_iter()
            .map(|hour| v1::UsageHour {
                hour: Some(timestamp(hour.hour)),
                usage: Some(totals(hour.usage)),
            })
            .collect(),
        total: Some(totals(usage.total)),
    }
}

fn totals(totals: api::UsageTotals) -> v1::UsageTotals {
    v1::UsageTotals {
        messages_in: totals.messages_in,
        bytes_in: totals.bytes_in,
        messages_out: totals.messages_out,
        bytes_out: totals.bytes_out,
        connections_opened: totals.connections_opened,
    }
}
