//! User JWTs: what an account says about one of its users.

use tollway_claims::{
    ConnectionType, EncodeError, KeyKind, Permissions, PublicKey, ResponsePermission, Rules, Signer,
    UserClaims, UserCreds,
};
use tollway_model::UserId;

use crate::{bounds::USER_JWT_BYTES_MAX, secrets::random_array};

/// The connection type of requests that the control plane makes inside an account.
pub const IN_PROCESS: &str = ConnectionType::InProcess.as_str();

/// What a user token says beside the user's key.
#[derive(Debug, Clone)]
pub struct UserTokenSource {
    /// The account's identity.
    pub account: PublicKey,
    /// For people.
    pub name: String,
    /// Whose credentials they are: a limit per user is shared by all that were issued for it.
    pub user: Option<UserId>,
    /// What the user may do.
    pub permissions: tollway_model::Permissions,
    /// From when on it is void, seconds since 1970; `None` is no end.
    pub expires_at: Option<i64>,
    /// How the user may connect; every way when empty.
    pub connection_types: Vec<String>,
}

/// Credentials that nobody could connect with: their JWT is too long for CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the user's JWT would have {bytes} bytes and may have {USER_JWT_BYTES_MAX}, so that it fits into CONNECT: \
     name fewer or shorter filters"
)]
pub struct UserTokenTooLarge {
    /// How long it would be.
    pub bytes: usize,
}

/// Whether the JWT of a client leaves room in CONNECT for everything else.
pub fn check_size(jwt: &str) -> Result<(), UserTokenTooLarge> {
    match jwt.len() {
        ..=USER_JWT_BYTES_MAX => Ok(()),
        bytes => Err(UserTokenTooLarge { bytes }),
    }
}

impl UserTokenSource {
    /// Makes a fresh key for the user and a JWT for it, signed by the account's
    /// signing key. What is returned holds the only copy of the key.
    pub fn issue(&self, account: &Signer, now: i64) -> Result<UserCreds, EncodeError> {
        let signer = Signer::generate(KeyKind::User, random_array());
        let mut claims = UserClaims::new(account.public(), signer.public(), &self.name, now);
        claims.issuer_account = Some(self.account);
        claims.user = self.user.map(|user| user.to_string());
        claims.expires_at = self.expires_at;
        claims.limits.permissions = claimed(&self.permissions);
        claims
            .limits
            .allowed_connection_types
            .clone_from(&self.connection_types);
        Ok(UserCreds {
            jwt: claims.encode(account)?,
            signer,
        })
    }
}

/// The claim's form of our permissions.
fn claimed(permissions: &tollway_model::Permissions) -> Permissions {
    let lists = permissions.lists();
    Permissions {
        publish: Rules {
            allow: lists.publish_allow.clone(),
            deny: lists.publish_deny.clone(),
        },
        subscribe: Rules {
            allow: lists.subscribe_allow.clone(),
            deny: lists.subscribe_deny.clone(),
        },
        // Beside it an empty list allows nothing else, in NATS and so in our API.
        responses: lists.allow_responses.then(ResponsePermission::default),
    }
}

#[cfg(test)]
mod tests {
    use tollway_claims::{
        AccountClaims, ConnectionFacts, OperatorClaims, PermissionSet, Proof, SignedUser, Trust,
        authenticate, encode_signature,
    };
    use tollway_model::PermissionLists;

    use super::*;

    fn permissions(lists: PermissionLists) -> tollway_model::Permissions {
        tollway_model::Permissions::new(lists).unwrap()
    }

    fn source(account: &Signer) -> UserTokenSource {
        UserTokenSource {
            account: account.public(),
            name: "worker".into(),
            user: Some(UserId::new(1, [7; 10])),
            permissions: permissions(PermissionLists::default()),
            expires_at: Some(2_000),
            connection_types: Vec::new(),
        }
    }

    #[test]
    fn issued_creds_let_their_holder_in_until_they_end() {
        let operator = Signer::generate(KeyKind::Operator, [1; 32]);
        let (account, signing) = (
            Signer::generate(KeyKind::Account, [2; 32]),
            Signer::generate(KeyKind::Account, [3; 32]),
        );
        let operator_jwt = OperatorClaims::new(operator.public(), "demo", 1)
            .encode(&operator)
            .unwrap();
        let trust = Trust::from_operator_jwt(&operator_jwt).unwrap();
        let mut claims = AccountClaims::new(operator.public(), account.public(), "orders", 1);
        claims.signing_keys = vec![signing.public().into()];

        let issued = source(&account).issue(&signing, 1_000).unwrap();
        let creds = UserCreds::parse(&issued.format()).unwrap();
        let signature = encode_signature(&creds.signer.sign(b"nonce"));
        let connect = |now| {
            let facts = ConnectionFacts {
                proof: Proof::Nonce {
                    nonce: b"nonce",
                    signature: Some(&signature),
                },
                client_ip: None,
                connection_type: ConnectionType::Standard,
                now,
            };
            authenticate(&trust, &claims, SignedUser::decode(&creds.jwt).unwrap(), &facts)
        };
        assert!(connect(1_999).is_ok());
        assert!(connect(2_001).is_err());
    }

    #[test]
    fn each_issuance_has_a_key_of_its_own() {
        let account = Signer::generate(KeyKind::Account, [2; 32]);
        let key = || source(&account).issue(&account, 1_000).unwrap().signer.public();
        assert_ne!(key(), key());
    }

    #[test]
    fn all_issuances_of_a_user_say_whose_they_are() {
        let account = Signer::generate(KeyKind::Account, [2; 32]);
        let source = source(&account);
        for _ in 0..2 {
            let claims = UserClaims::decode(&source.issue(&account, 1_000).unwrap().jwt).unwrap();
            assert_eq!(claims.user, source.user.map(|user| user.to_string()));
        }
    }

    #[test]
    fn leave_to_respond_beside_an_empty_list_is_leave_for_nothing_else() {
        let may_publish = |lists| {
            PermissionSet::compile(&claimed(&permissions(lists)))
                .unwrap()
                .may_publish(b"orders.new")
                .is_allowed()
        };
        assert!(may_publish(PermissionLists::default()));
        assert!(!may_publish(PermissionLists {
            allow_responses: true,
            ..Default::default()
        }));
        assert!(may_publish(PermissionLists {
            allow_responses: true,
            publish_allow: vec!["orders.>".into()],
            ..Default::default()
        }));
    }

    #[test]
    fn jwt_that_leaves_no_room_in_connect_is_too_large() {
        assert_eq!(check_size(&"x".repeat(3_072)), Ok(()));
        let error = check_size(&"x".repeat(3_073)).unwrap_err();
        assert!(
            error.to_string().contains("3073") && error.to_string().contains("3072"),
            "{error}"
        );
    }

    #[test]
    fn lists_travel_as_they_are() {
        let lists = PermissionLists {
            publish_allow: vec!["orders.>".into()],
            publish_deny: vec!["orders.secret".into()],
            subscribe_allow: vec!["orders.* workers".into()],
            subscribe_deny: vec!["_INBOX.>".into()],
            allow_responses: false,
        };
        let set = PermissionSet::compile(&claimed(&permissions(lists))).unwrap();
        assert!(set.may_publish(b"orders.new").is_allowed());
        assert!(!set.may_publish(b"orders.secret").is_allowed());
        assert!(!set.may_publish(b"other").is_allowed());
    }
}
