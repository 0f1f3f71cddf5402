//! Why an import does not work, for the tenant who waits for messages.

use tollway_claims::{ActivationError, PublicKey, Shared};
use tollway_subject::FilterBuf;

/// Why an import is not linked to an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// There is no such account here. The import is linked as soon as there is.
    #[error("the exporting account is not known here")]
    ExporterUnknown,
    /// An earlier import of the document has the same account and subject.
    #[error("an earlier import takes the same stream from the same account")]
    Duplicate,
    /// The account exports nothing that contains the subject.
    #[error("the account does not export it")]
    NotExported,
    /// The account exports it, but a stream where a service is imported, or the other way round.
    #[error("the account exports it as a {exported}")]
    OtherKind {
        /// What it is exported as.
        exported: Shared,
    },
    /// A token of the subject has to be the importer's public key (or its name in a configuration), and is not.
    #[error("token {position} of the subject must be the importing account, by the export {export}")]
    AccountTokenPosition {
        /// The token, counted from 1.
        position: u32,
        /// The export that asks for it.
        export: FilterBuf,
    },
    /// The export is private, and the import shows no activation.
    #[error("the export {export} needs an activation token")]
    ActivationMissing {
        /// The export that asks for it.
        export: FilterBuf,
    },
    /// The activation is for something else.
    #[error("the activation token is not for this import")]
    Activation(#[from] ActivationError),
    /// The activation is signed by a key that is not the exporter's, or not any more.
    #[error("the activation token is signed by {issuer}, which is no key of the exporting account")]
    ActivationSigner {
        /// The key that signed it.
        issuer: PublicKey,
    },
    /// The activation has ended.
    #[error("the activation token expired at {at}")]
    ActivationExpired {
        /// Seconds since 1970.
        at: i64,
    },
    /// The activation has not begun.
    #[error("the activation token is not valid before {at}")]
    ActivationNotYetValid {
        /// Seconds since 1970.
        at: i64,
    },
    /// The exporter took the activation back.
    #[error("the activation token was revoked by the export {export}")]
    ActivationRevoked {
        /// The export that revokes it.
        export: FilterBuf,
    },
    /// What is imported would come back to this import.
    #[error("the import forms a cycle through {} other accounts", through.len())]
    Cycle {
        /// The accounts between, in the order in which a message would pass them.
        through: Vec<PublicKey>,
    },
    /// So many imports follow on each other that it cannot be told whether they form a cycle.
    #[error("too many imports follow on each other")]
    ChainTooLong,
}

impl ImportRefusal {
    /// Whether the two documents would allow the import, and only the way that messages would take does not.
    pub(crate) fn is_cycle(&self) -> bool {
        matches!(self, Self::Cycle { .. } | Self::ChainTooLong)
    }

    /// A stable word for events, metrics and the API.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ExporterUnknown => "exporter_unknown",
            Self::Duplicate => "duplicate_import",
            Self::NotExported => "not_exported",
            Self::OtherKind { .. } => "exported_as_other_kind",
            Self::AccountTokenPosition { .. } => "account_token_position",
            Self::ActivationMissing { .. } => "activation_missing",
            Self::Activation(_) => "activation_mismatch",
            Self::ActivationSigner { .. } => "activation_signer",
            Self::ActivationExpired { .. } => "activation_expired",
            Self::ActivationNotYetValid { .. } => "activation_not_yet_valid",
            Self::ActivationRevoked { .. } => "activation_revoked",
            Self::Cycle { .. } => "import_cycle",
            Self::ChainTooLong => "import_chain_too_long",
        }
    }
}
