//! What leaves one account, where to, and how the account renames what its clients publish.
//!
//! A value that never changes: a change of any document makes new ones for the accounts that it
//! concerns ([`super::exchange`]), and each is swapped in as a whole. Publishers keep the one that
//! they saw last and look for another only when the account's generation says so, so that an
//! account without mappings, imports and exports that others use pays one look at a flag.

use std::collections::HashMap;
use std::sync::Arc;

use tollway_accounts::{Mapped, MappingTable, RouteTable, Routes, ServiceRoute};
use tollway_claims::PublicKey;

use super::account::Account;
use super::bounds::{IMPORTS_OF_MESSAGE_MAX, MAPPED_SUBJECT_MAX};
use super::denials::EVENT_PREFIX;
use super::desk::Desk;
use super::open_requests::{ANSWER_PREFIX, OpenRequest};
use super::route::is_reserved_subject;

/// Everything that one account's publishers look up beside its own subscriptions.
#[derive(Default)]
pub(crate) struct Crossing {
    mappings: Arc<MappingTable>,
    table: RouteTable,
    routes: Arc<Routes>,
    /// Where the routes lead.
    accounts: HashMap<PublicKey, Arc<Account>>,
    /// The accounts that this one asks or answers, by the tags of their open requests.
    partners: HashMap<u64, Arc<Account>>,
    /// Nothing is told without one, and nothing crosses then.
    desk: Option<Arc<Desk>>,
}

/// Where a message of a stream goes.
pub(crate) struct StreamTarget {
    pub(crate) importer: Arc<Account>,
    /// What it is called there.
    pub(crate) subject: Vec<u8>,
}

/// Where a request goes.
pub(crate) struct ServiceTarget {
    pub(crate) exporter: Arc<Account>,
    pub(crate) route: Arc<ServiceRoute>,
    /// What it is called there.
    pub(crate) subject: Vec<u8>,
}

impl Crossing {
    pub(crate) fn new(
        mappings: Arc<MappingTable>,
        routes: Arc<Routes>,
        accounts: HashMap<PublicKey, Arc<Account>>,
        partners: HashMap<u64, Arc<Account>>,
        seed: u64,
        desk: Arc<Desk>,
    ) -> Self {
        Self {
            mappings,
            table: routes.table(seed),
            routes,
            accounts,
            partners,
            desk: Some(desk),
        }
    }

    /// Whether there is nothing to look up.
    pub(crate) fn is_empty(&self) -> bool {
        self.mappings.is_empty() && self.table.is_empty() && self.partners.is_empty()
    }

    /// Whether an open request could be made now as well.
    pub(crate) fn grants(&self, request: &OpenRequest) -> bool {
        match &request.route {
            Some(route) => self.routes.services.contains(route),
            None => self
                .partners
                .values()
                .any(|partner| partner.number == request.answerer),
        }
    }

    /// Renames what a client published. False when the message goes nowhere.
    pub(crate) fn rename(&self, published: &[u8], random: u64, renamed: &mut Vec<u8>) -> bool {
        renamed.clear();
        let mut buffer = [0; MAPPED_SUBJECT_MAX];
        let mapped = match self.mappings.is_empty() || stays(published) {
            // Answers have to find their way whatever the account renames.
            true => Ok(Mapped::Unchanged),
            false => self.mappings.map(published, random, &mut buffer),
        };
        match mapped {
            Ok(Mapped::To(subject)) => renamed.extend_from_slice(subject),
            Ok(Mapped::Unchanged) => renamed.extend_from_slice(published),
            // A subject that cannot be made has no receivers.
            Ok(Mapped::Lost) | Err(_) => {
                renamed.extend_from_slice(published);
                return false;
            }
        }
        true
    }

    /// Who imports a message on `subject` as a stream.
    pub(crate) fn streams(&self, subject: &[u8]) -> Vec<StreamTarget> {
        let mut targets = Vec::new();
        if stays(subject) {
            return targets;
        }
        self.table.streams(subject, &mut |route| {
            let mut buffer = [0; MAPPED_SUBJECT_MAX];
            if let (Some(importer), Ok(local)) = (
                self.accounts.get(&route.importer),
                route.map(subject, &mut buffer),
            ) && !stays(local)
            {
                targets.push(StreamTarget {
                    importer: importer.clone(),
                    subject: local.to_vec(),
                });
            }
        });
        targets.sort_by(|a, b| (a.importer.number, &a.subject).cmp(&(b.importer.number, &b.subject)));
        let mut of_importer = (0, 0);
        targets.retain(|target| {
            let (number, count) = of_importer;
            of_importer = match number == target.importer.number {
                true => (number, count + 1),
                false => (target.importer.number, 1),
            };
            of_importer.1 <= IMPORTS_OF_MESSAGE_MAX
        });
        targets
    }

    /// Whom a message on `subject` asks.
    pub(crate) fn services(&self, subject: &[u8], visit: &mut dyn FnMut(ServiceTarget)) {
        if stays(subject) {
            return;
        }
        self.table.services(subject, &mut |route| {
            let mut buffer = [0; MAPPED_SUBJECT_MAX];
            if let (Some(exporter), Ok(exported)) = (
                self.accounts.get(&route.exporter),
                route.map(subject, &mut buffer),
            ) && !stays(exported)
            {
                visit(ServiceTarget {
                    exporter: exporter.clone(),
                    route: route.clone(),
                    subject: exported.to_vec(),
                });
            }
        });
    }

    /// The account whose open requests have this tag, if it is one that this account deals with.
    pub(crate) fn partner(&self, tag: u64) -> Option<&Arc<Account>> {
        self.partners.get(&tag)
    }

    /// Who tells and comes by later.
    pub(crate) fn desk(&self) -> Option<&Arc<Desk>> {
        self.desk.as_ref()
    }
}

/// Whether nothing crosses from this subject or to it, whatever is exported and imported: answers
/// are for who asked, an account's events are its own and told by the node alone, and the rest is
/// between servers.
pub(crate) fn stays(subject: &[u8]) -> bool {
    subject.starts_with(ANSWER_PREFIX) || subject.starts_with(EVENT_PREFIX) || is_reserved_subject(subject)
}

/// Whether something published to this subject is an answer to a request of another account.
pub(crate) fn is_answer(subject: &[u8]) -> bool {
    subject.starts_with(ANSWER_PREFIX)
}
