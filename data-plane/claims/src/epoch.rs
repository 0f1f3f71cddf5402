//! What the operator says when a history of a cell begins.
//!
//! Within an epoch a node takes no document that is older than the one it has.
//! In a new epoch it does, because the database was restored from a backup: so
//! whoever could begin one could bring back every document that was ever
//! signed. Therefore an epoch is begun by the key that signs documents, and by
//! nobody else: not by whoever can only carry documents to a node, or store them.

use serde::{Deserialize, Serialize};

use crate::json::object;
use crate::nkey::{KeyKind, PublicKey, Signer};
use crate::token::{self, Body, EncodeError, Envelope, TokenError, VERSION};

/// The operator's statement that an epoch of a cell has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochClaims {
    /// The operator key that signed it. A cell has no key, so the token is about this one too.
    pub issuer: PublicKey,
    /// The id of the cell.
    pub cell: String,
    /// Greater than all epochs of the cell before.
    pub epoch: u64,
    /// When it was signed, seconds since 1970.
    pub issued_at: i64,
}

impl EpochClaims {
    /// The signed token.
    pub fn encode(&self, signer: &Signer) -> Result<String, EncodeError> {
        let nats = RawEpoch {
            epoch: Inner {
                cell: self.cell.clone(),
                number: self.epoch,
            },
            kind: RawEpoch::TYPE.into(),
            version: VERSION,
        };
        let envelope = Envelope {
            exp: 0,
            jti: String::new(),
            iat: self.issued_at,
            iss: self.issuer,
            name: String::new(),
            nbf: 0,
            sub: self.issuer,
            nats,
        };
        token::encode(envelope, signer)
    }

    /// Reads a token whose issuer signed it. [`crate::Trust`] decides whether that issuer counts.
    pub fn decode(token: &str) -> Result<Self, TokenError> {
        let envelope = token::decode::<RawEpoch>(token)?;
        Ok(Self {
            issuer: envelope.iss,
            cell: envelope.nats.epoch.cell,
            epoch: envelope.nats.epoch.number,
            issued_at: envelope.iat,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct RawEpoch {
    #[serde(deserialize_with = "object")]
    epoch: Inner,
    #[serde(rename = "type")]
    kind: String,
    version: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Inner {
    cell: String,
    number: u64,
}

impl Body for RawEpoch {
    const TYPE: &'static str = "tollway_epoch";
    const ISSUER: KeyKind = KeyKind::Operator;
    const SUBJECT: KeyKind = KeyKind::Operator;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OperatorClaims, StatementClaims, Trust, TrustError};

    fn operator() -> Signer {
        Signer::generate(KeyKind::Operator, [1; 32])
    }

    fn trust() -> Trust {
        let claims = OperatorClaims::new(operator().public(), "test", 1);
        Trust::from_operator_jwt(&claims.encode(&operator()).unwrap()).unwrap()
    }

    fn epoch(signer: &Signer) -> EpochClaims {
        EpochClaims {
            issuer: signer.public(),
            cell: "cel_1".into(),
            epoch: 7,
            issued_at: 1_000,
        }
    }

    #[test]
    fn an_epoch_that_the_operator_began_is_read_back() {
        let token = epoch(&operator()).encode(&operator()).unwrap();
        assert_eq!(
            trust().verify_epoch(&token, "cel_1", 7, 2),
            Ok(epoch(&operator()))
        );
    }

    #[test]
    fn nobody_else_begins_an_epoch_nor_one_of_another_cell_or_number() {
        let stranger = Signer::generate(KeyKind::Operator, [2; 32]);
        let token = epoch(&stranger).encode(&stranger).unwrap();
        let code = |token: &str, cell, number| {
            let refused = trust().verify_epoch(token, cell, number, 2).unwrap_err();
            refused.code()
        };
        assert_eq!(code(&token, "cel_1", 7), "untrusted_issuer");
        let token = epoch(&operator()).encode(&operator()).unwrap();
        assert_eq!(code(&token, "cel_2", 7), "other_epoch_statement");
        assert_eq!(code(&token, "cel_1", 8), "other_epoch_statement");
        assert_eq!(code("", "cel_1", 7), "malformed");
        let other = StatementClaims {
            issuer: operator().public(),
            subject: Signer::generate(KeyKind::Account, [3; 32]).public(),
            issued_at: 1,
            version: 7,
            suspended: None,
        };
        let other = other.encode(&operator()).unwrap();
        assert_eq!(code(&other, "cel_1", 7), "wrong_token_type");
        let mut ended = OperatorClaims::new(operator().public(), "test", 1);
        ended.expires_at = Some(2);
        let trust = Trust::from_operator_jwt(&ended.encode(&operator()).unwrap()).unwrap();
        assert_eq!(
            trust.verify_epoch(&token, "cel_1", 7, 2),
            Err(TrustError::OperatorExpired { at: 2 })
        );
    }
}
