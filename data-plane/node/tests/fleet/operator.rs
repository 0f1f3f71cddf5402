//! The operator's keys and what they sign.

use tollway_claims::{
    AccountClaims, EpochClaims, Export, Import, KeyKind, Limit, OperatorClaims, PublicKey, Signer,
    StatementClaims, TollwayClaim, TollwayLimits, UserClaims,
};
use tollway_node::unix_clock::unix_now;
use tollway_proto::fleet::AccountDocument;

use crate::random;

/// The cell that nodes enrol for.
pub(crate) const CELL: &str = "cel_1";

pub(crate) struct Operator {
    pub(crate) identity: Signer,
    pub(crate) signing: Signer,
}

impl Operator {
    pub(crate) fn new() -> Self {
        Self {
            identity: Signer::generate(KeyKind::Operator, random()),
            signing: Signer::generate(KeyKind::Operator, random()),
        }
    }

    /// Says that `signing` speaks for it.
    pub(crate) fn jwt(&self, issued_at: i64) -> String {
        let mut claims = OperatorClaims::new(self.identity.public(), "test", issued_at);
        claims.signing_keys = vec![self.signing.public()];
        claims.encode(&self.identity).expect("encodes")
    }

    /// Says that this epoch of the cell has begun.
    pub(crate) fn epoch(&self, epoch: u64) -> String {
        let claims = EpochClaims {
            issuer: self.signing.public(),
            cell: CELL.into(),
            epoch,
            issued_at: unix_now(),
        };
        claims.encode(&self.signing).expect("encodes")
    }
}

pub(crate) struct Account {
    pub(crate) signer: Signer,
    pub(crate) version: u64,
    pub(crate) connections: Limit,
    pub(crate) suspended: Option<String>,
    pub(crate) revoked: Vec<(PublicKey, i64)>,
    pub(crate) exports: Vec<Export>,
    pub(crate) imports: Vec<Import>,
}

impl Account {
    pub(crate) fn new() -> Self {
        Self {
            signer: Signer::generate(KeyKind::Account, random()),
            version: 1,
            connections: Limit::Unlimited,
            suspended: None,
            revoked: Vec::new(),
            exports: Vec::new(),
            imports: Vec::new(),
        }
    }

    pub(crate) fn key(&self) -> String {
        self.signer.public().to_string()
    }

    pub(crate) fn document(&self, operator: &Operator) -> AccountDocument {
        self.document_signed_by(&operator.signing)
    }

    pub(crate) fn document_signed_by(&self, signer: &Signer) -> AccountDocument {
        let (issuer, subject) = (signer.public(), self.signer.public());
        let mut claims = AccountClaims::new(issuer, subject, "account", unix_now());
        let limits = TollwayLimits {
            connections: self.connections,
            subscriptions: Limit::Unlimited,
        };
        claims.tollway = Some(TollwayClaim::new(self.version, limits));
        claims.exports.clone_from(&self.exports);
        claims.imports.clone_from(&self.imports);
        for (user, until) in &self.revoked {
            claims.revocations.revoke(*user, *until);
        }
        let statement = StatementClaims {
            issuer,
            subject,
            issued_at: unix_now(),
            version: self.version,
            suspended: self.suspended.clone(),
        };
        AccountDocument {
            account: self.key(),
            account_jwt: claims.encode(signer).expect("encodes"),
            statement_jwt: statement.encode(signer).expect("encodes"),
        }
    }

    pub(crate) fn user(&self) -> User {
        let signer = Signer::generate(KeyKind::User, random());
        let claims = UserClaims::new(self.signer.public(), signer.public(), "user", unix_now());
        User {
            jwt: claims.encode(&self.signer).expect("encodes"),
            signer,
        }
    }
}

pub(crate) struct User {
    pub(crate) signer: Signer,
    pub(crate) jwt: String,
}
