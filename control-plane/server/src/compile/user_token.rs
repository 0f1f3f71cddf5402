//! User JWTs: what an account says about one of its users.

use tollway_claims::{
    ConnectionType, EncodeError, KeyKind, Permissions, PublicKey, ResponsePermission, Rules, Signer, UserClaims,
    UserCreds,
};

use crate::secrets::random_array;

/// The connection type of requests that the control plane makes inside an account.
pub const IN_PROCESS: &str = ConnectionType::InProcess.as_str();

/// What a user token says beside the user's key.
#[derive(Debug, Clone)]
pub struct UserTokenSource {
    /// The account's identity.
    pub account: PublicKey,
    /// For people.
    pub name: String,
    /// What the user may do.
    pub permissions: tollway_model::Permissions,
    /// From when on it is void, seconds since 1970; `None` is no end.
    pub expires_at: Option<i64>,
    /// How the user may connect; every way when empty.
    pub connection_types: Vec<String>,
}

impl UserTokenSource {
    /// Makes a fresh key for the user and a JWT for it, signed by the account's
    /// signing key. What is returned holds the only copy of the key.
    pub fn issue(&self, account: &Signer, now: i64) -> Result<UserCreds, EncodeError> {
        let signer = Signer::generate(KeyKind::User, random_array());
        let mut claims = UserClaims::new(account.public(), signer.public(), &self.name, now);
        claims.issuer_account = Some(self.account);
        claims.expires_at = self.expires_at;
        claims.limits.permissions = claimed(&self.permissions);
        claims.limits.allowed_connection_types.clone_from(&self.connection_types);
        Ok(UserCreds { jwt: claims.encode(account)?, signer })
    }
}

/// The claim's form of our permissions.
fn claimed(permissions: &tollway_model::Permissions) -> Permissions {
    let mut publish =
        Rules { allow: permissions.publish_allow.clone(), deny: permissions.publish_deny.clone() };
    let responses = permissions.allow_responses.then(|| {
        // Beside leave to respond, an empty list would allow nothing; ours allows everything.
        if publish.allow.is_empty() {
            publish.allow.push(">".to_owned());
        }
        ResponsePermission::default()
    });
    Permissions {
        publish,
        subscribe: Rules { allow: permissions.subscribe_allow.clone(), deny: permissions.subscribe_deny.clone() },
        responses,
    }
}
