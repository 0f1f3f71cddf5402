//! Random accounts that share at random: a message arrives exactly where a chain of grants leads,
//! by a slow and obvious definition that knows nothing of how the broker finds out.

use std::collections::{BTreeMap, BTreeSet};

use tollway_claims::{Activation, ActivationClaims, Export, Import, LocalSubject, Shared};
use tollway_subject::{Filter, FilterBuf, definition};

use crate::support::{Account, Raw, World, now};

const ACCOUNTS: usize = 4;
const ROUNDS: u64 = 40;
const MESSAGES: usize = 12;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn subject(&mut self) -> String {
        let tokens = 1 + self.below(3);
        let tokens: Vec<_> = (0..tokens).map(|_| ["a", "b", "c"][self.below(3)]).collect();
        tokens.join(".")
    }

    fn filter(&mut self) -> FilterBuf {
        let mut tokens: Vec<&str> = Vec::new();
        for _ in 0..=self.below(3) {
            tokens.push(["a", "b", "*"][self.below(3)]);
        }
        if self.one_in(3) {
            tokens.push(">");
        }
        tokens.join(".").parse().expect("a filter")
    }

    /// A client of which account publishes what: mostly something that an import is about.
    fn message(&mut self, accounts: &[Account]) -> (usize, String) {
        let index = self.below(accounts.len());
        let imports = &accounts[index].claims.imports;
        if imports.is_empty() || self.one_in(4) {
            return (index, self.subject());
        }
        let import = &imports[self.below(imports.len())];
        let (publisher, filter) = match import.kind.shared() {
            Shared::Stream => (import.account, import.subject.clone()),
            Shared::Service => (accounts[index].key(), import.local_filter()),
        };
        let tokens: Vec<_> = filter
            .as_filter()
            .tokens()
            .map(|token| match token {
                b"*" => ["a", "b", "c"][self.below(3)].to_owned(),
                b">" => self.subject(),
                literal => String::from_utf8_lossy(literal).into_owned(),
            })
            .collect();
        let publisher = accounts.iter().position(|account| account.key() == publisher);
        (publisher.expect("all accounts are here"), tokens.join("."))
    }

    /// Something that an import could be called here: every wildcard, backwards or not, behind
    /// some other token.
    fn local(&mut self, imported: Filter<'_>) -> LocalSubject {
        let stars = imported.tokens().filter(|token| *token == b"*").count();
        let mut references: Vec<_> = (1..=stars).map(|number| format!("${number}")).collect();
        if self.one_in(2) {
            references.reverse();
        }
        let mut tokens = vec![["a", "b", "x"][self.below(3)].to_owned()];
        tokens.extend(references);
        if imported.as_bytes().ends_with(b">") {
            tokens.push(">".to_owned());
        }
        LocalSubject::new(&tokens.join("."), imported).expect("a local subject")
    }
}

/// The exporter's name for what the importer calls `subject`, and the other way round.
fn rename(import: &Import, subject: &str, to_local: bool) -> Option<String> {
    let imported = import.subject.to_string();
    let local = import.local_subject.as_ref().map(LocalSubject::as_str);
    // Without a local name each wildcard stands for itself.
    let mut number = 0;
    let imported: Vec<String> = imported
        .split('.')
        .map(|token| match token {
            "*" => {
                number += 1;
                format!("${number}")
            }
            other => other.to_owned(),
        })
        .collect();
    let local: Vec<String> = match local {
        Some(local) => local.split('.').map(str::to_owned).collect(),
        None => imported.clone(),
    };
    let (from, to) = if to_local {
        (&imported, &local)
    } else {
        (&local, &imported)
    };
    let tokens: Vec<_> = subject.split('.').collect();
    let mut values: BTreeMap<&str, String> = BTreeMap::new();
    for (index, token) in from.iter().enumerate() {
        match token.as_str() {
            ">" if tokens.len() > index => {
                values.insert(">", tokens[index..].join("."));
            }
            ">" => return None,
            token if token.starts_with('$') => {
                values.insert(token, (*tokens.get(index)?).to_owned());
            }
            token => {
                if tokens.get(index) != Some(&token) {
                    return None;
                }
            }
        }
    }
    if !values.contains_key(">") && tokens.len() != from.len() {
        return None;
    }
    let renamed: Vec<_> = to
        .iter()
        .map(|token| {
            values
                .get(token.as_str())
                .cloned()
                .unwrap_or_else(|| token.clone())
        })
        .collect();
    Some(renamed.join("."))
}

/// Whether the exporter lets this account have it.
fn is_granted(import: &Import, importer: &Account, exporter: &Account) -> bool {
    let mut offers = exporter
        .claims
        .exports
        .iter()
        .filter(|export| export.kind.shared() == import.kind.shared())
        .filter(|export| export.subject.as_filter().contains(import.subject.as_filter()))
        .peekable();
    let activated = import.activation.as_ref().is_some_and(|activation| {
        activation.claims().subject == importer.key() && activation.claims().issuer == exporter.key()
    });
    offers.peek().is_some() && offers.all(|export| !export.token_required || activated)
}

/// Where a message goes that a client of an account publishes: account and subject, with how often.
fn arrivals(accounts: &[Account], publisher: usize, subject: &str) -> BTreeMap<(usize, String), usize> {
    let mut arrivals = BTreeMap::new();
    *arrivals.entry((publisher, subject.to_owned())).or_default() += 1;
    for (index, importer) in accounts.iter().enumerate() {
        for (place, import) in importer.claims.imports.iter().enumerate() {
            let is_stream = import.kind.shared() == Shared::Stream;
            let comes_from = import.account == accounts[publisher].key();
            // The same stream from the same account counts once.
            let earlier = &importer.claims.imports[..place];
            let is_first = earlier.iter().all(|other| {
                other.kind.shared() != Shared::Stream
                    || other.account != import.account
                    || other.subject != import.subject
            });
            if is_stream && comes_from && is_first && is_granted(import, importer, &accounts[publisher]) {
                let matches = definition::matches(import.subject.as_filter(), subject.as_bytes());
                let local = rename(import, subject, true);
                assert_eq!(matches, local.is_some(), "{} and {subject}", import.subject);
                if let Some(local) = local {
                    *arrivals.entry((index, local)).or_default() += 1;
                }
            }
        }
    }
    asked(accounts, publisher, subject, 0, &mut arrivals);
    arrivals
}

fn asked(
    accounts: &[Account],
    asker: usize,
    subject: &str,
    hops: usize,
    arrivals: &mut BTreeMap<(usize, String), usize>,
) {
    if hops > ACCOUNTS {
        return;
    }
    for import in &accounts[asker].claims.imports {
        let exporter = accounts
            .iter()
            .position(|account| account.key() == import.account);
        let exporter = exporter.expect("all accounts are here");
        if import.kind.shared() == Shared::Service
            && is_granted(import, &accounts[asker], &accounts[exporter])
            && let Some(exported) = rename(import, subject, false)
        {
            *arrivals.entry((exporter, exported.clone())).or_default() += 1;
            asked(accounts, exporter, &exported, hops + 1, arrivals);
        }
    }
}

/// Accounts that share at random. Services are imported from earlier accounts alone and streams
/// from later ones, or both from all: then there may be cycles, which do not work.
fn share(world: &World, random: &mut Random, cycles: bool) -> Vec<Account> {
    let mut accounts: Vec<_> = (0..ACCOUNTS).map(|_| world.account()).collect();
    for account in &mut accounts {
        for _ in 0..random.below(8) {
            let subject = random.filter();
            let mut export = match random.one_in(2) {
                true => Export::stream(subject),
                false => Export::service(subject),
            };
            export.token_required = random.one_in(4);
            account.claims.exports.push(export);
            if account.claims.check_exchange().is_err() {
                account.claims.exports.pop();
            }
        }
    }
    for importer in 0..ACCOUNTS {
        for _ in 0..random.below(12) {
            let exporter = random.below(ACCOUNTS);
            if exporter == importer {
                continue;
            }
            let from = &accounts[exporter];
            // Mostly something that is exported.
            let exports = &from.claims.exports;
            let subject = match exports.is_empty() || random.one_in(4) {
                true => random.filter(),
                false => exports[random.below(exports.len())].subject.clone(),
            };
            let mut import = match random.one_in(2) {
                true if cycles || exporter > importer => Import::stream(from.key(), subject),
                false if cycles || exporter < importer => Import::service(from.key(), subject),
                _ => continue,
            };
            if random.one_in(2) {
                import.local_subject = Some(random.local(import.subject.as_filter()));
            }
            if random.one_in(2) {
                // Sometimes for somebody else, or by somebody else.
                let for_whom = accounts[if random.one_in(4) { 0 } else { importer }].key();
                let signer = &accounts[if random.one_in(4) { 0 } else { exporter }];
                let (shared, subject) = (import.kind.shared(), import.subject.clone());
                let claims = ActivationClaims::new(signer.key(), for_whom, shared, subject, now());
                let token = claims.encode(&signer.signer).expect("encodes");
                import.activation = Some(Activation::decode(token).expect("decodes"));
            }
            accounts[importer].claims.imports.push(import);
            if accounts[importer].claims.check_exchange().is_err() {
                accounts[importer].claims.imports.pop();
            }
        }
    }
    accounts
}

/// What a client received, up to the answer to its PING: subject, reply and payload.
async fn received(client: &mut Raw) -> Vec<(String, Option<String>, String)> {
    let mut messages = Vec::new();
    client.send("PING\r\n").await;
    loop {
        let line = client.line().await;
        if line == "PONG" {
            return messages;
        }
        let words: Vec<_> = line.split(' ').collect();
        let with_headers = words[0] == "HMSG";
        assert!(with_headers || words[0] == "MSG", "{line}");
        let reply = match words.len() - usize::from(with_headers) {
            5 => Some(words[3].to_owned()),
            _ => None,
        };
        let mut left: usize = match with_headers {
            true => words[words.len() - 2].parse().expect("a number"),
            false => 0,
        };
        while left > 0 {
            left -= client.line().await.len() + 2;
        }
        messages.push((words[1].to_owned(), reply, client.line().await));
    }
}

#[tokio::test]
async fn a_message_arrives_exactly_where_a_chain_of_grants_leads() {
    let mut crossed = 0;
    for seed in 1..=ROUNDS {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let cycles = seed % 4 == 0;
        let world = World::start().await;
        let accounts = share(&world, &mut random, cycles);
        for account in &accounts {
            world.apply(account);
        }
        let mut clients = Vec::new();
        for account in &accounts {
            let mut client = world.client(&account.user()).await;
            client.send("SUB > 1\r\n").await;
            client.sync().await;
            clients.push(client);
        }
        for number in 0..MESSAGES {
            let (publisher, subject) = random.message(&accounts);
            let payload = format!("{seed}-{number}");
            let reply = format!("r.{number}");
            let what = format!("seed {seed}: {subject} by account {publisher}");
            let length = payload.len();
            clients[publisher]
                .send(format!("PUB {subject} {reply} {length}\r\n{payload}\r\n"))
                .await;
            let mut arrived: BTreeMap<(usize, String), usize> = BTreeMap::new();
            let mut ways_back = BTreeSet::new();
            // The publisher first: then all of it has left.
            let mut order: Vec<_> = (0..ACCOUNTS).collect();
            order.swap(0, publisher);
            for index in order.clone() {
                for (subject, back, found) in received(&mut clients[index]).await {
                    assert_eq!(found, payload, "{what}");
                    *arrived.entry((index, subject)).or_default() += 1;
                    if let Some(back) = back.filter(|back| back.starts_with("_R_.")) {
                        ways_back.insert((index, back));
                    }
                }
            }
            let expected = arrivals(&accounts, publisher, &subject);
            if cycles {
                for (place, count) in &arrived {
                    assert!(
                        expected.get(place) >= Some(count),
                        "{what}: {arrived:?} but {expected:?}"
                    );
                }
            } else {
                assert_eq!(arrived, expected, "{what}");
            }
            crossed += arrived.keys().filter(|(index, _)| *index != publisher).count();

            // An answer arrives with who published, and with nobody else.
            for (responder, back) in ways_back {
                clients[responder]
                    .send(format!("PUB {back} 6\r\nanswer\r\n"))
                    .await;
                let mut order = order.clone();
                order.sort_by_key(|index| usize::from(*index != responder));
                for index in order {
                    for (subject, _, found) in received(&mut clients[index]).await {
                        assert_eq!(found, "answer", "{what}");
                        let own = index == responder && subject == back;
                        let asker = index == publisher && subject == reply;
                        assert!(own || asker, "{what}: account {index} got {subject}");
                    }
                }
            }
        }
    }
    assert!(crossed > 100, "the test is about messages that cross: {crossed}");
}
