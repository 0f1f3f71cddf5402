//! How documents become what crosses between accounts.
//!
//! ```text
//! document ─▶ Exchange (compiled; what does not compile is refused) ─▶ Links (which imports work)
//!                                                      └─▶ a Crossing for each account concerned
//! ```
//!
//! # Locks
//! Documents change one at a time, under [`Shared::changes`]; nobody who holds another lock waits
//! for that one. Below it, and one at a time: the list of accounts; of *one* account its roster,
//! its subscriptions, its open requests. No one ever holds locks of two accounts. Publishers take
//! none of this file's locks: they look at a [`Crossing`], which never changes, look into one
//! account's subscriptions after the other, and open or answer a request under that table's lock
//! alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tollway_accounts::{Exchange, ImportRefusal, InvalidExchange, LinkChanges, Links};
use tollway_claims::PublicKey;

use super::account::Account;
use super::crossing::Crossing;
use super::shared::{Shared, random_seed};

/// What all documents together allow.
#[derive(Default)]
pub(crate) struct Exchanges {
    links: Links,
    /// Whom each account asks by services that work.
    asked: HashMap<PublicKey, BTreeSet<PublicKey>>,
    /// Who asks each account.
    asking: HashMap<PublicKey, BTreeSet<PublicKey>>,
    /// Accounts that need a new [`Crossing`].
    outdated: BTreeSet<PublicKey>,
}

/// Why a document was not put in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentRefused {
    /// What it shares, takes or renames makes no sense.
    #[error("what it shares, takes or renames is not acceptable")]
    Exchange(#[from] InvalidExchange),
    /// With it, requests or messages would go round in circles.
    #[error("the import of {subject} from {exporter} is not acceptable")]
    Cycle {
        /// What is imported.
        subject: String,
        /// From whom.
        exporter: PublicKey,
        /// Why that does not work.
        #[source]
        source: ImportRefusal,
    },
}

impl DocumentRefused {
    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exchange(invalid) => invalid.code(),
            Self::Cycle { source, .. } => source.code(),
        }
    }
}

/// Refused imports of one document that are logged one by one.
const LOGGED_IMPORTS_MAX: usize = 20;

impl Exchanges {
    /// The document of an account changed. Nobody is told before [`Self::publish`].
    pub(crate) fn handle_document(&mut self, exchange: Arc<Exchange>, now: i64) {
        self.handle_documents(vec![exchange], now);
    }

    /// The same of several, which costs less than one after the other.
    pub(crate) fn handle_documents(&mut self, exchanges: Vec<Arc<Exchange>>, now: i64) {
        // Their mappings may have changed alone.
        self.outdated
            .extend(exchanges.iter().map(|exchange| exchange.account()));
        let changes = self.links.handle_documents(exchanges, now);
        self.follow(changes);
    }

    /// An account is not served any more.
    pub(crate) fn handle_removal(&mut self, account: &PublicKey, now: i64) {
        let changes = self.links.handle_removal(account, now);
        self.follow(changes);
        self.note_asked(account, BTreeSet::new());
        self.outdated.remove(account);
    }

    /// Puts back what was there before a document.
    pub(crate) fn put_back(&mut self, account: &PublicKey, before: Option<Arc<Exchange>>, now: i64) {
        match before {
            Some(before) => self.handle_document(before, now),
            None => self.handle_removal(account, now),
        }
    }

    /// What an account shares, takes and renames at present.
    pub(crate) fn exchange(&self, account: &PublicKey) -> Option<Arc<Exchange>> {
        self.links.exchange(account).cloned()
    }

    /// An import of the account that would come back to it, as the documents are.
    pub(crate) fn cycle(&self, account: &PublicKey) -> Option<DocumentRefused> {
        self.links
            .imports(account)
            .find_map(|(import, outcome)| match outcome {
                Err(refusal @ (ImportRefusal::Cycle { .. } | ImportRefusal::ChainTooLong)) => {
                    Some(DocumentRefused::Cycle {
                        subject: import.subject.to_string(),
                        exporter: import.account,
                        source: refusal.clone(),
                    })
                }
                _ => None,
            })
    }

    /// Which imports of the account work, in the order of its document.
    pub(crate) fn imports_work(&self, account: &PublicKey) -> Vec<bool> {
        self.links
            .imports(account)
            .map(|(_, outcome)| outcome.is_ok())
            .collect()
    }

    /// Gives every account concerned what it looks up from now on.
    pub(crate) fn publish(&mut self, shared: &Shared) {
        for key in std::mem::take(&mut self.outdated) {
            if let Some(account) = shared.account(&key) {
                let crossing = self.crossing(shared, &key);
                if !(crossing.is_empty() && account.crossing().is_empty()) {
                    account.crossing_set(Arc::new(crossing));
                }
            }
        }
        shared.desk.deadline_set(self.links.poll_timeout());
    }

    fn follow(&mut self, changes: LinkChanges) {
        for account in &changes.imports {
            self.log_imports(account);
        }
        for account in &changes.routes {
            let routes = self.links.routes(account);
            let services = routes
                .map(|routes| routes.services.as_slice())
                .unwrap_or_default();
            let asked = services.iter().map(|route| route.exporter).collect();
            self.note_asked(account, asked);
        }
        self.outdated.extend(changes.routes);
    }

    /// Keeps both sides of who asks whom, and marks those for whom that changed.
    fn note_asked(&mut self, account: &PublicKey, asked: BTreeSet<PublicKey>) {
        let before = match asked.is_empty() {
            true => self.asked.remove(account),
            false => self.asked.insert(*account, asked.clone()),
        };
        let before = before.unwrap_or_default();
        for exporter in before.symmetric_difference(&asked) {
            let asking = self.asking.entry(*exporter).or_default();
            if asked.contains(exporter) {
                asking.insert(*account);
            } else {
                asking.remove(account);
            }
            if asking.is_empty() {
                self.asking.remove(exporter);
            }
            self.outdated.insert(*exporter);
        }
    }

    fn crossing(&self, shared: &Shared, key: &PublicKey) -> Crossing {
        let (Some(exchange), Some(routes)) = (self.links.exchange(key), self.links.routes(key)) else {
            return Crossing::default();
        };
        let accounts = shared.accounts.read();
        let led_to = routes.streams.iter().map(|route| route.importer);
        let led_to = led_to.chain(routes.services.iter().map(|route| route.exporter));
        let served = |key: PublicKey| accounts.get(&key).map(|account| (key, account.clone()));
        let of_pair = [&self.asked, &self.asking]
            .into_iter()
            .filter_map(|sides| sides.get(key));
        let partners = of_pair.flatten().filter_map(|key| accounts.get(key));
        Crossing::new(
            exchange.mappings().clone(),
            routes.clone(),
            led_to.filter_map(served).collect(),
            partners
                .map(|account| (account.requests.tag, account.clone()))
                .collect(),
            random_seed(),
            shared.desk.clone(),
        )
    }

    fn log_imports(&self, account: &PublicKey) {
        let mut refused = 0;
        for (import, outcome) in self.links.imports(account) {
            let Err(refusal) = outcome else { continue };
            refused += 1;
            if refused <= LOGGED_IMPORTS_MAX {
                tracing::info!(
                    %account,
                    exporter = %import.account,
                    subject = %import.subject,
                    code = refusal.code(),
                    reason = %refusal,
                    "an import does not work"
                );
            }
        }
    }
}

/// Time has come for some activations.
pub(crate) fn handle_timeout(shared: &Shared, now: i64) {
    let mut exchanges = shared.changes.lock();
    let changes = exchanges.links.handle_timeout(now);
    exchanges.follow(changes);
    exchanges.publish(shared);
}

/// An account is gone: what leads to others from it keeps them from being forgotten.
pub(crate) fn forget(account: &Account) {
    account.crossing_set(Arc::default());
}
