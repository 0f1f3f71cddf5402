//! Servers whose accounts come as signed documents.

use tollway_claims::{AccountClaims, KeyKind, OperatorClaims, Signer};
use tollway_conf::{Reason, Resolver};

use crate::around::{config, problems, wrong};

fn operator() -> Signer {
    Signer::generate(KeyKind::Operator, [1; 32])
}

fn account(seed: u8) -> (String, String) {
    let account = Signer::generate(KeyKind::Account, [seed; 32]);
    let claims = AccountClaims::new(operator().public(), account.public(), "a", 1_000);
    (
        account.public().to_string(),
        claims.encode(&operator()).expect("it is in order"),
    )
}

#[test]
fn an_operator_is_a_path_or_a_jwt_and_kept_as_it_is() {
    let jwt = OperatorClaims::new(operator().public(), "o", 1_000)
        .encode(&operator())
        .expect("it is in order");
    let read = config(&format!("operator: {jwt}\nresolver: MEMORY"));
    assert_eq!(read.operators[0].value, jwt);
    assert_eq!(read.resolver, Some(Resolver::Memory));
    assert!(read.is_operator_mode());
    let read = config("roots: [\"/etc/a.jwt\", \"/etc/b.jwt\"]\naccount_resolver: mem");
    assert_eq!(
        (read.operators[1].value.as_str(), read.operators[1].at.column()),
        ("/etc/b.jwt", 23)
    );
    assert_eq!(problems("operator: 5\nresolver: MEMORY").len(), 1);
    assert_eq!(problems("operator: x"), ["1:11: operator needs resolver: MEMORY"]);
}

#[test]
fn accounts_of_operators_are_preloaded_by_their_keys() {
    let (one, one_jwt) = account(2);
    let (two, two_jwt) = account(3);
    let read = config(&format!(
        "operator: x\nresolver: MEMORY\nresolver_preload: {{\n {one}: \"{one_jwt}\"\n # a comment\n {two}: {two_jwt}\n}}\nsystem_account: {one}\nresolver_pinned_accounts: [{two}]"
    ));
    let preloaded: Vec<_> = read
        .resolver_preload
        .iter()
        .map(|p| (p.account.to_string(), p.jwt.value.clone()))
        .collect();
    assert_eq!(
        preloaded,
        [(one.clone(), one_jwt.clone()), (two.clone(), two_jwt.clone())]
    );
    assert_eq!(read.resolver_pinned_accounts[0].value, two);

    for (entry, what) in [
        (
            format!("{one}: {two_jwt}"),
            "the document is that of another account",
        ),
        (
            format!("{one}: \"{}\"", one_jwt.replace('.', "..")),
            "not an account JWT with a valid signature",
        ),
        (format!("{one}: x"), "not an account JWT with a valid signature"),
        (
            format!("other: {one_jwt}"),
            "the name has to be a public account key (A…)",
        ),
    ] {
        let problems = problems(&format!("resolver_preload {{ {entry} }}"));
        assert!(problems.len() == 1 && problems[0].ends_with(what), "{problems:?}");
        assert!(!problems[0].contains(&one_jwt));
    }
    assert_eq!(problems(&format!("resolver_preload {{ {one}: 5 }}")).len(), 1);
    assert_eq!(problems("resolver_preload: x").len(), 1);
}

#[test]
fn resolvers_that_ask_others_are_not_offered() {
    for text in [
        "resolver: URL(http://localhost:9090/jwt/v1/accounts/)",
        "resolver: \"URL(x)\"",
        "resolver: {type: full, dir: \"./jwt\", allow_delete: true, interval: \"2m\"}",
        "resolver: {type: CACHE, dir: x}",
    ] {
        assert!(
            matches!(wrong(text).listed[0].reason, Reason::NotOffered { .. }),
            "{text}"
        );
    }
    assert_eq!(
        config("resolver: {type: MEMORY}").resolver,
        Some(Resolver::Memory)
    );
    for text in ["resolver: somewhere", "resolver: {dir: x}", "resolver: 5"] {
        assert_eq!(problems(text).len(), 1, "{text}");
    }
    // What is wrong with the resolver is said once.
    assert_eq!(problems("operator: x\nresolver: URL(x)").len(), 1);
}

#[test]
fn accounts_come_from_operators_or_from_the_file() {
    let text = "operator: x\nresolver: MEMORY\naccounts { A { users: [{user: a}] } }\nno_auth_user: a";
    let problems = wrong(text);
    assert_eq!(problems.listed.len(), 3, "{problems}");
    assert!(
        problems
            .listed
            .iter()
            .all(|problem| matches!(problem.reason, Reason::Conflict { one: "operator", .. }))
    );
}

#[test]
fn trusted_keys_are_public_operator_keys() {
    let key = operator().public();
    let read = config(&format!("trusted_keys: [{key}]"));
    assert_eq!(read.trusted_keys, [key]);
    assert!(read.is_operator_mode());
    assert_eq!(config(&format!("trusted: {key}")).trusted_keys, [key]);
    let (account, _) = account(2);
    assert_eq!(problems(&format!("trusted_keys: [{account}, x]")).len(), 2);
    assert_eq!(
        problems(&format!("operator: x\nresolver: MEMORY\ntrusted_keys: {key}")).len(),
        1
    );
}
