//! Tokens that must not be accepted, whoever made them and however.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use proptest::prelude::*;
use serde_json::{Value, json};
use tollway_claims::*;

use crate::world::{NOW, World, token};

const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

/// The code a token is refused with as a document of each type.
fn refusals(token: &str) -> [Option<&'static str>; 4] {
    [
        OperatorClaims::decode(token).err().map(|error| error.code()),
        AccountClaims::decode(token).err().map(|error| error.code()),
        StatementClaims::decode(token).err().map(|error| error.code()),
        UserClaims::decode(token).err().map(|error| error.code()),
    ]
}

fn user_json(world: &World) -> Value {
    json!({
        "iat": NOW, "iss": world.account.public().to_string(), "sub": world.user.public().to_string(),
        "nats": { "type": "user", "version": 2, "subs": -1, "payload": -1, "data": -1 },
    })
}

fn account_json(world: &World) -> Value {
    json!({
        "iat": NOW, "iss": world.operator.public().to_string(), "sub": world.account.public().to_string(),
        "nats": { "type": "account", "version": 2, "limits": { "subs": -1 } },
    })
}

/// The claims with one place changed; `null` removes it.
fn with(mut claims: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = claims.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(name)
    } else {
        parent.insert(name.into(), value)
    };
    claims
}

/// What the table starts from is good: each row below fails for its own reason.
#[test]
fn untouched_tokens_are_accepted() {
    let world = World::new();
    UserClaims::decode(&token(HEADER, &user_json(&world).to_string(), &world.account)).unwrap();
    AccountClaims::decode(&token(HEADER, &account_json(&world).to_string(), &world.operator)).unwrap();
}

#[test]
fn forged_user_tokens_are_refused_with_their_reason() {
    let world = World::new();
    let claims = user_json(&world);
    let text = claims.to_string();
    let good = token(HEADER, &text, &world.account);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, body) = head.split_once('.').unwrap();
    let signed = |claims: Value| token(HEADER, &claims.to_string(), &world.account);
    let headed = |header: &str| token(header, &text, &world.account);
    let stranger = Signer::generate(KeyKind::Account, [99; 32]);
    let account_key = world.account.public().to_string();

    let truncated_key = &account_key[..20];
    let mut bad_checksum = account_key.clone();
    bad_checksum.replace_range(55.., if account_key.ends_with('A') { "B" } else { "A" });
    let standard_base64 = {
        // A name whose bytes need the letters in which the two alphabets differ.
        let claims = with(claims.clone(), "/name", json!("???>>>~~~")).to_string();
        let signed = format!("{header}.{}", BASE64_NOPAD.encode(claims.as_bytes()));
        assert!(signed.contains(['+', '/']));
        let signature = BASE64URL_NOPAD.encode(&world.account.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    };
    let v1_signed_over_the_payload = {
        let header = BASE64URL_NOPAD.encode(br#"{"typ":"jwt","alg":"ed25519"}"#);
        let signature = BASE64URL_NOPAD.encode(&world.account.sign(body.as_bytes()));
        format!("{header}.{body}.{signature}")
    };
    let weak_key = {
        // The neutral element as public key: without a check, one signature fits every message.
        let mut bytes = [0; 32];
        bytes[0] = 1;
        let weak = PublicKey::from_bytes(KeyKind::Account, bytes);
        let claims = with(claims.clone(), "/iss", weak.to_string().into()).to_string();
        let mut signature = [0; 64];
        signature[0] = 1;
        let body = BASE64URL_NOPAD.encode(claims.as_bytes());
        format!("{header}.{body}.{}", BASE64URL_NOPAD.encode(&signature))
    };
    let no_point = {
        // Bytes that are no point of the curve.
        let key = PublicKey::from_bytes(KeyKind::Account, [2; 32]);
        signed(with(claims.clone(), "/iss", key.to_string().into()))
    };

    let table: Vec<(&str, String, &str)> = vec![
        // --- the envelope
        ("nothing", String::new(), "malformed"),
        ("no dots", "abc".into(), "malformed"),
        ("two parts", head.into(), "malformed"),
        ("four parts", format!("{good}.AAAA"), "malformed"),
        ("empty parts", "..".into(), "malformed"),
        (
            "too large",
            format!("{good}{}", "A".repeat(TOKEN_BYTES_MAX)),
            "token_too_large",
        ),
        ("padded", format!("{good}=="), "malformed"),
        ("trailing line end", format!("{good}\n"), "malformed"),
        ("standard base64", standard_base64, "malformed"),
        // --- the header
        ("header is no JSON", headed("JWT"), "malformed"),
        ("header is a list", headed("[]"), "malformed"),
        ("no algorithm", headed(r#"{"typ":"JWT"}"#), "malformed"),
        (
            "algorithm none",
            headed(r#"{"typ":"JWT","alg":"none"}"#),
            "unsupported_algorithm",
        ),
        (
            "algorithm empty",
            headed(r#"{"typ":"JWT","alg":""}"#),
            "unsupported_algorithm",
        ),
        (
            "algorithm HS256",
            headed(r#"{"typ":"JWT","alg":"HS256"}"#),
            "unsupported_algorithm",
        ),
        (
            "algorithm EdDSA",
            headed(r#"{"typ":"JWT","alg":"EdDSA"}"#),
            "unsupported_algorithm",
        ),
        (
            "algorithm of v1",
            headed(r#"{"typ":"JWT","alg":"ed25519"}"#),
            "unsupported_algorithm",
        ),
        (
            "algorithm twice",
            headed(r#"{"typ":"JWT","alg":"none","alg":"ed25519-nkey"}"#),
            "malformed",
        ),
        // Fails on the lower-case typ of v1 already; what counts is that it fails.
        ("v1, whole", v1_signed_over_the_payload, "malformed"),
        (
            "another typ",
            headed(r#"{"typ":"JOSE","alg":"ed25519-nkey"}"#),
            "malformed",
        ),
        (
            "critical extension",
            headed(r#"{"typ":"JWT","alg":"ed25519-nkey","crit":["b64"]}"#),
            "malformed",
        ),
        // --- the signature
        ("no signature", format!("{head}."), "bad_signature"),
        (
            "short signature",
            format!("{head}.{}", &signature[..40]),
            "bad_signature",
        ),
        (
            "long signature",
            format!("{head}.{signature}AAAA"),
            "bad_signature",
        ),
        (
            "zero signature",
            format!("{head}.{}", BASE64URL_NOPAD.encode(&[0; 64])),
            "bad_signature",
        ),
        (
            "signed by a stranger",
            token(HEADER, &text, &stranger),
            "bad_signature",
        ),
        (
            "signed by the user",
            token(HEADER, &text, &world.user),
            "bad_signature",
        ),
        ("key of small order", weak_key, "bad_signature"),
        ("key off the curve", no_point, "bad_signature"),
        // --- the chain of roles
        (
            "no issuer",
            signed(with(claims.clone(), "/iss", Value::Null)),
            "malformed",
        ),
        (
            "issuer is a number",
            signed(with(claims.clone(), "/iss", json!(7))),
            "malformed",
        ),
        (
            "issuer empty",
            signed(with(claims.clone(), "/iss", json!(""))),
            "invalid_issuer",
        ),
        (
            "issuer cut",
            signed(with(claims.clone(), "/iss", json!(truncated_key))),
            "invalid_issuer",
        ),
        (
            "issuer mistyped",
            signed(with(claims.clone(), "/iss", json!(bad_checksum))),
            "invalid_issuer",
        ),
        (
            "issuer lower case",
            signed(with(claims.clone(), "/iss", json!(account_key.to_lowercase()))),
            "invalid_issuer",
        ),
        (
            "issuer is a seed",
            signed(with(claims.clone(), "/iss", json!(world.account.seed().as_str()))),
            "invalid_issuer",
        ),
        (
            "issuer of 56 other bytes",
            signed(with(claims.clone(), "/iss", json!("ä".repeat(28)))),
            "invalid_issuer",
        ),
        (
            "issuer is the operator",
            token(
                HEADER,
                &with(claims.clone(), "/iss", json!(world.operator.public())).to_string(),
                &world.operator,
            ),
            "invalid_issuer",
        ),
        (
            "user signs itself",
            token(
                HEADER,
                &with(claims.clone(), "/iss", json!(world.user.public())).to_string(),
                &world.user,
            ),
            "invalid_issuer",
        ),
        (
            "subject is an account",
            signed(with(claims.clone(), "/sub", json!(account_key))),
            "invalid_subject",
        ),
        (
            "subject empty",
            signed(with(claims.clone(), "/sub", json!(""))),
            "invalid_subject",
        ),
        (
            "no subject",
            signed(with(claims.clone(), "/sub", Value::Null)),
            "malformed",
        ),
        (
            "issuer account is a user",
            signed(with(
                claims.clone(),
                "/nats/issuer_account",
                json!(world.user.public()),
            )),
            "malformed",
        ),
        // --- the claims
        (
            "claims are no JSON",
            token(HEADER, "{", &world.account),
            "malformed",
        ),
        (
            "claims are a list",
            token(HEADER, "[]", &world.account),
            "malformed",
        ),
        (
            "claims and more",
            token(HEADER, &format!("{text}{{}}"), &world.account),
            "malformed",
        ),
        (
            "deep nesting",
            token(HEADER, &"[".repeat(100_000), &world.account),
            "malformed",
        ),
        (
            "no nats object",
            signed(with(claims.clone(), "/nats", Value::Null)),
            "malformed",
        ),
        (
            "no type",
            signed(with(claims.clone(), "/nats/type", Value::Null)),
            "malformed",
        ),
        (
            "type of an activation",
            signed(with(claims.clone(), "/nats/type", json!("activation"))),
            "wrong_token_type",
        ),
        (
            "no version",
            signed(with(claims.clone(), "/nats/version", Value::Null)),
            "unsupported_version",
        ),
        (
            "version 1",
            signed(with(claims.clone(), "/nats/version", json!(1))),
            "unsupported_version",
        ),
        (
            "version 3",
            signed(with(claims.clone(), "/nats/version", json!(3))),
            "unsupported_version",
        ),
        (
            "issuer twice",
            token(
                HEADER,
                &text.replacen('{', &format!(r#"{{"iss":"{}","#, stranger.public()), 1),
                &world.account,
            ),
            "malformed",
        ),
        (
            "limit twice",
            token(
                HEADER,
                &text.replace(r#""subs":-1"#, r#""subs":-1,"subs":0"#),
                &world.account,
            ),
            "malformed",
        ),
        (
            "expiry is a text",
            signed(with(claims.clone(), "/exp", json!("never"))),
            "malformed",
        ),
        (
            "expiry is a fraction",
            signed(with(claims.clone(), "/exp", json!(1.5))),
            "malformed",
        ),
        (
            "expiry out of range",
            signed(with(claims.clone(), "/exp", json!(u64::MAX))),
            "malformed",
        ),
        (
            "limit below -1",
            signed(with(claims.clone(), "/nats/subs", json!(-2))),
            "malformed",
        ),
        (
            "limit is a text",
            signed(with(claims.clone(), "/nats/subs", json!("-1"))),
            "malformed",
        ),
        (
            "rules are a text",
            signed(with(claims.clone(), "/nats/pub", json!("orders.>"))),
            "malformed",
        ),
        (
            "allow is a text",
            signed(with(claims.clone(), "/nats/pub", json!({"allow": "a"}))),
            "malformed",
        ),
        (
            "allow holds numbers",
            signed(with(claims.clone(), "/nats/sub", json!({"allow": [1]}))),
            "malformed",
        ),
        (
            "network is no network",
            signed(with(claims.clone(), "/nats/src", json!(["10.0.0.0/33"]))),
            "malformed",
        ),
        (
            "network without length",
            signed(with(claims.clone(), "/nats/src", json!(["10.0.0.1"]))),
            "malformed",
        ),
        (
            "time of day is none",
            signed(with(
                claims.clone(),
                "/nats/times",
                json!([{"start": "25:00:00", "end": "26:00:00"}]),
            )),
            "malformed",
        ),
        (
            "permissions are a list",
            signed(with(claims.clone(), "/nats/pub", json!([["orders.>"], []]))),
            "malformed",
        ),
        (
            "responses are a list",
            signed(with(claims.clone(), "/nats/resp", json!([1, 2]))),
            "malformed",
        ),
        (
            "nats object is a list",
            signed(with(claims.clone(), "/nats", json!(["user", 2]))),
            "malformed",
        ),
        (
            "header of values only",
            headed(r#"["JWT","ed25519-nkey",null]"#),
            "malformed",
        ),
        (
            "bearer is a text",
            signed(with(claims.clone(), "/nats/bearer_token", json!("true"))),
            "malformed",
        ),
    ];
    assert!(table.len() >= 30);
    for (what, token, code) in table {
        assert_eq!(refusals(&token)[3], Some(code), "{what}");
        // And it is nothing else either.
        assert!(refusals(&token)[..3].iter().all(Option::is_some), "{what}");
    }
}

#[test]
fn forged_account_tokens_are_refused_with_their_reason() {
    let world = World::new();
    let claims = account_json(&world);
    let signed = |claims: Value| token(HEADER, &claims.to_string(), &world.operator);
    let self_signed = with(claims.clone(), "/iss", json!(world.account.public())).to_string();
    let scope = |value: Value| signed(with(claims.clone(), "/nats/signing_keys", json!([value])));
    let table = [
        (
            "signs itself",
            token(HEADER, &self_signed, &world.account),
            "invalid_issuer",
        ),
        (
            "another signs",
            token(HEADER, &claims.to_string(), &world.operator_signing),
            "bad_signature",
        ),
        (
            "subject is a user",
            signed(with(claims.clone(), "/sub", json!(world.user.public()))),
            "invalid_subject",
        ),
        (
            "signing key is an operator's",
            scope(json!(world.operator.public())),
            "malformed",
        ),
        (
            "signing key is a seed",
            scope(json!(world.account.seed().as_str())),
            "malformed",
        ),
        ("signing key is a number", scope(json!(1)), "malformed"),
        (
            "scope of another kind",
            scope(json!({"kind": "all", "key": world.account_signing.public()})),
            "malformed",
        ),
        (
            "scope without key",
            scope(json!({"kind": "user_scope"})),
            "malformed",
        ),
        (
            "scope of a user key",
            scope(json!({"kind": "user_scope", "key": world.user.public()})),
            "malformed",
        ),
        (
            "revocation of nobody",
            signed(with(claims.clone(), "/nats/revocations", json!({"bob": NOW}))),
            "malformed",
        ),
        (
            "revocation of an account",
            signed(with(
                claims.clone(),
                "/nats/revocations",
                json!({world.account.public().to_string(): NOW}),
            )),
            "malformed",
        ),
        (
            "revocation without time",
            signed(with(claims.clone(), "/nats/revocations", json!({"*": "now"}))),
            "malformed",
        ),
        (
            "our claim without version",
            signed(with(claims.clone(), "/nats/tollway", json!({"limits": {}}))),
            "malformed",
        ),
        (
            "our claim without limits",
            signed(with(claims.clone(), "/nats/tollway", json!({"version": 1}))),
            "malformed",
        ),
        (
            "our claim of version -1",
            signed(with(
                claims.clone(),
                "/nats/tollway",
                json!({"version": -1, "limits": {}}),
            )),
            "malformed",
        ),
        (
            "limits are a list",
            signed(with(claims.clone(), "/nats/limits", json!([1]))),
            "malformed",
        ),
    ];
    for (what, token, code) in table {
        assert_eq!(refusals(&token)[1], Some(code), "{what}");
        assert!(refusals(&token).iter().all(Option::is_some), "{what}");
    }
}

/// A document of one type never passes as one of another, whoever signed it.
#[test]
fn types_are_not_confused() {
    let world = World::new();
    let statement = StatementClaims {
        issuer: world.operator.public(),
        subject: world.account.public(),
        issued_at: NOW,
        version: 1,
        suspended: None,
    };
    let tokens = [
        world.operator_claims().encode(&world.operator).unwrap(),
        world.account_claims().encode(&world.operator_signing).unwrap(),
        statement.encode(&world.operator).unwrap(),
        world.user_claims().encode(&world.account_signing).unwrap(),
    ];
    for (own, token) in tokens.iter().enumerate() {
        for (other, refusal) in refusals(token).into_iter().enumerate() {
            assert_eq!(refusal.is_none(), own == other, "token {own} read as {other}");
        }
    }
}

#[test]
fn statement_must_say_whether_the_account_is_suspended() {
    let world = World::new();
    let (iss, sub) = (world.operator.public(), world.account.public());
    for statement in [
        r#"{"version":1}"#,
        r#"{"suspended":null}"#,
        r#"{"version":1,"suspended":false}"#,
        "null",
    ] {
        let claims = format!(
            r#"{{"iss":"{iss}","sub":"{sub}","nats":{{"type":"tollway_account_statement","version":2,"statement":{statement}}}}}"#
        );
        let error = StatementClaims::decode(&token(HEADER, &claims, &world.operator)).unwrap_err();
        assert_eq!(error.code(), "malformed", "{statement}");
    }
}

/// Any JSON, up to a certain size.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("*")),
        Just(json!(World::new().user.public())),
        Just(json!(World::new().account.public())),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_*]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_refused_without_panic(text in ".*") {
        prop_assert!(refusals(&text).iter().all(Option::is_some));
        let _ = text.parse::<PublicKey>();
        let _ = Signer::from_seed(&text);
        let _ = UserCreds::parse(&text);
    }

    #[test]
    fn three_parts_of_anything_are_refused_without_panic(parts in any::<[Vec<u8>; 3]>()) {
        let token = parts.map(|part| BASE64URL_NOPAD.encode(&part)).join(".");
        prop_assert!(refusals(&token).iter().all(Option::is_some));
    }

    /// Signed by the right key, so the claims themselves are looked at: any JSON in any field.
    #[test]
    fn strange_claims_do_not_panic(
        field in proptest::sample::select(vec![
            "pub", "sub", "resp", "subs", "payload", "src", "times", "times_location", "bearer_token", "tags",
            "allowed_connection_types", "issuer_account", "limits", "signing_keys", "revocations", "tollway",
            "default_permissions", "authorization", "exports", "imports", "mappings",
        ]),
        value in json_value(),
    ) {
        let world = World::new();
        let user = with(user_json(&world), &format!("/nats/{field}"), value.clone());
        let _ = UserClaims::decode(&token(HEADER, &user.to_string(), &world.account));
        let account = with(account_json(&world), &format!("/nats/{field}"), value);
        let _ = AccountClaims::decode(&token(HEADER, &account.to_string(), &world.operator));
    }

    /// A token has one spelling: whatever single byte changes, it is refused.
    #[test]
    fn every_mutation_is_refused(place: prop::sample::Index, byte in 0u8..128) {
        let world = World::new();
        let good = world.user_claims().encode(&world.account_signing).unwrap();
        let mut bytes = good.clone().into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        let mutated = String::from_utf8(bytes).unwrap();
        prop_assert!(UserClaims::decode(&mutated).is_err());
        prop_assert!(UserClaims::decode(&good[..place]).is_err());
        prop_assert!(UserClaims::decode(&good[place + 1..]).is_err());
    }
}
