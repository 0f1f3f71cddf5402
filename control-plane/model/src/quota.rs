//! Quotas: how much of everything an organization may have. The platform grants them.

use crate::FieldError;
use crate::InvalidFields;

/// Beyond this, a quota is a slip of the keyboard.
pub const QUOTA_MAX: u32 = 1_000_000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quota {
    /// Accounts that were not deleted.
    Accounts,
    /// Users of those accounts, together.
    Users,
    /// API tokens, with those that have ended and were not deleted.
    ApiTokens,
}

/// How much of everything one organization may have at the same time.
///
/// What is bounded per account is bounded only when accounts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrganizationQuotas {
    /// See [`Quota::Accounts`].
    pub accounts: u32,
    /// See [`Quota::Users`].
    pub users: u32,
    /// See [`Quota::ApiTokens`].
    pub api_tokens: u32,
}

/// Quotas to change; absent ones stay as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrganizationQuotasChange {
    /// See [`Quota::Accounts`].
    pub accounts: Option<u32>,
    /// See [`Quota::Users`].
    pub users: Option<u32>,
    /// See [`Quota::ApiTokens`].
    pub api_tokens: Option<u32>,
}

impl Quota {
    /// Its word in the API and in errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Users => "users",
            Self::ApiTokens => "api_tokens",
        }
    }
}

impl std::fmt::Display for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Default for OrganizationQuotas {
    /// What an organization has before anybody grants it something else; the schema says the same.
    fn default() -> Self {
        Self {
            accounts: 100,
            users: 10_000,
            api_tokens: 200,
        }
    }
}

impl OrganizationQuotasChange {
    /// # Errors
    /// Each quota beyond [`QUOTA_MAX`], by name.
    pub fn check(self) -> Result<Self, InvalidFields> {
        let quotas = [
            (Quota::Accounts, self.accounts),
            (Quota::Users, self.users),
            (Quota::ApiTokens, self.api_tokens),
        ];
        let wrong: Vec<_> = quotas
            .into_iter()
            .filter(|(_, quota)| quota.is_some_and(|quota| quota > QUOTA_MAX))
            .map(|(quota, _)| FieldError {
                field: quota.as_str().to_owned(),
                code: "out_of_range",
                detail: format!("must be 0 to {QUOTA_MAX}"),
            })
            .collect();
        InvalidFields::none_in(wrong).map(|()| self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_beyond_reason_are_named() {
        let change = OrganizationQuotasChange {
            accounts: Some(QUOTA_MAX),
            users: Some(QUOTA_MAX + 1),
            api_tokens: None,
        };
        let wrong = change.check().unwrap_err();
        let fields: Vec<_> = wrong.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["users"]);
    }
}
