//! What a client is told about itself.

use serde::Serialize;
use tollway_claims::{Permissions, ResponsePermission, Rules};

use super::super::shared::unix_now;
use super::super::user::Origin;
use super::service::SystemQuestion;

/// In the fields of stock servers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    user: String,
    account: String,
    account_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<PermissionsView>,
    /// Nanoseconds until the connection has to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct PermissionsView {
    #[serde(skip_serializing_if = "Option::is_none")]
    publish: Option<RulesView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribe: Option<RulesView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responses: Option<ResponsesView>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct RulesView {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allow: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deny: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct ResponsesView {
    max: i64,
    ttl: i64,
}

impl UserInfo {
    /// About who asks.
    pub(crate) fn of(question: &SystemQuestion) -> Self {
        let client = &question.asker;
        let user = client.user();
        let user_name = match &user.origin {
            Origin::Signed(login) => Some(login.user.claims().name.clone()),
            Origin::Listed(_) => None,
        };
        let expires = user.expires_at.map(|at| {
            let seconds = u64::try_from(at.saturating_sub(unix_now())).unwrap_or(0);
            seconds.saturating_mul(1_000_000_000)
        });
        Self {
            user: user.name().unwrap_or_default(),
            account: client.account.label.to_string(),
            account_name: client.account.served().claims().name.clone(),
            user_name: user_name.filter(|name| !name.is_empty()),
            permissions: PermissionsView::of(&user.limits.permissions),
            expires,
        }
    }
}

impl PermissionsView {
    fn of(permissions: &Permissions) -> Option<Self> {
        let rules = |rules: &Rules| {
            let view = RulesView {
                allow: rules.allow.iter().map(ToString::to_string).collect(),
                deny: rules.deny.iter().map(ToString::to_string).collect(),
            };
            (!view.allow.is_empty() || !view.deny.is_empty()).then_some(view)
        };
        let view = Self {
            publish: rules(&permissions.publish),
            subscribe: rules(&permissions.subscribe),
            responses: permissions.responses.as_ref().map(ResponsesView::of),
        };
        let says_something = view.publish.is_some() || view.subscribe.is_some() || view.responses.is_some();
        says_something.then_some(view)
    }
}

impl ResponsesView {
    fn of(responses: &ResponsePermission) -> Self {
        let or = |value: i64, usual: i64| if value == 0 { usual } else { value };
        Self {
            max: or(responses.max, 1),
            ttl: or(responses.ttl_ns, 120_000_000_000),
        }
    }
}
