//! An account's signed document: its JWT, and the statement that travels beside it.

use tollway_claims::{
    AccountClaims, EncodeError, InvalidLimit, Limit, NatsLimits, PublicKey, Signer, StatementClaims,
    TollwayClaim, TollwayLimits,
};

/// Everything the document of one account depends on.
#[derive(Debug, Clone)]
pub struct AccountDocumentSource {
    /// The account's identity.
    pub account: PublicKey,
    /// The key that signs the account's users.
    pub signing_key: PublicKey,
    /// For people.
    pub name: String,
    /// -1 is unlimited.
    pub connections_max: i64,
    /// Subscriptions of all connections together; -1 is unlimited.
    pub subscriptions_max: i64,
    /// -1 is unlimited.
    pub payload_bytes_max: i64,
    /// User keys and the second until which (inclusive) tokens for them are void.
    pub revocations: Vec<(PublicKey, i64)>,
    /// Why nobody may be connected; `None` when the account is served.
    pub suspended: Option<String>,
    /// Grows with each change of the account.
    pub version: u64,
}

/// What a cell is given about one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDocument {
    /// The account JWT, which stock servers understand as well.
    pub account_jwt: String,
    /// What an account JWT has no words for, of the same version.
    pub statement_jwt: String,
}

/// Rows that make no document. Rows are checked before they are written, so this is a bug or a changed row.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A number is no limit.
    #[error("failed to read the account's {field}")]
    Limit {
        /// The column's name.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: InvalidLimit,
    },
    /// The token cannot be signed.
    #[error("failed to sign the {document}")]
    Sign {
        /// Which token.
        document: &'static str,
        /// What the codec says.
        #[source]
        source: EncodeError,
    },
}

impl AccountDocumentSource {
    /// Compiles and signs; `operator` is the operator's signing key, `now` is in seconds since 1970.
    pub fn compile(&self, operator: &Signer, now: i64) -> Result<AccountDocument, CompileError> {
        let limit =
            |field, value| Limit::try_from(value).map_err(|source| CompileError::Limit { field, source });
        let connections = limit("connections_max", self.connections_max)?;
        let subscriptions = limit("subscriptions_max", self.subscriptions_max)?;
        let mut claims = AccountClaims::new(operator.public(), self.account, &self.name, now);
        claims.limits = NatsLimits {
            // A stock server counts per connection; the account-wide total is in our own claim.
            subscriptions,
            connections,
            payload: limit("payload_bytes_max", self.payload_bytes_max)?,
            ..NatsLimits::unlimited()
        };
        claims.signing_keys = vec![self.signing_key.into()];
        // Where nobody is let in, nobody has to be named; the next document that lets users in names them
        // again. So an account can be suspended and deleted however much was revoked in it.
        if self.suspended.is_none() {
            for (user, until) in &self.revocations {
                claims.revocations.revoke(*user, *until);
            }
        }
        let limits = TollwayLimits {
            connections,
            subscriptions,
        };
        claims.tollway = Some(TollwayClaim::new(self.version, limits));
        let statement = StatementClaims {
            issuer: operator.public(),
            subject: self.account,
            issued_at: now,
            version: self.version,
            suspended: self.suspended.clone(),
        };
        let sign = |document| move |source| CompileError::Sign { document, source };
        Ok(AccountDocument {
            account_jwt: claims.encode(operator).map_err(sign("account JWT"))?,
            statement_jwt: statement.encode(operator).map_err(sign("account statement"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use tollway_claims::{KeyKind, OperatorClaims, Trust};

    use super::*;

    fn operator() -> (Signer, Trust) {
        let identity = Signer::generate(KeyKind::Operator, [1; 32]);
        let signing = Signer::generate(KeyKind::Operator, [2; 32]);
        let mut claims = OperatorClaims::new(identity.public(), "demo", 1_000);
        claims.signing_keys = vec![signing.public()];
        let trust = Trust::from_operator_jwt(&claims.encode(&identity).unwrap()).unwrap();
        (signing, trust)
    }

    fn source() -> AccountDocumentSource {
        AccountDocumentSource {
            account: Signer::generate(KeyKind::Account, [3; 32]).public(),
            signing_key: Signer::generate(KeyKind::Account, [4; 32]).public(),
            name: "orders".into(),
            connections_max: 10,
            subscriptions_max: 200,
            payload_bytes_max: -1,
            revocations: Vec::new(),
            suspended: None,
            version: 7,
        }
    }

    #[test]
    fn a_node_that_pinned_the_operator_reads_back_what_the_rows_say() {
        let (signing, trust) = operator();
        let user = Signer::generate(KeyKind::User, [5; 32]).public();
        let source = AccountDocumentSource {
            revocations: vec![(user, 1_500)],
            ..source()
        };
        let document = source.compile(&signing, 2_000).unwrap();
        let claims = trust.verify_account(&document.account_jwt, 2_001).unwrap();
        assert_eq!(claims.version(), Some(7));
        assert_eq!(claims.limits.connections, Limit::AtMost(10));
        assert_eq!(claims.limits.payload, Limit::Unlimited);
        assert_eq!(
            claims.tollway.as_ref().unwrap().limits.subscriptions,
            Limit::AtMost(200)
        );
        assert!(claims.signing_key(&source.signing_key).is_some());
        assert!(claims.is_revoked(&user, 1_500) && !claims.is_revoked(&user, 1_501));
        assert_eq!(
            claims.expires_at, None,
            "an outage of the control plane must cut nobody off"
        );
        let statement = trust.verify_statement(&document.statement_jwt, 2_001).unwrap();
        assert_eq!((statement.version, statement.suspended), (7, None));
    }

    #[test]
    fn suspension_travels_in_the_statement() {
        let (signing, trust) = operator();
        let source = AccountDocumentSource {
            suspended: Some("unpaid".into()),
            ..source()
        };
        let document = source.compile(&signing, 2_000).unwrap();
        let statement = trust.verify_statement(&document.statement_jwt, 2_001).unwrap();
        assert_eq!(statement.suspended.as_deref(), Some("unpaid"));
    }

    #[test]
    fn document_that_lets_nobody_in_is_small_whatever_was_revoked() {
        let (signing, _) = operator();
        let revocations = (0..12_000_u32)
            .map(|number| {
                let mut seed = [0; 32];
                seed[..4].copy_from_slice(&number.to_le_bytes());
                (Signer::generate(KeyKind::User, seed).public(), 1_700_000_000)
            })
            .collect();
        let mut source = AccountDocumentSource {
            revocations,
            ..source()
        };
        assert!(matches!(
            source.compile(&signing, 2_000),
            Err(CompileError::Sign { .. })
        ));
        source.suspended = Some("unpaid".into());
        let document = source.compile(&signing, 2_000).unwrap();
        assert!(document.account_jwt.len() < 2_000);
    }

    #[test]
    fn the_same_rows_at_the_same_time_make_the_same_document() {
        let (signing, _) = operator();
        assert_eq!(
            source().compile(&signing, 2_000).unwrap(),
            source().compile(&signing, 2_000).unwrap()
        );
    }

    #[test]
    fn numbers_that_are_no_limits_make_no_document() {
        let (signing, _) = operator();
        let source = AccountDocumentSource {
            connections_max: -2,
            ..source()
        };
        assert!(matches!(
            source.compile(&signing, 2_000),
            Err(CompileError::Limit {
                field: "connections_max",
                ..
            })
        ));
    }
}
