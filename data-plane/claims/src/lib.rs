//! Operator, account and user tokens, NKey signatures, permissions.
//!
//! Who may connect, and to what, is decided by a chain of signed documents; no
//! server has to be asked:
//!
//! ```text
//! operator identity key  ──signs──▶ operator JWT   pinned by every node (Trust)
//!        operator signing key  ──signs──▶ account JWT, statement, epoch
//!               account (signing) key  ──signs──▶ user JWT
//!                      user key  ──signs──▶ the nonce of one connection
//! ```
//!
//! [`Trust`] verifies the upper half when a document arrives, [`authenticate`]
//! the lower half when a client connects, and [`PermissionSet`] answers for
//! each message and subscription afterwards. Everything is pure: the time (in
//! seconds since 1970) and random bytes are arguments. Nothing here panics on
//! bytes from outside: what is wrong with a token is a [`TokenError`].
//!
//! ```
//! use tollway_claims::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The control plane makes keys and signs documents ...
//! let operator = Signer::generate(KeyKind::Operator, [1; 32]);
//! let account = Signer::generate(KeyKind::Account, [2; 32]);
//! let user = Signer::generate(KeyKind::User, [3; 32]);
//! let operator_jwt = OperatorClaims::new(operator.public(), "demo", 1_000).encode(&operator)?;
//! let account_jwt = AccountClaims::new(operator.public(), account.public(), "orders", 1_000).encode(&operator)?;
//! let user_jwt = UserClaims::new(account.public(), user.public(), "worker", 1_000).encode(&account)?;
//!
//! // ... and the node decides when a client shows its JWT and signs the nonce.
//! let trust = Trust::from_operator_jwt(&operator_jwt)?;
//! let served = trust.verify_account(&account_jwt, 1_001)?;
//! let shown = SignedUser::decode(&user_jwt)?;
//! assert_eq!(shown.account(), served.subject);
//! let signature = encode_signature(&user.sign(b"nonce"));
//! let facts = ConnectionFacts {
//!     proof: Proof::Nonce { nonce: b"nonce", signature: Some(&signature) },
//!     client_ip: None,
//!     connection_type: ConnectionType::Standard,
//!     now: 1_001,
//! };
//! let authenticated = authenticate(&trust, &served, shown, &facts)?;
//! assert!(authenticated.permissions.may_publish(b"orders.new").is_allowed());
//! # Ok(())
//! # }
//! ```

mod account;
mod activation;
mod authenticate;
mod connection;
mod creds;
mod enforced;
mod epoch;
mod exchange;
mod export;
mod import;
mod json;
mod limit;
mod mapping;
mod nkey;
mod operator;
mod permission_set;
mod permissions;
mod rate;
mod responses;
mod rule_list;
mod signed_user;
mod statement;
mod template;
mod token;
mod trust;
mod user;

pub use account::{
    AccountClaims, AccountSigningKey, AuthCallout, NatsLimits, Revocations, Scope, TollwayClaim,
    TollwayLimits,
};
pub use activation::{Activation, ActivationClaims, ActivationError};
pub use authenticate::{
    AuthError, AuthenticatedUser, ConnectionFacts, Proof, Rights, SignedLogin, authenticate,
    authenticate_known, encode_signature, reauthenticate, verify_nonce,
};
pub use connection::{Cidr, ConnectionType, InvalidCidr, InvalidTimeWindow, TimeWindow};
pub use creds::{CredsError, UserCreds};
pub use enforced::{Enforced, Feature};
pub use epoch::EpochClaims;
pub use exchange::{
    DESTINATIONS_MAX, EXPORTS_MAX, ExchangeError, IMPORTS_MAX, INFO_BYTES_MAX, MAPPINGS_MAX, NestedExports,
    SUBJECT_BYTES_MAX, Shared, SubjectError,
};
pub use export::{
    Export, ExportError, ExportKind, LatencySampling, ResponseType, ServiceLatency, ServiceTerms,
};
pub use import::{Import, ImportError, ImportKind, LocalSubject, LocalSubjectError};
pub use limit::{InvalidLimit, Limit};
pub use mapping::{Destination, MappingError, Mappings, WEIGHT_WHOLE};
pub use nkey::{KeyError, KeyKind, PublicKey, SignatureMismatch, Signer};
pub use operator::OperatorClaims;
pub use permission_set::{DecidingRule, Decision, PermissionError, PermissionSet};
pub use permissions::{Permissions, ResponsePermission, Rules};
pub use rate::{InvalidRate, Rate, RateLimit, Rates, UserShare};
pub use responses::{RESPONSE_GRANT_BYTES_MAX, RESPONSE_GRANTS_MAX, ResponseGrants};
pub use signed_user::{SignedUser, UserIdentity};
pub use statement::StatementClaims;
pub use template::{TEMPLATE_RULE_BYTES_MAX, TEMPLATE_RULES_MAX, TemplateError};
pub use token::{EncodeError, TOKEN_BYTES_MAX, TokenError};
pub use trust::{AccountDocument, Trust, TrustError};
pub use user::{USER_BYTES_MAX, UserClaims, UserLimits};
