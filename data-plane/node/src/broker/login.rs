//! From the words of CONNECT to a client of an account.

use std::sync::Arc;

use tollway_claims::{AuthenticatedUser, ConnectionFacts, PublicKey, SignedUser, authenticate};
use tollway_wire::ProtocolError;

use super::account::{Account, EnterError, Served, same_trust};
use super::client::{Client, ClientOptions, Sink};
use super::refusals::Refusal;
use super::shared::Shared;

/// A user who may use an account, and the documents that said so.
pub(crate) struct Admission {
    pub(crate) account: Arc<Account>,
    pub(crate) user: AuthenticatedUser,
    served: Arc<Served>,
    trust: Arc<tollway_claims::Trust>,
}

/// Why a login is not taken.
#[derive(Debug)]
pub(crate) enum LoginError {
    Refused(Refusal),
    /// The account has as many connections as it may have.
    TooManyConnections(PublicKey),
}

impl LoginError {
    /// What the client hears: never the reason of a refusal.
    pub(crate) fn told(&self) -> ProtocolError {
        match self {
            Self::Refused(_) => ProtocolError::AuthorizationViolation,
            Self::TooManyConnections(_) => ProtocolError::MaximumAccountConnectionsExceeded,
        }
    }
}

/// Decides whether the user of this JWT may use its account now.
pub(crate) fn admit(shared: &Shared, jwt: &str, facts: &ConnectionFacts<'_>) -> Result<Admission, Refusal> {
    let refuse = |rule, reason: String, account| Refusal {
        rule,
        reason,
        account,
    };
    let user = SignedUser::decode(jwt).map_err(|error| refuse(error.code(), error.to_string(), None))?;
    let named = user.account();
    let Some(trust) = shared.trust.load_full() else {
        return Err(refuse(
            "no_trust",
            "the node has no operator to trust yet".into(),
            Some(named),
        ));
    };
    let Some(account) = shared.account(&named) else {
        return Err(refuse(
            "account_not_served",
            "the account is not served here".into(),
            Some(named),
        ));
    };
    let served = account.served();
    let user = authenticate(&trust, served.claims(), user, facts)
        .map_err(|error| refuse(error.code(), error.to_string(), Some(named)))?;
    if served.is_suspended() {
        return Err(refuse(
            "account_suspended",
            "the account is suspended".into(),
            Some(named),
        ));
    }
    Ok(Admission {
        account,
        user,
        served,
        trust,
    })
}

/// Logs a client of the network in: from then on it is on the account's roster,
/// and each change of the account reaches it.
pub(crate) fn log_in(
    shared: &Shared,
    jwt: &str,
    facts: &ConnectionFacts<'_>,
    id: u64,
    options: ClientOptions,
    sink: impl Fn() -> Sink,
) -> Result<Arc<Client>, LoginError> {
    loop {
        let admission = admit(shared, jwt, facts).map_err(LoginError::Refused)?;
        let Admission {
            account,
            user,
            served,
            trust,
        } = admission;
        let client = Arc::new(Client::new(id, account.clone(), sink(), options, Arc::new(user)));
        let in_force = || same_trust(&shared.trust.load(), &trust);
        match account.enter(&client, &served, in_force) {
            Ok(()) => return Ok(client),
            Err(EnterError::TooManyConnections) => return Err(LoginError::TooManyConnections(account.key)),
            // Something changed while we checked the signatures. Changes come
            // from the control plane, a few per second at most, so this ends.
            Err(EnterError::Changed | EnterError::Removed) => {}
        }
    }
}
