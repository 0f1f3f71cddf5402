//! Which imports of which accounts work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tollway_claims::{Activation, Export, ExportKind, Import, ImportKind, PublicKey, Shared};

use crate::cycle::{self, Budget, Graph};
use crate::exchange::{CompiledImport, Exchange, Offer};
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
/// at those from it, and at accounts that lead to it and are led to by it.
#[derive(Debug, Default)]
pub struct Links {
    accounts: BTreeMap<PublicKey, Account>,
    /// Who imports from an account, whether that is known or not.
    importers: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
    /// When each account with activations is to be looked at again.
    deadlines: BTreeSet<(i64, PublicKey)>,
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

impl LinkChanges {
    fn add(&mut self, other: Self) {
        self.routes.extend(other.routes);
        self.imports.extend(other.imports);
    }
}

impl Links {
    /// No accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// An account's document came, for the first time or in place of another.
    /// `now` is in seconds since 1970, here and everywhere.
    pub fn handle_document(&mut self, exchange: Arc<Exchange>, now: i64) -> LinkChanges {
        let account = exchange.account();
        self.handle_change(account, Some(exchange), now)
    }

    /// An account is no longer served here.
    pub fn handle_removal(&mut self, account: &PublicKey, now: i64) -> LinkChanges {
        self.handle_change(*account, None, now)
    }

    /// Time has come for some activations.
    pub fn handle_timeout(&mut self, now: i64) -> LinkChanges {
        let mut changes = LinkChanges::default();
        while let Some(&(at, account)) = self.deadlines.first()
            && at <= now
        {
            let exchange = Arc::clone(&self.known(&account).exchange);
            changes.add(self.handle_change(account, Some(exchange), now));
        }
        changes
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

    fn handle_change(
        &mut self,
        account: PublicKey,
        exchange: Option<Arc<Exchange>>,
        now: i64,
    ) -> LinkChanges {
        // Cycles lie among accounts that lead to each other, before the change or after it.
        let mut entangled = self.component(&account);
        let exporters_before = self.exporters_of(&account);
        self.replace(account, exchange, now);
        let importers = self.importers.get(&account).cloned().unwrap_or_default();
        for importer in importers.iter().chain([&account]) {
            self.grant(importer, &account, now);
        }
        entangled.extend(self.component(&account));

        let mut touched = entangled.clone();
        touched.extend(importers);
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
        let mut to_route: BTreeSet<PublicKey> = changes.imports.iter().copied().chain([account]).collect();
        for account in &changes.imports {
            to_route.extend(self.exporters_of(account));
        }
        to_route.extend(exporters_before);
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

    /// Looks at the documents again for the imports of `importer` that `changed` has a part in.
    fn grant(&mut self, importer: &PublicKey, changed: &PublicKey, now: i64) {
        let Some(known) = self.accounts.get(importer) else {
            return;
        };
        let exchange = Arc::clone(&known.exchange);
        for (index, compiled) in exchange.imports().iter().enumerate() {
            if importer == changed || compiled.import.account == *changed {
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
        let mut components: BTreeMap<PublicKey, Arc<BTreeSet<PublicKey>>> = BTreeMap::new();
        for account in entangled.intersection(&touched) {
            if !components.contains_key(account) {
                let component = Arc::new(self.component(account));
                components.extend(component.iter().map(|member| (*member, Arc::clone(&component))));
            }
        }
        let links = |account: &PublicKey| {
            let known = self.known(account);
            let Some(among) = components.get(account) else {
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

    /// The accounts that an account leads to by imports, and that lead back to it; itself at least.
    fn component(&self, account: &PublicKey) -> BTreeSet<PublicKey> {
        let mut led_to = BTreeSet::new();
        let mut waiting = vec![*account];
        // Who leads to an account, among those that are reached.
        let mut from: BTreeMap<PublicKey, BTreeSet<PublicKey>> = BTreeMap::new();
        while let Some(next) = waiting.pop() {
            if !led_to.insert(next) {
                continue;
            }
            for exporter in self.granted_exporters(&next) {
                from.entry(exporter).or_default().insert(next);
                waiting.push(exporter);
            }
        }
        let mut component = BTreeSet::new();
        waiting.push(*account);
        while let Some(next) = waiting.pop() {
            if component.insert(next) {
                waiting.extend(from.get(&next).into_iter().flatten());
            }
        }
        component
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
        let streams = links.filter_map(|link| match link {
            Ok(Link::Stream(route)) if route.exporter == *account => Some(Arc::clone(route)),
            _ => None,
        });
        Some(Routes {
            streams: streams.collect(),
            services: services.collect(),
        })
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

fn not_exported(exporter: &Exchange, import: &Import) -> ImportRefusal {
    let exported = match import.kind.shared() {
        Shared::Stream => Shared::Service,
        Shared::Service => Shared::Stream,
    };
    match exporter
        .exports_of(exported, import.subject.as_filter())
        .is_empty()
    {
        true => ImportRefusal::NotExported,
        false => ImportRefusal::OtherKind { exported },
    }
}

/// Whether one export lets an account have what it imports.
fn check_access(
    offer: &Offer,
    exporter: &Exchange,
    import: &Import,
    importer: &Exchange,
    now: i64,
) -> Result<(), ImportRefusal> {
    let export = &offer.export;
    if let Some(position) = export.account_token_position {
        // The subject itself is the permission; an activation is not asked for beside it.
        let token = import
            .subject
            .as_filter()
            .tokens()
            .nth(position.get() as usize - 1);
        return match token == Some(importer.token().as_bytes()) {
            true => Ok(()),
            false => Err(ImportRefusal::AccountTokenPosition {
                position: position.get(),
                export: export.subject.clone(),
            }),
        };
    }
    if !export.token_required || offer.approved.contains(&importer.account()) {
        return Ok(());
    }
    match &import.activation {
        Some(activation) => check_activation(activation, export, exporter, import, &importer.account(), now),
        None => Err(ImportRefusal::ActivationMissing {
            export: export.subject.clone(),
        }),
    }
}

fn check_activation(
    activation: &Activation,
    export: &Export,
    exporter: &Exchange,
    import: &Import,
    importer: &PublicKey,
    now: i64,
) -> Result<(), ImportRefusal> {
    let claims = activation.claims();
    claims.check_import(
        importer,
        &import.account,
        import.kind.shared(),
        import.subject.as_filter(),
    )?;
    if !exporter.is_signer(&claims.issuer) {
        return Err(ImportRefusal::ActivationSigner {
            issuer: claims.issuer,
        });
    }
    if let Some(at) = claims.expires_at.filter(|&at| now >= at) {
        return Err(ImportRefusal::ActivationExpired { at });
    }
    if let Some(at) = claims.not_before.filter(|&at| now < at) {
        return Err(ImportRefusal::ActivationNotYetValid { at });
    }
    match export.revocations.is_revoked(importer, claims.issued_at) {
        true => Err(ImportRefusal::ActivationRevoked {
            export: export.subject.clone(),
        }),
        false => Ok(()),
    }
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
