//! From the words of CONNECT to a client of an account.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use tollway_claims::{ConnectionFacts, Proof, PublicKey, SignedUser, authenticate, authenticate_known};
use tollway_wire::{ConnectOptions, ProtocolError};

use super::account::{Account, EnterError, Served};
use super::authority::Authority;
use super::client::{Client, ClientOptions, Sink};
use super::outbound::Outbound;
use super::refusals::Refusal;
use super::shared::Shared;
use super::user::{Origin, User};
use super::users::hashing::Checking;
use super::users::{Identified, Listed};
use crate::transport::Mapping;

/// A user who may use an account, and what said so.
pub(crate) struct Admission {
    pub(crate) account: Arc<Account>,
    pub(crate) user: Arc<User>,
    served: Arc<Served>,
    authority: Arc<Authority>,
}

/// What a client of the network shows.
pub(crate) struct Attempt<'a> {
    pub(crate) options: &'a ConnectOptions,
    pub(crate) facts: ConnectionFacts<'a>,
    pub(crate) nonce: &'a str,
    /// Whether its certificate says who it is.
    pub(crate) mapping: Mapping<'a>,
    pub(crate) client_ip: IpAddr,
    pub(crate) outbound: &'a Arc<Outbound>,
}

/// How far a login is.
pub(crate) enum LogIn {
    In(Arc<Client>),
    /// A password is being checked, and the connection signalled when that is done.
    Asked(Asked),
}

/// A password that is being checked, and who asked for it.
pub(crate) struct Asked {
    checking: Checking,
    authority: Arc<Authority>,
}

impl Asked {
    /// Whether the login can go on.
    pub(crate) fn is_answered(&self) -> bool {
        self.checking.is_done()
    }
}

/// Why a login is not taken.
#[derive(Debug)]
pub(crate) enum LoginError {
    Refused(Refusal),
    /// The account has as many connections as it may have.
    TooManyConnections(PublicKey),
    /// The user has as many connections as it may have.
    UserTooManyConnections(PublicKey),
}

impl LoginError {
    /// Who was refused, and the rule that decided.
    pub(crate) fn refusal(&self) -> Cow<'_, Refusal> {
        let (rule, reason, account) = match self {
            Self::Refused(refusal) => return Cow::Borrowed(refusal),
            Self::TooManyConnections(account) => (
                "account_connections",
                "the account has as many connections as it may have",
                account,
            ),
            Self::UserTooManyConnections(account) => (
                "user_connections",
                "the user has as many connections as it may have",
                account,
            ),
        };
        Cow::Owned(Refusal {
            rule,
            reason: reason.to_owned(),
            account: Some(*account),
        })
    }

    /// What the client hears: never the reason of a refusal.
    pub(crate) fn told(&self) -> ProtocolError {
        match self {
            Self::Refused(_) => ProtocolError::AuthorizationViolation,
            // The same text for both: clients come back later when they read it, and after two
            // times `Authorization Violation` they give up.
            Self::TooManyConnections(_) | Self::UserTooManyConnections(_) => {
                ProtocolError::MaximumAccountConnectionsExceeded
            }
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
    let known = shared.known_users.get(jwt);
    let user = match &known {
        Some(known) => known.user.clone(),
        None => SignedUser::decode(jwt).map_err(|error| refuse(error.code(), error.to_string(), None))?,
    };
    let named = user.account();
    let authority = shared.authority.load_full();
    let Some((authority, Authority::Operator(trust))) =
        authority.as_ref().map(|authority| (authority, &**authority))
    else {
        return Err(refuse(
            "no_trust",
            "the node has no operator to trust".into(),
            Some(named),
        ));
    };
    let (account, served) = serving(shared, &named)?;
    let rights = known
        .as_ref()
        .and_then(|known| known.rights_under(&served, authority));
    let mut user = match rights {
        Some(rights) => authenticate_known(trust, served.claims(), user, rights, facts),
        None => authenticate(trust, served.claims(), user, facts),
    }
    .map_err(|error| refuse(error.code(), error.to_string(), Some(named)))?;
    if served.is_suspended() {
        return Err(refuse(
            "account_suspended",
            "the account is suspended".into(),
            Some(named),
        ));
    }
    // Those of the control plane are made for one request each.
    if rights.is_none() && !matches!(facts.proof, Proof::FleetStream) {
        shared.common_rights.share(&mut user);
        let (signed, rights) = (user.login.user.clone(), user.rights.clone());
        shared
            .known_users
            .remember(jwt, signed, rights, &served, authority);
    }
    Ok(Admission {
        account,
        user: Arc::new(user.into()),
        served,
        authority: authority.clone(),
    })
}

fn serving(shared: &Shared, key: &PublicKey) -> Result<(Arc<Account>, Arc<Served>), Refusal> {
    let account = shared.account(key).ok_or_else(|| Refusal {
        rule: "account_not_served",
        reason: "the account is not served here".into(),
        account: Some(*key),
    })?;
    let served = account.served();
    Ok((account, served))
}

/// Logs a client of the network in: from then on it is on the account's roster,
/// and each change of the account reaches it. `asked` is what became of the last attempt
/// with the same words.
pub(crate) fn log_in(
    shared: &Shared,
    attempt: &Attempt<'_>,
    mut asked: Option<Asked>,
) -> Result<LogIn, LoginError> {
    loop {
        let authority = shared.authority.load_full();
        let identified = match authority.as_deref() {
            Some(Authority::Users(_)) => {
                identify(shared, attempt, asked.take()).map_err(LoginError::Refused)?
            }
            _ => Step::Admitted(admit_signed(shared, attempt).map_err(LoginError::Refused)?),
        };
        let admission = match identified {
            Step::Admitted(admission) => admission,
            Step::Ask(asked) => return Ok(LogIn::Asked(asked)),
        };
        let Admission {
            account,
            user,
            served,
            authority,
        } = admission;
        let options = ClientOptions {
            headers: attempt.options.headers,
            echo: attempt.options.echo,
            no_responders: attempt.options.no_responders,
            pedantic: attempt.options.pedantic,
            verbose: attempt.options.verbose,
        };
        let sink = Sink::Socket(attempt.outbound.clone());
        let client = Arc::new(Client::new(
            attempt.outbound.id,
            account.clone(),
            sink,
            options,
            user,
        ));
        let in_force = || matches!(&*shared.authority.load(), Some(now) if Arc::ptr_eq(now, &authority));
        match account.enter(&client, &served, in_force) {
            Ok(()) => return Ok(LogIn::In(client)),
            Err(EnterError::TooManyConnections) => return Err(LoginError::TooManyConnections(account.key)),
            Err(EnterError::UserTooManyConnections) => {
                return Err(LoginError::UserTooManyConnections(account.key));
            }
            // Something changed while we checked the signatures. Changes come
            // from the control plane, a few per second at most, so this ends.
            Err(EnterError::Changed | EnterError::Removed) => {}
        }
    }
}

enum Step {
    Admitted(Admission),
    Ask(Asked),
}

fn admit_signed(shared: &Shared, attempt: &Attempt<'_>) -> Result<Admission, Refusal> {
    match attempt.options.jwt.as_deref().filter(|jwt| !jwt.is_empty()) {
        Some(jwt) => admit(shared, jwt, &attempt.facts),
        None => Err(Refusal {
            rule: "jwt_missing",
            reason: "CONNECT carries no user JWT".to_owned(),
            account: None,
        }),
    }
}

/// Finds a user of the list in force, or has somebody check its password.
fn identify(shared: &Shared, attempt: &Attempt<'_>, asked: Option<Asked>) -> Result<Step, Refusal> {
    let in_force = shared.authority.load_full();
    let Some((authority, Authority::Users(users))) = in_force.as_ref().map(|all| (all, &**all)) else {
        // The authority changed this very moment.
        return admit_signed(shared, attempt).map(Step::Admitted);
    };
    // What an earlier list was asked says nothing about this one.
    let answered = asked
        .filter(|asked| Arc::ptr_eq(&asked.authority, authority))
        .and_then(|asked| asked.checking.outcome());
    let user = match answered {
        Some(outcome) => outcome?,
        None => match users.identify(
            attempt.options,
            attempt.nonce,
            attempt.facts.connection_type,
            attempt.mapping,
        )? {
            Identified::As(user) => user,
            Identified::When(question) => {
                let checking = shared
                    .hashing
                    .begin(question, attempt.client_ip, attempt.outbound);
                let authority = authority.clone();
                return Ok(Step::Ask(Asked { checking, authority }));
            }
        },
    };
    let Origin::Listed(Listed { account, .. }) = &user.origin else {
        unreachable!("a list has listed users");
    };
    let (account, served) = serving(shared, account)?;
    Ok(Step::Admitted(Admission {
        account,
        user,
        served,
        authority: authority.clone(),
    }))
}
