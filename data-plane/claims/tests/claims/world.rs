//! Keys with fixed seeds and the documents they sign, for every test here.

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use tollway_claims::*;

/// When everything in the tests was signed, seconds since 1970: 2027-01-15 08:00:00 UTC.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) const NONCE: &[u8] = b"Zm9vYmFyYmF6cXV4";

pub(crate) struct World {
    pub(crate) operator: Signer,
    pub(crate) operator_signing: Signer,
    pub(crate) account: Signer,
    pub(crate) account_signing: Signer,
    pub(crate) user: Signer,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            operator: Signer::generate(KeyKind::Operator, [1; 32]),
            operator_signing: Signer::generate(KeyKind::Operator, [2; 32]),
            account: Signer::generate(KeyKind::Account, [3; 32]),
            account_signing: Signer::generate(KeyKind::Account, [4; 32]),
            user: Signer::generate(KeyKind::User, [5; 32]),
        }
    }

    pub(crate) fn operator_claims(&self) -> OperatorClaims {
        OperatorClaims {
            signing_keys: vec![self.operator_signing.public()],
            ..OperatorClaims::new(self.operator.public(), "demo", NOW)
        }
    }

    pub(crate) fn account_claims(&self) -> AccountClaims {
        AccountClaims {
            signing_keys: vec![self.account_signing.public().into()],
            ..AccountClaims::new(
                self.operator_signing.public(),
                self.account.public(),
                "orders",
                NOW,
            )
        }
    }

    /// A user signed by the account's signing key.
    pub(crate) fn user_claims(&self) -> UserClaims {
        UserClaims {
            issuer_account: Some(self.account.public()),
            ..UserClaims::new(self.account_signing.public(), self.user.public(), "worker", NOW)
        }
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::from_operator_jwt(&self.operator_claims().encode(&self.operator).unwrap()).unwrap()
    }
}

/// A token with any header and claims, signed by any key.
pub(crate) fn token(header: &str, claims: &str, signer: &Signer) -> String {
    let signed = format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(header.as_bytes()),
        BASE64URL_NOPAD.encode(claims.as_bytes())
    );
    let signature = BASE64URL_NOPAD.encode(&signer.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// The claims of a token, as they stand in it.
pub(crate) fn claims_of(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}
