//! Which imports of which accounts work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tollway_claims::{Export, ExportKind, Import, ImportKind, PublicKey, Shared};

use crate::access::{check_access, not_exported};
use crate::components::components;
use crate::cycle::{self, Budget, Graph};
use crate::exchange::{CompiledImport, Exchange};
use crate::refusal::ImportRefusal;
use crate::route::{RESPONSE_THRESHOLD_DEFAULT, Routes, ServiceRoute, StreamRoute};

/// The exchanges of all accounts of a node, and what follows from them.
///
/// Tell it of each document that comes ([`Self::handle_document`]) or goes
/// ([`Self::handle_removal`]), and wake it when activations begin or end
/// ([`Self::poll_timeout`], [`Self::handle_timeout`]). Each answers which
/// accounts' [`Routes`] are to be replaced.
///
/// What works depends on the documents and the time alone, not on the order
/// they came in. A change looks again at the imports of the account itself,
/// at those from it, and at accounts that lead to it and are led to by it. Many documents at once
/// ([`Self::handle_documents`]) cost as much as there is in them: one by one, an account would have
/// its routes made anew for each of those who import from it.
#[derive(Debug, Default)]
pub struct Links {
    accounts: BTreeMap<PublicKey, Account>,
    /// Who imports from an account, whether that is known or not.
    importers: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
    /// When each account with activations is to be looked at again.
    deadlines: BTreeSet<(i64, PublicKey)>,
    /// How many imports were looked at.
    #[cfg(test)]
    looks: std::cell::Cell<usize>,
}

#[derive(Debug)]
struct Account {
    exchange: Arc<Exchange>,
    /// What the documents of importer and exporter say, for each import.
    granted: Vec<Result<Link, ImportRefusal>>,
    /// The same, without those that form a cycle.
    links: Vec<Result<Link, ImportRefusal>>,
    deadline: Option<i64>,
    routes: Arc<Routes>,
}

/// An import that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Messages come in.
    Stream(Arc<StreamRoute>),
    /// Requests go out.
    Service(Arc<ServiceRoute>),
}

/// What a change had for consequences. Accounts that are gone are not listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkChanges {
    /// Accounts whose routes are others now.
    pub routes: BTreeSet<PublicKey>,
    /// Accounts of whose imports one works now or does not any more, in another way or for another reason.
    pub imports: BTreeSet<PublicKey>,
}

impl Links {
    /// No accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// An account's document came, for the first time or in place of another.
    /// `now` is in seconds since 1970, here and everywhere.
    pub fn handle_document(&mut self, exchange: Arc<Exchange>, now: i64) -> LinkChanges {
        self.handle_documents([exchange], now)
    }

    /// Several documents came together; of two of one account the later one counts.
    pub fn handle_documents(
        &mut self,
        exchanges: impl IntoIterator<Item = Arc<Exchange>>,
        now: i64,
    ) -> LinkChanges {
        let exchanges = exchanges.into_iter();
        self.handle_changes(
            exchanges
                .map(|exchange| (exchange.account(), Some(exchange)))
                .collect(),
            now,
        )
    }

    /// An account is no longer served here.
    pub fn handle_removal(&mut self, account: &PublicKey, now: i64) -> LinkChanges {
        self.handle_changes(BTreeMap::from([(*account, None)]), now)
    }

    /// Time has come for some activations.
    pub fn handle_timeout(&mut self, now: i64) -> LinkChanges {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now);
        let same = due.map(|(_, account)| (*account, Some(Arc::clone(&self.known(account).exchange))));
        let same = same.collect();
        self.handle_changes(same, now)
    }

    /// When [`Self::handle_timeout`] must be called next.
    pub fn poll_timeout(&self) -> Option<i64> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// What leaves an account.
    pub fn routes(&self, account: &PublicKey) -> Option<&Arc<Routes>> {
        self.accounts.get(account).map(|known| &known.routes)
    }

    /// The compiled document of an account.
    pub fn exchange(&self, account: &PublicKey) -> Option<&Arc<Exchange>> {
        self.accounts.get(account).map(|known| &known.exchange)
    }

    /// The imports of an account in the order of its document, and whether they work.
    pub fn imports<'l>(
        &'l self,
        account: &PublicKey,
    ) -> impl Iterator<Item = (&'l Import, Result<&'l Link, &'l ImportRefusal>)> + use<'l> {
        self.accounts.get(account).into_iter().flat_map(|known| {
            let imports = known.exchange.imports().iter().map(|compiled| &compiled.import);
            imports.zip(known.links.iter().map(Result::as_ref))
        })
    }

    fn handle_changes(
        &mut self,
        documents: BTreeMap<PublicKey, Option<Arc<Exchange>>>,
        now: i64,
    ) -> LinkChanges {
        let changed: BTreeSet<PublicKey> = documents.keys().copied().collect();
        // Cycles lie among accounts that lead to each other, before the change or after it.
        let mut entangled = self.entangled_with(&changed);
        let mut to_route = changed.clone();
        for (account, exchange) in documents {
            to_route.extend(self.exporters_of(&account));
            self.replace(account, exchange, now);
        }
        let mut touched = changed.clone();
        for account in &changed {
            touched.extend(self.importers.get(account).into_iter().flatten());
        }
        for importer in &touched {
            self.grant(importer, &changed, now);
        }
        entangled.extend(self.entangled_with(&changed));
        touched.extend(&entangled);
        touched.retain(|account| self.accounts.contains_key(account));
        let mut changes = LinkChanges::default();
        for (account, links) in self.without_cycles(touched, &entangled) {
            let known = self.known_mut(&account);
            if known.links != links {
                known.links = links;
                changes.imports.insert(account);
            }
        }
        // A route lies with the exporter of a stream and with the importer of a service.
        for account in &changes.imports {
            to_route.insert(*account);
            to_route.extend(self.exporters_of(account));
        }
        for account in to_route {
            let Some(routes) = self.routes_of(&account) else {
                continue;
            };
            let known = self.known_mut(&account);
            if *known.routes != routes {
                known.routes = Arc::new(routes);
                changes.routes.insert(account);
            }
        }
        changes
    }

    /// Puts a document in place of another one. What follows from it is for the caller.
    fn replace(&mut self, account: PublicKey, exchange: Option<Arc<Exchange>>, now: i64) {
        for exporter in self.exporters_of(&account) {
            let importers = self.importers.entry(exporter).or_default();
            importers.remove(&account);
            if importers.is_empty() {
                self.importers.remove(&exporter);
            }
        }
        let before = self.accounts.remove(&account);
        if let Some(at) = before.as_ref().and_then(|before| before.deadline) {
            self.deadlines.remove(&(at, account));
        }
        let Some(exchange) = exchange else { return };
        let deadline = deadline(&exchange, now);
        self.deadlines.extend(deadline.map(|at| (at, account)));
        for compiled in exchange.imports() {
            self.importers
                .entry(compiled.import.account)
                .or_default()
                .insert(account);
        }
        // The old links stay for the comparison with the new ones.
        let (links, routes) = before.map_or_else(Default::default, |before| (before.links, before.routes));
        let known = Account {
            granted: vec![Err(ImportRefusal::ExporterUnknown); exchange.imports().len()],
            exchange,
            links,
            deadline,
            routes,
        };
        self.accounts.insert(account, known);
    }

    /// Looks at the documents again for the imports of `importer` that one of `changed` has a part in.
    fn grant(&mut self, importer: &PublicKey, changed: &BTreeSet<PublicKey>, now: i64) {
        let Some(known) = self.accounts.get(importer) else {
            return;
        };
        let exchange = Arc::clone(&known.exchange);
        for (index, compiled) in exchange.imports().iter().enumerate() {
            self.note_look();
            if changed.contains(importer) || changed.contains(&compiled.import.account) {
                let granted = self.granted(&exchange, index, now);
                self.known_mut(importer).granted[index] = granted;
            }
        }
    }

    fn granted(&self, importer: &Exchange, index: usize, now: i64) -> Result<Link, ImportRefusal> {
        let compiled = &importer.imports()[index];
        let import = &compiled.import;
        if compiled.is_duplicate {
            return Err(ImportRefusal::Duplicate);
        }
        let exporter = match self.accounts.get(&import.account) {
            Some(known) => &known.exchange,
            None => return Err(ImportRefusal::ExporterUnknown),
        };
        let offers = exporter.exports_of(import.kind.shared(), import.subject.as_filter());
        let Some(most_specific) = offers.first() else {
            return Err(not_exported(exporter, import));
        };
        // Exports may overlap. Whatever one of them asks for has to be there;
        // otherwise a public export would open a part of a private one.
        for offer in &offers {
            check_access(offer, exporter, import, importer, now)?;
        }
        Ok(link(&importer.account(), compiled, &most_specific.export))
    }

    /// The granted links of accounts, where those of a cycle are refused.
    fn without_cycles(
        &self,
        touched: BTreeSet<PublicKey>,
        entangled: &BTreeSet<PublicKey>,
    ) -> Vec<(PublicKey, Vec<Result<Link, ImportRefusal>>)> {
        let roots = entangled.intersection(&touched).copied();
        let mut among: BTreeMap<PublicKey, Arc<BTreeSet<PublicKey>>> = BTreeMap::new();
        for component in self.components(roots) {
            let component = Arc::new(component);
            among.extend(component.iter().map(|member| (*member, Arc::clone(&component))));
        }
        let links = |account: &PublicKey| {
            let known = self.known(account);
            let Some(among) = among.get(account).filter(|_| entangled.contains(account)) else {
                // It imports from the changed account, and nothing leads back to it from there:
                // its cycles, if any, are those of before.
                let kept = known.granted.iter().zip(&known.links);
                return kept
                    .map(|(granted, before)| match before {
                        Err(refusal) if refusal.is_cycle() => granted.clone().and(Err(refusal.clone())),
                        _ => granted.clone(),
                    })
                    .collect();
            };
            let mut budget = Budget::of_account();
            let imports = known.exchange.imports().iter().zip(&known.granted).enumerate();
            imports
                .map(|(index, (compiled, granted))| {
                    let link = granted.clone()?;
                    let graph = GrantedImports {
                        links: self,
                        shared: compiled.import.kind.shared(),
                    };
                    cycle::check((*account, index), compiled, among, &graph, &mut budget)?;
                    Ok(link)
                })
                .collect()
        };
        touched.iter().map(|account| (*account, links(account))).collect()
    }

    /// The accounts that these lead to by imports and that lead back to them; themselves at least.
    fn entangled_with(&self, accounts: &BTreeSet<PublicKey>) -> BTreeSet<PublicKey> {
        let components = self.components(accounts.iter().copied()).into_iter();
        let concerned = components.filter(|component| !component.is_disjoint(accounts));
        concerned.flatten().collect()
    }

    fn components(&self, roots: impl IntoIterator<Item = PublicKey>) -> Vec<BTreeSet<PublicKey>> {
        components(roots, |account| {
            self.granted_exporters(account)
                .inspect(|_| self.note_look())
                .collect()
        })
    }

    /// The accounts that granted imports lead to.
    fn granted_exporters(&self, account: &PublicKey) -> impl Iterator<Item = PublicKey> {
        self.accounts.get(account).into_iter().flat_map(|known| {
            let imports = known.exchange.imports().iter().zip(&known.granted);
            imports
                .filter(|(_, granted)| granted.is_ok())
                .map(|(compiled, _)| compiled.import.account)
        })
    }

    /// All accounts that an account names in its imports.
    fn exporters_of(&self, account: &PublicKey) -> BTreeSet<PublicKey> {
        self.accounts.get(account).map_or_else(BTreeSet::new, |known| {
            let imports = known.exchange.imports().iter();
            imports.map(|compiled| compiled.import.account).collect()
        })
    }

    fn routes_of(&self, account: &PublicKey) -> Option<Routes> {
        let known = self.accounts.get(account)?;
        let services = known.links.iter().filter_map(|link| match link {
            Ok(Link::Service(route)) => Some(Arc::clone(route)),
            _ => None,
        });
        let importers = self.importers.get(account).into_iter().flatten();
        let links = importers.flat_map(|importer| &self.known(importer).links);
        let links = links.inspect(|_| self.note_look());
        let streams = links.filter_map(|link| match link {
            Ok(Link::Stream(route)) if route.exporter == *account => Some(Arc::clone(route)),
            _ => None,
        });
        Some(Routes {
            streams: streams.collect(),
            services: services.collect(),
        })
    }

    /// What a change costs, for tests.
    fn note_look(&self) {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
    }

    fn known(&self, account: &PublicKey) -> &Account {
        self.accounts.get(account).expect("the account is known")
    }

    fn known_mut(&mut self, account: &PublicKey) -> &mut Account {
        self.accounts.get_mut(account).expect("the account is known")
    }
}

/// The next time that an activation of these imports begins or ends.
fn deadline(exchange: &Exchange, now: i64) -> Option<i64> {
    let activations = exchange
        .imports()
        .iter()
        .filter_map(|compiled| compiled.import.activation.as_ref());
    activations
        .flat_map(|activation| [activation.claims().not_before, activation.claims().expires_at])
        .flatten()
        .filter(|&at| at > now)
        .min()
}

fn link(importer: &PublicKey, compiled: &CompiledImport, export: &Export) -> Link {
    let import = &compiled.import;
    match (import.kind, &export.kind) {
        (ImportKind::Service { share }, ExportKind::Service(terms)) => {
            Link::Service(Arc::new(ServiceRoute {
                importer: *importer,
                exporter: import.account,
                local: compiled.local.clone(),
                exported: import.subject.clone(),
                response: terms.response,
                response_threshold: terms.response_threshold.unwrap_or(RESPONSE_THRESHOLD_DEFAULT),
                latency: terms.latency.clone().map(Arc::new),
                share,
                allow_trace: terms.allow_trace,
                to_exported: compiled.to_exported.clone(),
            }))
        }
        (kind, _) => Link::Stream(Arc::new(StreamRoute {
            exporter: import.account,
            importer: *importer,
            exported: import.subject.clone(),
            local: compiled.local.clone(),
            allow_trace: matches!(kind, ImportKind::Stream { allow_trace: true }),
            to_local: compiled.to_local.clone(),
        })),
    }
}

/// The granted imports of one kind.
struct GrantedImports<'l> {
    links: &'l Links,
    shared: Shared,
}

impl Graph for GrantedImports<'_> {
    fn imports(&self, account: &PublicKey) -> impl Iterator<Item = (usize, &CompiledImport)> {
        self.links.accounts.get(account).into_iter().flat_map(|known| {
            let imports = known.exchange.imports().iter().zip(&known.granted).enumerate();
            imports
                .filter(|(_, (compiled, granted))| {
                    granted.is_ok() && compiled.import.kind.shared() == self.shared
                })
                .map(|(index, (compiled, _))| (index, compiled))
        })
    }
}

#[cfg(test)]
mod tests {
    use tollway_claims::{AccountClaims, KeyKind};

    use super::*;

    fn key(number: usize) -> PublicKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        PublicKey::from_bytes(KeyKind::Account, bytes)
    }

    /// One account that exports, and so many that import from it, each a stream and a service.
    fn market(importers: usize) -> Vec<Arc<Exchange>> {
        let operator = PublicKey::from_bytes(KeyKind::Operator, [0; 32]);
        let subject = || "a".parse().unwrap();
        let documents = (0..=importers).map(|number| {
            let mut claims = AccountClaims::new(operator, key(number), "", 0);
            if number == 0 {
                claims.exports = vec![Export::stream(subject()), Export::service("b".parse().unwrap())];
            } else {
                let ask = Import::service(key(0), "b".parse().unwrap());
                claims.imports = vec![Import::stream(key(0), subject()), ask];
            }
            Arc::new(Exchange::compile(&claims, None).unwrap())
        });
        documents.collect()
    }

    fn looks(importers: usize) -> usize {
        let mut links = Links::new();
        let changes = links.handle_documents(market(importers), 0);
        assert_eq!(changes.imports.len(), importers);
        assert_eq!(links.routes(&key(0)).unwrap().streams.len(), importers);
        assert_eq!(links.routes(&key(1)).unwrap().services.len(), 1);
        links.looks.get()
    }

    #[test]
    fn ten_times_the_importers_of_one_account_cost_ten_times_as_much() {
        let (few, many) = (looks(100), looks(1000));
        assert!(few >= 200 && many <= 11 * few, "{few} looks, then {many}");
    }

    #[test]
    fn documents_together_make_of_it_what_they_make_one_by_one() {
        let (mut together, mut apart) = (Links::new(), Links::new());
        together.handle_documents(market(20), 0);
        for exchange in market(20).into_iter().rev() {
            apart.handle_document(exchange, 0);
        }
        for number in 0..=20 {
            assert_eq!(together.routes(&key(number)), apart.routes(&key(number)));
        }
    }
}
