//! An activation: an exporter's word that one account may import one subject.

use serde::{Deserialize, Serialize};
use tollway_subject::{Filter, FilterBuf};

use crate::exchange::{Shared, SubjectError, excerpt, filter};
use crate::json::{null_as_default, time_or_none};
use crate::nkey::{KeyKind, PublicKey, Signer};
use crate::operator::{empty_as_none, expect_role};
use crate::token::{self, Body, EncodeError, Envelope, TokenError, VERSION};

/// What an activation says. It is signed by the exporting account or one of its signing keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivationClaims {
    /// The key that signed it.
    pub issuer: PublicKey,
    /// The account that may import.
    pub subject: PublicKey,
    /// A name for people.
    pub name: String,
    /// When it was signed, seconds since 1970. The export's revocations are compared with it.
    pub issued_at: i64,
    /// From when on it is void, seconds since 1970.
    pub expires_at: Option<i64>,
    /// Before this it is void, seconds since 1970.
    pub not_before: Option<i64>,
    /// The exporting account, when one of its signing keys signed.
    pub issuer_account: Option<PublicKey>,
    /// What may be imported: this, and whatever it contains.
    pub import_subject: FilterBuf,
    /// What kind of export it is for.
    pub shared: Shared,
}

/// Why an activation is not for an import.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActivationError {
    /// It was made for another account than the one that shows it.
    #[error("the activation token is for the account {granted}")]
    OtherImporter {
        /// The account it was made for.
        granted: PublicKey,
    },
    /// It was made by another account than the one that is imported from.
    #[error("the activation token is by the account {granting}")]
    OtherExporter {
        /// The account that made it.
        granting: PublicKey,
    },
    /// It is for a stream and shown for a service, or the other way round.
    #[error("the activation token is for a {granted}")]
    OtherKind {
        /// What it was made for.
        granted: Shared,
    },
    /// It does not reach as far as the import.
    #[error("the activation token is for {granted}, which does not contain the imported subject")]
    OtherSubject {
        /// The subject it was made for.
        granted: FilterBuf,
    },
}

impl ActivationClaims {
    /// An activation that does not end, signed by the exporting account itself.
    pub fn new(
        exporter: PublicKey,
        importer: PublicKey,
        shared: Shared,
        import_subject: FilterBuf,
        issued_at: i64,
    ) -> Self {
        Self {
            issuer: exporter,
            subject: importer,
            name: String::new(),
            issued_at,
            expires_at: None,
            not_before: None,
            issuer_account: None,
            import_subject,
            shared,
        }
    }

    /// The account in whose name it was signed. Whether its signer may do so, the exporter's document says.
    pub fn exporter(&self) -> PublicKey {
        self.issuer_account.unwrap_or(self.issuer)
    }

    /// Whether it is about this import of `importer`. Times, revocations and the
    /// exporter's keys are not looked at: they change without either document.
    pub fn check_import(
        &self,
        importer: &PublicKey,
        exporter: &PublicKey,
        shared: Shared,
        subject: Filter<'_>,
    ) -> Result<(), ActivationError> {
        if self.exporter() != *exporter {
            return Err(ActivationError::OtherExporter {
                granting: self.exporter(),
            });
        }
        if self.subject != *importer {
            return Err(ActivationError::OtherImporter {
                granted: self.subject,
            });
        }
        if self.shared != shared {
            return Err(ActivationError::OtherKind { granted: self.shared });
        }
        if !self.import_subject.as_filter().contains(subject) {
            return Err(ActivationError::OtherSubject {
                granted: self.import_subject.clone(),
            });
        }
        Ok(())
    }

    /// The signed token.
    pub fn encode(&self, signer: &Signer) -> Result<String, EncodeError> {
        let nats = RawActivation {
            subject: self.import_subject.to_string(),
            shared: self.shared.as_str().into(),
            issuer_account: self.issuer_account,
            kind: RawActivation::TYPE.into(),
            version: VERSION,
        };
        let envelope = Envelope {
            exp: self.expires_at.unwrap_or(0),
            jti: String::new(),
            iat: self.issued_at,
            iss: self.issuer,
            name: self.name.clone(),
            nbf: self.not_before.unwrap_or(0),
            sub: self.subject,
            nats,
        };
        token::encode(envelope, signer)
    }

    /// Reads a token whose issuer signed it. Whether that issuer counts, and when, is for
    /// whoever knows the exporter's document.
    pub fn decode(token: &str) -> Result<Self, TokenError> {
        let envelope = token::decode::<RawActivation>(token)?;
        let nats = envelope.nats;
        if let Some(account) = &nats.issuer_account {
            expect_role("issuer_account", account, KeyKind::Account)?;
        }
        let shared = Shared::parse(&nats.shared)
            .ok_or_else(|| TokenError::Claims(format!("kind is {:?}", excerpt(&nats.shared))))?;
        let import_subject = filter(&nats.subject).map_err(|error: SubjectError| {
            TokenError::Claims(format!("subject {:?}: {error}", excerpt(&nats.subject)))
        })?;
        Ok(Self {
            issuer: envelope.iss,
            subject: envelope.sub,
            name: envelope.name,
            issued_at: envelope.iat,
            expires_at: time_or_none(envelope.exp),
            not_before: time_or_none(envelope.nbf),
            issuer_account: nats.issuer_account,
            import_subject,
            shared,
        })
    }
}

/// An activation as it lies in an import: the token, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    token: String,
    claims: ActivationClaims,
}

impl Activation {
    /// Reads a token whose issuer signed it.
    pub fn decode(token: impl Into<String>) -> Result<Self, TokenError> {
        let token = token.into();
        let claims = ActivationClaims::decode(&token)?;
        Ok(Self { token, claims })
    }

    /// The token as it was given.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What the token says.
    pub fn claims(&self) -> &ActivationClaims {
        &self.claims
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct RawActivation {
    #[serde(default, deserialize_with = "null_as_default")]
    subject: String,
    #[serde(rename = "kind", default, deserialize_with = "null_as_default")]
    shared: String,
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    issuer_account: Option<PublicKey>,
    #[serde(rename = "type")]
    kind: String,
    version: u32,
}

impl Body for RawActivation {
    const TYPE: &'static str = "activation";
    const ISSUER: KeyKind = KeyKind::Account;
    const SUBJECT: KeyKind = KeyKind::Account;
}
