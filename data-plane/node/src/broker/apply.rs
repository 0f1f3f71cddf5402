//! What a changed document means for clients that are connected already.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tollway_accounts::Exchange;
use tollway_claims::{
    AccountDocument, AccountSigningKey, AuthError, PublicKey, SignedLogin, Trust, reauthenticate,
};
use tollway_wire::ProtocolError;

use super::ConfiguredAccount;
use super::account::{Account, Roster, Served};
use super::authority::Authority;
use super::bounds::OPEN_REQUESTS_MEMORY_PART;
use super::client::Client;
use super::close_reason::CloseReason;
use super::exchange::{self, DocumentRefused, Exchanges};
use super::shared::Shared;
use super::system;
use super::user::{Origin, User};
use super::users::{Listed, UserList};

/// Puts a document in force and has live clients follow it. Imports that would form a cycle do not work.
pub(crate) fn account_apply(
    shared: &Shared,
    document: AccountDocument,
    now: i64,
) -> Result<(), DocumentRefused> {
    let exchange = Exchange::compile(&document.claims, None)?;
    let mut exchanges = shared.changes.lock();
    exchanges.handle_document(Arc::new(exchange), now);
    put_in_force(shared, &mut exchanges, vec![document], now);
    Ok(())
}

/// Puts all of these documents in force that can be. Those are not whose own imports are new and
/// would, together with all the others, form a cycle: their accounts keep what they had.
pub(crate) fn accounts_apply(
    shared: &Shared,
    documents: Vec<AccountDocument>,
    now: i64,
) -> Vec<(PublicKey, DocumentRefused)> {
    let mut refused = Vec::new();
    let mut accepted = Vec::with_capacity(documents.len());
    let mut before = HashMap::new();
    let mut compiled = Vec::with_capacity(documents.len());
    let mut exchanges = shared.changes.lock();
    for document in documents {
        let account = document.claims.subject;
        match Exchange::compile(&document.claims, None) {
            Ok(exchange) => {
                before
                    .entry(account)
                    .or_insert_with(|| exchanges.exchange(&account));
                compiled.push(Arc::new(exchange));
                accepted.push(document);
            }
            Err(error) => refused.push((account, error.into())),
        }
    }
    exchanges.handle_documents(compiled, now);
    loop {
        let cycles: HashMap<PublicKey, DocumentRefused> = accepted
            .iter()
            .filter(|document| has_new_imports(shared, document))
            .map(|document| document.claims.subject)
            .filter_map(|account| exchanges.cycle(&account).map(|cycle| (account, cycle)))
            .collect();
        if cycles.is_empty() {
            break;
        }
        accepted.retain(|document| !cycles.contains_key(&document.claims.subject));
        for (account, cycle) in cycles {
            let before = before.remove(&account).flatten();
            exchanges.put_back(&account, before, now);
            refused.push((account, cycle));
        }
    }
    put_in_force(shared, &mut exchanges, accepted, now);
    refused
}

fn has_new_imports(shared: &Shared, document: &AccountDocument) -> bool {
    shared
        .account(&document.claims.subject)
        .is_none_or(|account| account.served().claims().imports != document.claims.imports)
}

/// In the order of stock servers: what crosses first, then the account itself and its clients.
fn put_in_force(shared: &Shared, exchanges: &mut Exchanges, documents: Vec<AccountDocument>, now: i64) {
    let mut changed = Vec::with_capacity(documents.len());
    for document in documents {
        let key = document.claims.subject;
        let served = Served::from(document);
        match shared.account(&key) {
            Some(account) => changed.push((account, served)),
            None => insert(shared, key, &key.to_string(), served),
        }
    }
    exchanges.publish(shared);
    system::follow(shared);
    for (account, served) in changed {
        account.change(Some(served), |roster, served| {
            revisit(shared, roster, served, now)
        });
    }
}

fn insert(shared: &Shared, key: PublicKey, label: &str, served: Served) {
    let account = Account::new(
        key,
        label.into(),
        shared.next_id(),
        shared.meters_of(&key),
        shared.memory_of_account(),
        served,
        shared.settings.account_memory_max / OPEN_REQUESTS_MEMORY_PART,
    );
    let account = Arc::new(account);
    system::service::open(&shared.system, &account, shared.next_id());
    shared.accounts.write().insert(key, account);
}

/// Puts a whole configuration in force. New accounts are there before the users that are let into
/// them, and old ones until nobody is let in any more.
pub(crate) fn configure(shared: &Shared, authority: Authority, accounts: Vec<ConfiguredAccount>, now: i64) {
    let mut exchanges = shared.changes.lock();
    let mut gone: HashSet<PublicKey> = shared.accounts.read().keys().copied().collect();
    let mut changed = Vec::new();
    let mut compiled = Vec::with_capacity(accounts.len());
    for account in accounts {
        let key = account.claims.subject;
        compiled.push(Arc::new(account.exchange));
        let served = Served::from(account.claims);
        match shared.account(&key) {
            Some(known) => changed.push((known, served)),
            None => insert(shared, key, &account.name, served),
        }
        gone.remove(&key);
    }
    exchanges.handle_documents(compiled, now);
    for key in &gone {
        exchanges.handle_removal(key, now);
    }
    exchanges.publish(shared);
    shared.authority.store(Some(Arc::new(authority)));
    system::follow(shared);
    for (account, served) in changed {
        account.change(Some(served), |roster, served| {
            revisit(shared, roster, served, now)
        });
    }
    for key in gone {
        remove(shared, &key);
    }
}

/// Stops serving an account.
pub(crate) fn account_remove(shared: &Shared, key: &PublicKey, now: i64) {
    let mut exchanges = shared.changes.lock();
    exchanges.handle_removal(key, now);
    exchanges.publish(shared);
    remove(shared, key);
    system::follow(shared);
}

fn remove(shared: &Shared, key: &PublicKey) {
    let Some(account) = shared.accounts.write().remove(key) else {
        return;
    };
    exchange::forget(&account);
    system::service::close(&account);
    account.change(None, |roster, _| {
        roster.removed = true;
        evict_all(roster, &told(ProtocolError::AccountAuthenticationExpired));
    });
}

/// Puts other trust in force and has all live clients follow it.
pub(crate) fn trust_set(shared: &Shared, trust: Trust, now: i64) {
    let _one_at_a_time = shared.changes.lock();
    shared.authority.store(Some(Arc::new(Authority::Operator(trust))));
    system::follow(shared);
    let accounts: Vec<_> = shared.accounts.read().values().cloned().collect();
    for account in accounts {
        account.change(None, |roster, served| revisit(shared, roster, served, now));
    }
}

/// Looks at every client of an account again, in the order of stock servers:
/// the account itself, then each user, then the number of connections.
fn revisit(shared: &Shared, roster: &mut Roster, served: &Served, now: i64) {
    if served.is_suspended() {
        return evict_all(roster, &told(ProtocolError::AccountAuthenticationExpired));
    }
    // First, so that who is told to look at its limits again finds those of now.
    for client in roster.regrant(served.claims()) {
        client.order_close(told(ProtocolError::MaximumAccountConnectionsExceeded));
    }
    // Clients get in only when there is an authority, and it is never taken away.
    let Some(authority) = shared.authority.load_full() else {
        return;
    };
    roster.clients.retain(
        |_, client| match revisit_client(&authority, served, client, now) {
            Ok(()) => true,
            Err(reason) => {
                client.order_close(reason);
                false
            }
        },
    );
    while !served.limits.connections.allows(roster.clients.len() as u64) {
        // The newest go first: who was there before the limit keeps working.
        let Some((_, newest)) = roster.clients.pop_last() else {
            break;
        };
        newest.order_close(told(ProtocolError::MaximumAccountConnectionsExceeded));
    }
}

/// Has one client follow what is in force, or says why it has to go.
fn revisit_client(
    authority: &Authority,
    served: &Served,
    client: &Client,
    now: i64,
) -> Result<(), CloseReason> {
    let before = client.user();
    let user = match (authority, &before.origin) {
        (Authority::Operator(trust), Origin::Signed(login)) => {
            signed_again(trust, served, login, &before, now)?
        }
        (Authority::Users(users), Origin::Listed(listed)) => listed_again(users, served, listed)?,
        _ => return Err(told(ProtocolError::AuthorizationViolation)),
    };
    if user.limits != before.limits || user.expires_at != before.expires_at {
        client.adopt(user);
    } else {
        // The account's own limits may still have changed.
        client.order_reload();
    }
    Ok(())
}

fn signed_again(
    trust: &Trust,
    served: &Served,
    login: &SignedLogin,
    before: &User,
    now: i64,
) -> Result<Arc<User>, CloseReason> {
    let user = reauthenticate(trust, served.claims(), login, now).map_err(|error| reason_for(&error))?;
    if user.rights.limits != before.limits && is_scoped(served, login) {
        // Stock servers do the same: the client comes back and gets the new template.
        return Err(CloseReason::Withdrawn("the template of the signing key changed"));
    }
    Ok(Arc::new(user.into()))
}

fn listed_again(users: &UserList, served: &Served, before: &Listed) -> Result<Arc<User>, CloseReason> {
    let user = users
        .again(before)
        .ok_or(told(ProtocolError::AuthorizationViolation))?;
    match &user.origin {
        Origin::Listed(now) if now.account == served.claims().subject => Ok(user),
        // Closed without a word, it comes back and gets there.
        _ => Err(CloseReason::Withdrawn("the user is in another account now")),
    }
}

fn is_scoped(served: &Served, login: &SignedLogin) -> bool {
    let issuer = login.user.claims().issuer;
    matches!(
        served.claims().signing_key(&issuer),
        Some(AccountSigningKey::Scoped(_))
    )
}

/// What the protocol says to a live client whose user would not be let in any more.
fn reason_for(error: &AuthError) -> CloseReason {
    match error {
        AuthError::Revoked { .. } | AuthError::BearerRefused => {
            told(ProtocolError::UserAuthenticationRevoked)
        }
        AuthError::Expired { .. } | AuthError::OutsideTimes => told(ProtocolError::UserAuthenticationExpired),
        AuthError::AccountExpired { .. } => told(ProtocolError::AccountAuthenticationExpired),
        // A signing key that was removed and the like: closed without a word.
        _ => CloseReason::Withdrawn(error.code()),
    }
}

fn evict_all(roster: &mut Roster, reason: &CloseReason) {
    for client in std::mem::take(&mut roster.clients).values() {
        client.order_close(reason.clone());
    }
}

fn told(error: ProtocolError) -> CloseReason {
    CloseReason::Told(error)
}
