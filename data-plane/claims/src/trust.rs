//! Whose signatures count: the operator that a node pinned when it enrolled.

use crate::account::AccountClaims;
use crate::enforced::{Enforced, Feature};
use crate::epoch::EpochClaims;
use crate::nkey::PublicKey;
use crate::operator::OperatorClaims;
use crate::statement::StatementClaims;
use crate::token::TokenError;

/// A pinned operator, with the keys that speak for it at present.
///
/// The identity never changes. The signing keys do, by a newer operator JWT
/// that the same identity signed; nobody else can bring keys in.
///
/// A document that holds what the server does not act on is not acceptable
/// either: [`Self::enforcing`] says what it does act on, and at first that is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    operator: OperatorClaims,
    enforced: Enforced,
}

/// One account's configuration, verified: the JWT and the statement beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDocument {
    /// The account's claims.
    pub claims: AccountClaims,
    /// What the operator says beside them.
    pub statement: StatementClaims,
}

impl AccountDocument {
    /// The version that both halves carry.
    pub fn version(&self) -> u64 {
        self.statement.version
    }
}

/// Why a document does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The token itself is refused.
    #[error("the {document} is not acceptable")]
    Token {
        /// `operator JWT`, `account JWT`, `statement` or `epoch's statement`.
        document: &'static str,
        /// What is wrong with it.
        #[source]
        source: TokenError,
    },
    /// An operator JWT that its identity did not sign itself.
    #[error("the operator JWT of {identity} is signed by {issuer}, not by the operator's identity key")]
    NotSelfSigned {
        /// The operator the token is about.
        identity: PublicKey,
        /// Who signed it.
        issuer: PublicKey,
    },
    /// Another operator than the pinned one.
    #[error("the operator JWT is of {found}; the pinned operator is {pinned}")]
    OtherOperator {
        /// The operator that was pinned.
        pinned: PublicKey,
        /// The operator of the token.
        found: PublicKey,
    },
    /// An operator JWT older than the one in use, which could bring a removed signing key back.
    #[error("the operator JWT was issued at {found}, before the one in use ({current})")]
    OlderOperator {
        /// When the one in use was signed.
        current: i64,
        /// When this one was signed.
        found: i64,
    },
    /// The operator JWT has ended, and with it all that relies on it.
    #[error("the operator JWT expired at {at}; the operator has to issue a new one")]
    OperatorExpired {
        /// Seconds since 1970.
        at: i64,
    },
    /// Signed by a key that does not speak for the operator.
    #[error("the issuer {issuer} is not a key of the pinned operator")]
    UntrustedIssuer {
        /// Who signed it.
        issuer: PublicKey,
    },
    /// The account JWT has ended.
    #[error("the account JWT expired at {at}")]
    Expired {
        /// Seconds since 1970.
        at: i64,
    },
    /// The account JWT has not begun.
    #[error("the account JWT is not valid before {at}")]
    NotYetValid {
        /// Seconds since 1970.
        at: i64,
    },
    /// The document relies on what this server does not do.
    #[error("the account JWT holds {feature}, which this server does not act on")]
    NotEnforced {
        /// What it relies on.
        feature: Feature,
    },
    /// The document is about another account than the one it was sent for.
    #[error("the {document} is about {found}, not about {expected}")]
    OtherAccount {
        /// `account JWT` or `statement`.
        document: &'static str,
        /// The account it was sent for.
        expected: PublicKey,
        /// The account it is about.
        found: PublicKey,
    },
    /// The operator began another epoch, or one of another cell.
    #[error("the statement is about epoch {found} of the cell {found_cell}, not about {expected} of {cell}")]
    OtherEpoch {
        /// The cell that it was sent for.
        cell: String,
        /// The epoch that it was sent for.
        expected: u64,
        /// The cell that it is about.
        found_cell: String,
        /// The epoch that it is about.
        found: u64,
    },
    /// The account JWT and the statement were not made together.
    #[error("the account JWT has version {claims:?} and the statement version {statement}")]
    VersionMismatch {
        /// The version in the account JWT, if it carries one.
        claims: Option<u64>,
        /// The version in the statement.
        statement: u64,
    },
}

impl TrustError {
    /// A stable word for refusals and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Token { source, .. } => source.code(),
            Self::NotSelfSigned { .. } => "operator_not_self_signed",
            Self::OtherOperator { .. } => "other_operator",
            Self::OlderOperator { .. } => "older_operator",
            Self::OperatorExpired { .. } => "operator_expired",
            Self::UntrustedIssuer { .. } => "untrusted_issuer",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::NotEnforced { .. } => "not_enforced",
            Self::OtherAccount { .. } => "other_account",
            Self::OtherEpoch { .. } => "other_epoch_statement",
            Self::VersionMismatch { .. } => "version_mismatch",
        }
    }
}

impl Trust {
    /// Trusts the operator of this JWT from now on. Only for the moment of
    /// enrolment, when the JWT came over a channel that was verified otherwise,
    /// and for reading back what was stored then.
    pub fn from_operator_jwt(operator_jwt: &str) -> Result<Self, TrustError> {
        let operator = OperatorClaims::decode(operator_jwt).map_err(|source| TrustError::Token {
            document: "operator JWT",
            source,
        })?;
        if operator.issuer != operator.subject {
            return Err(TrustError::NotSelfSigned {
                identity: operator.subject,
                issuer: operator.issuer,
            });
        }
        Ok(Self {
            operator,
            enforced: Enforced::NONE,
        })
    }

    /// Reads an operator JWT that must be of the identity that was pinned before.
    pub fn pin(identity: PublicKey, operator_jwt: &str) -> Result<Self, TrustError> {
        let trust = Self::from_operator_jwt(operator_jwt)?;
        if trust.identity() != identity {
            return Err(TrustError::OtherOperator {
                pinned: identity,
                found: trust.identity(),
            });
        }
        Ok(trust)
    }

    /// What to trust after the operator sent a JWT: that one, when the pinned
    /// identity signed it and it is not older than the one in use.
    pub fn update(&self, operator_jwt: &str) -> Result<Self, TrustError> {
        let updated = Self::pin(self.identity(), operator_jwt)?;
        let (current, found) = (self.operator.issued_at, updated.operator.issued_at);
        if found < current {
            return Err(TrustError::OlderOperator { current, found });
        }
        Ok(updated.enforcing(self.enforced))
    }

    /// Accepts documents with these parts, because the server acts on them.
    pub fn enforcing(self, enforced: Enforced) -> Self {
        Self { enforced, ..self }
    }

    /// The pinned identity.
    pub fn identity(&self) -> PublicKey {
        self.operator.subject
    }

    /// The operator's claims as they are now.
    pub fn operator(&self) -> &OperatorClaims {
        &self.operator
    }

    /// Whether a key speaks for the operator: its signing keys do, and its
    /// identity as long as the operator is not strict about that.
    pub fn is_trusted(&self, key: &PublicKey) -> bool {
        let identity_counts = !self.operator.strict_signing_key_usage;
        (identity_counts && *key == self.operator.subject) || self.operator.signing_keys.contains(key)
    }

    /// Reads an account JWT that counts at `now` (seconds since 1970).
    pub fn verify_account(&self, jwt: &str, now: i64) -> Result<AccountClaims, TrustError> {
        let claims = AccountClaims::decode(jwt).map_err(|source| TrustError::Token {
            document: "account JWT",
            source,
        })?;
        self.check_issuer(&claims.issuer, now)?;
        if let Some(at) = claims.expires_at.filter(|&at| now >= at) {
            return Err(TrustError::Expired { at });
        }
        if let Some(at) = claims.not_before.filter(|&at| now < at) {
            return Err(TrustError::NotYetValid { at });
        }
        match claims.not_enforced(self.enforced) {
            Some(feature) => Err(TrustError::NotEnforced { feature }),
            None => Ok(claims),
        }
    }

    /// Reads a statement that counts at `now` (seconds since 1970).
    pub fn verify_statement(&self, jwt: &str, now: i64) -> Result<StatementClaims, TrustError> {
        let claims = StatementClaims::decode(jwt).map_err(|source| TrustError::Token {
            document: "statement",
            source,
        })?;
        self.check_issuer(&claims.issuer, now)?;
        Ok(claims)
    }

    /// Reads the statement that began this epoch of this cell; `now` in seconds since 1970.
    pub fn verify_epoch(
        &self,
        jwt: &str,
        cell: &str,
        epoch: u64,
        now: i64,
    ) -> Result<EpochClaims, TrustError> {
        let claims = EpochClaims::decode(jwt).map_err(|source| TrustError::Token {
            document: "epoch's statement",
            source,
        })?;
        self.check_issuer(&claims.issuer, now)?;
        if claims.cell != cell || claims.epoch != epoch {
            return Err(TrustError::OtherEpoch {
                cell: cell.to_owned(),
                expected: epoch,
                found_cell: claims.cell,
                found: claims.epoch,
            });
        }
        Ok(claims)
    }

    /// Reads both halves of the document of `account`: about that account, and of the same version.
    pub fn verify_document(
        &self,
        account: &PublicKey,
        account_jwt: &str,
        statement_jwt: &str,
        now: i64,
    ) -> Result<AccountDocument, TrustError> {
        let claims = self.verify_account(account_jwt, now)?;
        let statement = self.verify_statement(statement_jwt, now)?;
        for (document, found) in [("account JWT", claims.subject), ("statement", statement.subject)] {
            if found != *account {
                return Err(TrustError::OtherAccount {
                    document,
                    expected: *account,
                    found,
                });
            }
        }
        if claims.version() != Some(statement.version) {
            return Err(TrustError::VersionMismatch {
                claims: claims.version(),
                statement: statement.version,
            });
        }
        Ok(AccountDocument { claims, statement })
    }

    fn check_issuer(&self, issuer: &PublicKey, now: i64) -> Result<(), TrustError> {
        if let Some(at) = self.operator.expires_at.filter(|&at| now >= at) {
            return Err(TrustError::OperatorExpired { at });
        }
        if !self.is_trusted(issuer) {
            return Err(TrustError::UntrustedIssuer { issuer: *issuer });
        }
        Ok(())
    }
}
