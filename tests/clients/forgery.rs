//! Creds that look right and are not.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use tollway_claims::{KeyKind, PublicKey, Signer, UserClaims, UserCreds};
use tollway_tests::{Account, Creds};

fn key(kind: KeyKind) -> Signer {
    let mut random = [0; 32];
    getrandom::fill(&mut random).expect("a random source");
    Signer::generate(kind, random)
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is right");
    i64::try_from(since.as_secs()).expect("a time of these days")
}

fn creds(jwt: String, signer: Signer) -> String {
    UserCreds { jwt, signer }.format().to_string()
}

/// Of an account that nobody knows, made by its owner alone.
pub(crate) fn of_an_unknown_account() -> String {
    let (account, user) = (key(KeyKind::Account), key(KeyKind::User));
    let claims = UserClaims::new(account.public(), user.public(), "forged", now());
    creds(claims.encode(&account).expect("the claims are sound"), user)
}

/// Of a real account, signed by somebody else's key in its name.
pub(crate) fn in_the_name_of(account: &Account) -> String {
    let (signer, user) = (key(KeyKind::Account), key(KeyKind::User));
    let mut claims = UserClaims::new(signer.public(), user.public(), "forged", now());
    let account: PublicKey = account.public_key.parse().expect("an account has a key");
    claims.issuer_account = Some(account);
    creds(claims.encode(&signer).expect("the claims are sound"), user)
}

/// A real JWT in the hands of somebody who does not have its seed.
pub(crate) fn without_the_seed_of(stolen: &Creds) -> String {
    creds(stolen.jwt().to_owned(), key(KeyKind::User))
}

/// A real JWT whose holder removed what restricts it.
pub(crate) fn with_more_rights_than(granted: &Creds) -> String {
    let parts: Vec<&str> = granted.jwt().split('.').collect();
    let claims = BASE64URL_NOPAD.decode(parts[1].as_bytes()).expect("a real JWT");
    let mut claims: serde_json::Value = serde_json::from_slice(&claims).expect("a real JWT");
    let rights = claims["nats"].as_object_mut().expect("claims of NATS");
    let restricted = [rights.remove("pub"), rights.remove("sub")];
    assert!(
        restricted.iter().any(Option::is_some),
        "there is nothing to widen"
    );
    let widened = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    let jwt = format!("{}.{widened}.{}", parts[0], parts[2]);
    let seed = Signer::from_seed(granted.seed()).expect("a real seed");
    creds(jwt, seed)
}

/// All of them, with what they are. `granted` is a restricted user of the account.
pub(crate) fn of_every_kind(account: &Account, granted: &Creds) -> Vec<(&'static str, String)> {
    vec![
        ("of an unknown account", of_an_unknown_account()),
        ("signed in an account's name", in_the_name_of(account)),
        ("without the seed", without_the_seed_of(granted)),
        ("with more rights than granted", with_more_rights_than(granted)),
    ]
}
