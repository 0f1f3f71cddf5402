//! Where an account stands, in one word and one colour.

/// Whether an account's clients are served as its newest document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// The cell serves the newest document.
    Serving,
    /// The cell has not acknowledged the newest document yet.
    Applying,
    /// The cell would not take the newest document, and serves the one before.
    Refused {
        /// The stable code.
        code: String,
        /// Why, in words.
        reason: String,
    },
    /// Someone stopped the account: no client gets in.
    Suspended {
        /// What the tenant is told; may be empty.
        reason: String,
    },
}

impl AccountState {
    /// The word on the badge.
    pub fn label(&self) -> &'static str {
        match self {
            AccountState::Serving => "serving",
            AccountState::Applying => "applying",
            AccountState::Refused { .. } => "refused",
            AccountState::Suspended { .. } => "suspended",
        }
    }

    /// What the badge means for the account's clients.
    pub fn explanation(&self) -> String {
        match self {
            AccountState::Serving => "Its cell serves the newest configuration.".to_owned(),
            AccountState::Applying => {
                "Its cell has not acknowledged the newest configuration yet. Until then it serves what it held before."
                    .to_owned()
            }
            AccountState::Refused { code, reason } => format!(
                "Its cell would not take the newest configuration and serves the one before: {reason} ({code}). \
                 Change the account again, or tell who runs the platform."
            ),
            AccountState::Suspended { reason } if reason.is_empty() => {
                "Clients are cut off and refused until it is resumed. Nothing is lost.".to_owned()
            }
            AccountState::Suspended { reason } => format!(
                "Clients are cut off and refused until it is resumed. Nothing is lost. Reason given: {reason}"
            ),
        }
    }
}

/// How far the newest document of an account has travelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// The cell's name.
    pub cell: String,
    /// The revision that carries the newest document.
    pub revision: u64,
    /// The revision that the cell acknowledged last.
    pub applied_revision: u64,
}
