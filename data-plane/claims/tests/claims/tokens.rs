//! What is written can be read, here and by others.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use serde_json::json;
use tollway_claims::*;

use crate::world::{NOW, World, claims_of, token};

const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

#[test]
fn tokens_of_every_type_are_verified_by_the_reference_implementation() {
    let world = World::new();
    let statement = StatementClaims {
        issuer: world.operator_signing.public(),
        subject: world.account.public(),
        issued_at: NOW,
        version: 1,
        suspended: None,
    };
    for token in [
        world.operator_claims().encode(&world.operator).unwrap(),
        world.account_claims().encode(&world.operator_signing).unwrap(),
        world.user_claims().encode(&world.account_signing).unwrap(),
        statement.encode(&world.operator_signing).unwrap(),
    ] {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let header = BASE64URL_NOPAD
            .decode(signed.split('.').next().unwrap().as_bytes())
            .unwrap();
        assert_eq!(header, HEADER.as_bytes());
        let issuer = claims_of(&token)["iss"].as_str().unwrap().to_owned();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        nkeys::KeyPair::from_public_key(&issuer)
            .unwrap()
            .verify(signed.as_bytes(), &signature)
            .unwrap();
    }
}

/// Fixed seeds give fixed tokens: what changes here changes what nodes and stock servers read.
#[test]
fn claims_have_the_json_that_stock_servers_read() {
    let world = World::new();
    let mut account = world.account_claims();
    account.revocations.revoke(world.user.public(), NOW);
    let limits = TollwayLimits {
        connections: Limit::AtMost(10),
        subscriptions: Limit::Unlimited,
    };
    account.tollway = Some(TollwayClaim::new(7, limits));
    let mut claims = claims_of(&account.encode(&world.operator_signing).unwrap());
    let id = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert_eq!(id.as_str().unwrap().len(), 52, "base32 of 32 bytes");
    assert_eq!(
        claims,
        json!({
            "iat": NOW,
            "iss": world.operator_signing.public().to_string(),
            "sub": world.account.public().to_string(),
            "name": "orders",
            "nats": {
                "type": "account",
                "version": 2,
                "limits": {
                    "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
                    "wildcards": true, "conn": -1, "leaf": -1,
                },
                "signing_keys": [world.account_signing.public().to_string()],
                "revocations": { world.user.public().to_string(): NOW },
                "tollway": { "version": 7, "limits": { "connections": 10, "subscriptions": -1 } },
            },
        })
    );

    let mut user = world.user_claims();
    user.expires_at = Some(NOW + 60);
    user.limits.permissions.publish.allow = vec!["orders.>".into()];
    user.limits.permissions.subscribe.deny = vec!["orders.secret workers".into()];
    user.limits.permissions.responses = Some(ResponsePermission {
        max: 5,
        ttl_ns: 1_000_000_000,
    });
    user.limits.src = vec!["10.0.0.0/8".parse().unwrap()];
    user.limits.times = vec![TimeWindow::new("08:00:00", "17:30:00").unwrap()];
    let mut claims = claims_of(&user.encode(&world.account_signing).unwrap());
    claims.as_object_mut().unwrap().remove("jti");
    assert_eq!(
        claims,
        json!({
            "iat": NOW,
            "exp": NOW + 60,
            "iss": world.account_signing.public().to_string(),
            "sub": world.user.public().to_string(),
            "name": "worker",
            "nats": {
                "type": "user",
                "version": 2,
                "pub": { "allow": ["orders.>"] },
                "sub": { "deny": ["orders.secret workers"] },
                "resp": { "max": 5, "ttl": 1_000_000_000 },
                "subs": -1, "payload": -1, "data": -1,
                "src": ["10.0.0.0/8"],
                "times": [{ "start": "08:00:00", "end": "17:30:00" }],
                "issuer_account": world.account.public().to_string(),
            },
        })
    );

    let statement = StatementClaims {
        issuer: world.operator_signing.public(),
        subject: world.account.public(),
        issued_at: NOW,
        version: 7,
        suspended: None,
    };
    let nats = &claims_of(&statement.encode(&world.operator_signing).unwrap())["nats"];
    let expected = json!({
        "type": "tollway_account_statement", "version": 2,
        "statement": { "version": 7, "suspended": null },
    });
    assert_eq!(nats, &expected);
}

#[test]
fn rates_and_shares_of_users_have_this_json() {
    let world = World::new();
    let rate = |per_second, burst| Some(RateLimit::new(per_second, burst).unwrap());
    let mut account = world.account_claims();
    let mut claim = TollwayClaim::new(
        8,
        TollwayLimits {
            connections: Limit::AtMost(10),
            subscriptions: Limit::Unlimited,
        },
    );
    claim.rates = Rates {
        messages_in: rate(1_000, None),
        bytes_in: rate(1_000_000, Some(4_000_000)),
        ..Rates::UNLIMITED
    };
    claim.users = UserShare {
        connections: Some(Limit::AtMost(5)),
        rates: Rates {
            bytes_out: rate(500_000, None),
            ..Rates::UNLIMITED
        },
    };
    let of_key = UserShare {
        connections: Some(Limit::Unlimited),
        rates: Rates {
            messages_out: rate(10, None),
            bytes_out: rate(-1, None),
            ..Rates::UNLIMITED
        },
    };
    let key = world.account_signing.public();
    claim.signing_keys.insert(key, of_key);
    account.tollway = Some(claim);
    let token = account.encode(&world.operator_signing).unwrap();
    assert_eq!(
        claims_of(&token)["nats"]["tollway"],
        json!({
            "version": 8,
            "limits": { "connections": 10, "subscriptions": -1 },
            "rates": {
                "messages_in": { "per_second": 1_000 },
                "bytes_in": { "per_second": 1_000_000, "burst": 4_000_000 },
            },
            "users": { "connections": 5, "rates": { "bytes_out": { "per_second": 500_000 } } },
            "signing_keys": {
                key.to_string(): {
                    "connections": -1,
                    "rates": { "messages_out": { "per_second": 10 }, "bytes_out": { "per_second": -1 } },
                },
            },
        })
    );

    let account = AccountClaims::decode(&token).unwrap();
    assert_eq!(account.user_share(&key), of_key);
    let others = account.user_share(&world.account.public());
    assert_eq!(others.connections, Some(Limit::AtMost(5)));
    assert_eq!(others.rates.bytes_out, rate(500_000, None));

    let mut user = world.user_claims();
    user.user = Some("usr_1".into());
    let token = user.encode(&world.account_signing).unwrap();
    assert_eq!(claims_of(&token)["nats"]["tollway"], json!({ "user": "usr_1" }));
}

#[test]
fn claims_of_ours_that_would_not_be_in_force_are_refused() {
    let world = World::new();
    let (iss, sub) = (world.operator.public(), world.account.public());
    let decode = |tollway: &str| {
        let nats = format!(r#"{{"type":"account","version":2,"tollway":{tollway}}}"#);
        let claims = format!(r#"{{"iss":"{iss}","sub":"{sub}","nats":{nats}}}"#);
        AccountClaims::decode(&token(HEADER, &claims, &world.operator))
    };
    let whole = |more: &str| decode(&format!(r#"{{"version":1,"limits":{{}}{more}}}"#));
    assert!(whole("").is_ok());
    let account = whole(r#","rates":null,"users":null,"signing_keys":null"#).unwrap();
    assert_eq!(
        account.tollway,
        Some(TollwayClaim::new(1, TollwayLimits::default()))
    );
    assert!(whole(&format!(r#","signing_keys":{{"{sub}":{{"connections":1}}}}"#)).is_ok());
    let stranger = world.account_signing.public();
    for more in [
        format!(r#","signing_keys":{{"{stranger}":{{}}}}"#),
        format!(r#","signing_keys":{{"{}":{{}}}}"#, world.user.public()),
        r#","signing_keys":{"orders":{}}"#.into(),
        format!(r#","signing_keys":{{"{sub}":[1]}}"#),
        format!(r#","signing_keys":{{"{sub}":null}}"#),
        r#","signing_keys":[]"#.into(),
        r#","rates":[]"#.into(),
        r#","rates":{"bytes_in":{"per_second":0}}"#.into(),
        r#","users":{"connections":-2}"#.into(),
        r#","users":{"rates":[]}"#.into(),
    ] {
        assert!(whole(&more).is_err(), "{more}");
    }

    let mut account = world.account_claims();
    let mut claim = TollwayClaim::new(1, TollwayLimits::default());
    let stranger = PublicKey::from_bytes(KeyKind::Account, [99; 32]);
    claim.signing_keys.insert(stranger, UserShare::UNLIMITED);
    account.tollway = Some(claim);
    assert!(matches!(
        account.encode(&world.operator_signing),
        Err(EncodeError::ShareOfStranger(key)) if key == stranger
    ));
    for name in [String::new(), "x".repeat(USER_BYTES_MAX + 1)] {
        let mut user = world.user_claims();
        user.user = Some(name);
        assert!(matches!(
            user.encode(&world.account_signing),
            Err(EncodeError::User(_))
        ));
    }
}

#[test]
fn same_claims_give_the_same_token() {
    let world = World::new();
    let one = world.user_claims().encode(&world.account_signing).unwrap();
    assert_eq!(one, world.user_claims().encode(&world.account_signing).unwrap());
    let other = UserClaims {
        issued_at: NOW + 1,
        ..world.user_claims()
    };
    let other = other.encode(&world.account_signing).unwrap();
    assert_ne!(claims_of(&one)["jti"], claims_of(&other)["jti"]);
}

#[test]
fn absent_limits_are_zero_and_not_unlimited() {
    let world = World::new();
    let (iss, sub) = (world.operator.public(), world.account.public());
    let claims = format!(r#"{{"iss":"{iss}","sub":"{sub}","nats":{{"type":"account","version":2}}}}"#);
    let account = AccountClaims::decode(&token(HEADER, &claims, &world.operator)).unwrap();
    assert_eq!(account.limits, NatsLimits::default());
    assert!(!account.limits.connections.allows(1));

    let (iss, sub) = (world.account.public(), world.user.public());
    let claims = format!(r#"{{"iss":"{iss}","sub":"{sub}","nats":{{"type":"user","version":2}}}}"#);
    let user = UserClaims::decode(&token(HEADER, &claims, &world.account)).unwrap();
    assert_eq!(user.limits, UserLimits::default());
    assert!(!user.limits.payload.allows(1));
    assert_eq!(user.account(), world.account.public());
}

#[test]
fn loose_spellings_of_other_tools_are_read() {
    let world = World::new();
    let (iss, sub) = (world.account.public(), world.user.public());
    let claims = format!(
        r#"{{"iss":"{iss}","sub":"{sub}","iat":1,"exp":0,"aud":"x","future":[1],"nats":{{"type":"user","version":2,
            "pub":{{}},"sub":{{"allow":null}},"resp":null,"src":"10.0.0.0/8, 192.168.0.0/16","times":null,
            "issuer_account":"","tags":null,"subs":-1,"future":{{"a":1}}}}}}"#
    );
    let user = UserClaims::decode(&token(HEADER, &claims, &world.account)).unwrap();
    assert_eq!(user.expires_at, None);
    assert_eq!(user.issuer_account, None);
    assert_eq!(user.limits.src.len(), 2);
    assert!(user.limits.permissions.is_empty());

    let (iss, sub) = (world.operator.public(), world.account.public());
    let claims = format!(
        r#"{{"iss":"{iss}","sub":"{sub}","nats":{{"type":"account","version":2,"authorization":{{}},
            "default_permissions":{{"pub":{{}},"sub":{{}}}},"signing_keys":null,"revocations":null,"exports":[]}}}}"#
    );
    let account = AccountClaims::decode(&token(HEADER, &claims, &world.operator)).unwrap();
    assert_eq!(account.auth_callout, None);
    assert!(account.default_permissions.is_empty());
}

#[test]
fn wrong_signer_is_refused_before_it_signs() {
    let world = World::new();
    assert!(matches!(
        world.account_claims().encode(&world.operator),
        Err(EncodeError::Issuer { .. })
    ));
    let account = AccountClaims {
        issuer: world.user.public(),
        ..world.account_claims()
    };
    assert!(matches!(
        account.encode(&world.user),
        Err(EncodeError::IssuerRole {
            expected: KeyKind::Operator,
            ..
        })
    ));
    let account = AccountClaims {
        subject: world.user.public(),
        ..world.account_claims()
    };
    assert!(matches!(
        account.encode(&world.operator_signing),
        Err(EncodeError::SubjectRole {
            expected: KeyKind::Account,
            ..
        })
    ));
    let account = AccountClaims {
        name: "x".repeat(TOKEN_BYTES_MAX),
        ..world.account_claims()
    };
    assert!(matches!(
        account.encode(&world.operator_signing),
        Err(EncodeError::TooLarge { .. })
    ));
}

fn key(kind: KeyKind) -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(move |bytes| PublicKey::from_bytes(kind, bytes))
}

fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![
        Just(Limit::Unlimited),
        (0..=i64::MAX as u64).prop_map(Limit::AtMost)
    ]
}

fn words() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(".{0,12}", 0..4)
}

/// A point in time; zero reads as "none", so it is never written.
fn time() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(any::<i64>().prop_filter("zero means none", |at| *at != 0))
}

prop_compose! {
    fn rules()(allow in words(), deny in words()) -> Rules { Rules { allow, deny } }
}

prop_compose! {
    fn permissions()(
        publish in rules(),
        subscribe in rules(),
        responses in proptest::option::of(
            any::<(i64, i64)>().prop_map(|(max, ttl_ns)| ResponsePermission { max, ttl_ns }),
        ),
    ) -> Permissions { Permissions { publish, subscribe, responses } }
}

fn network() -> impl Strategy<Value = Cidr> {
    prop_oneof![
        (any::<std::net::Ipv4Addr>(), 0u8..=32).prop_map(|(ip, prefix)| format!("{ip}/{prefix}")),
        (any::<std::net::Ipv6Addr>(), 0u8..=128).prop_map(|(ip, prefix)| format!("{ip}/{prefix}")),
    ]
    .prop_map(|text| text.parse().unwrap())
}

fn window() -> impl Strategy<Value = TimeWindow> {
    let time = || (0..24u8, 0..60u8, 0..60u8).prop_map(|(h, m, s)| format!("{h:02}:{m:02}:{s:02}"));
    (time(), time()).prop_map(|(start, end)| TimeWindow::new(&start, &end).unwrap())
}

prop_compose! {
    fn user_limits()(
        permissions in permissions(),
        (subscriptions, payload, data) in (limit(), limit(), limit()),
        src in proptest::collection::vec(network(), 0..3),
        times in proptest::collection::vec(window(), 0..3),
        times_location in ".{0,8}",
        (bearer_token, proxy_required) in any::<(bool, bool)>(),
        allowed_connection_types in words(),
    ) -> UserLimits {
        UserLimits {
            permissions, subscriptions, payload, data, src, times, times_location,
            bearer_token, proxy_required, allowed_connection_types,
        }
    }
}

prop_compose! {
    fn user_claims()(
        issuer_account in proptest::option::of(key(KeyKind::Account)),
        subject in key(KeyKind::User),
        name in ".{0,20}",
        issued_at: i64,
        (expires_at, not_before) in (time(), time()),
        tags in words(),
        user in proptest::option::of(".{1,20}"),
        limits in user_limits(),
    ) -> UserClaims {
        let issuer = World::new().account_signing.public();
        UserClaims { issuer, issuer_account, subject, name, issued_at, expires_at, not_before, tags, user, limits }
    }
}

fn signing_key() -> BoxedStrategy<AccountSigningKey> {
    prop_oneof![
        key(KeyKind::Account).prop_map(AccountSigningKey::Plain),
        (key(KeyKind::Account), ".{0,8}", ".{0,8}", user_limits()).prop_map(
            |(key, role, description, template)| {
                AccountSigningKey::Scoped(Box::new(Scope {
                    key,
                    role,
                    description,
                    template,
                }))
            }
        ),
    ]
    .boxed()
}

prop_compose! {
    fn nats_limits()(
        numbers in proptest::array::uniform7(limit()),
        (wildcards, disallow_bearer) in any::<(bool, bool)>(),
    ) -> NatsLimits {
        let [subscriptions, data, payload, imports, exports, connections, leaf_nodes] = numbers;
        NatsLimits {
            subscriptions, data, payload, imports, exports, connections, leaf_nodes, wildcards, disallow_bearer,
        }
    }
}

fn callout() -> impl Strategy<Value = AuthCallout> {
    (
        proptest::collection::vec(key(KeyKind::User), 1..3),
        words(),
        ".{0,8}",
    )
        .prop_map(|(auth_users, allowed_accounts, xkey)| AuthCallout {
            auth_users,
            allowed_accounts,
            xkey,
        })
}

fn rate() -> impl Strategy<Value = Option<RateLimit>> {
    let number = || prop_oneof![1..1000_i64, 1..=i64::MAX];
    let rate = prop_oneof![
        Just(RateLimit::Unlimited),
        (number(), proptest::option::of(number()))
            .prop_map(|(per_second, burst)| RateLimit::new(per_second, burst).unwrap()),
    ];
    // On the heap: the whole strategy of an account is too much for the stack of a test.
    proptest::option::of(rate).boxed()
}

fn rates() -> impl Strategy<Value = Rates> {
    (rate(), rate(), rate(), rate()).prop_map(|(messages_in, bytes_in, messages_out, bytes_out)| Rates {
        messages_in,
        bytes_in,
        messages_out,
        bytes_out,
    })
}

fn user_share() -> impl Strategy<Value = UserShare> {
    let connections = proptest::option::of(limit());
    (connections, rates()).prop_map(|(connections, rates)| UserShare { connections, rates })
}

/// With shares for the users of some of the account's keys.
fn tollway(keys: Vec<PublicKey>) -> impl Strategy<Value = TollwayClaim> {
    let keys = proptest::sample::subsequence(keys.clone(), 0..=keys.len());
    let shares = keys.prop_flat_map(|keys| {
        let shares = proptest::collection::vec(user_share(), keys.len());
        shares.prop_map(move |shares| BTreeMap::from_iter(keys.iter().copied().zip(shares)))
    });
    (any::<u64>(), limit(), limit(), rates(), user_share(), shares).prop_map(
        |(version, connections, subscriptions, rates, users, signing_keys)| TollwayClaim {
            version,
            limits: TollwayLimits {
                connections,
                subscriptions,
            },
            rates,
            users,
            signing_keys,
        },
    )
}

/// A subject, its signing keys, and perhaps our claim about them.
fn keys_and_claim() -> impl Strategy<Value = (PublicKey, Vec<AccountSigningKey>, Option<TollwayClaim>)> {
    let keys = (
        key(KeyKind::Account),
        proptest::collection::vec(signing_key(), 0..4),
    );
    keys.prop_flat_map(|(subject, signing_keys)| {
        let known = signing_keys.iter().map(AccountSigningKey::key).chain([subject]);
        let claim = proptest::option::of(tollway(known.collect()));
        (Just(subject), Just(signing_keys), claim)
    })
    .boxed()
}

prop_compose! {
    fn account_claims()(
        (subject, signing_keys, tollway) in keys_and_claim(),
        name in ".{0,20}",
        issued_at: i64,
        (expires_at, not_before) in (time(), time()),
        tags in proptest::collection::vec(".{0,8}", 0..3),
        limits in nats_limits(),
        all in proptest::option::of(any::<i64>()),
        users in proptest::collection::vec((key(KeyKind::User), any::<i64>()), 0..4),
        default_permissions in permissions(),
        auth_callout in proptest::option::of(callout()),
    ) -> AccountClaims {
        let revocations = Revocations { all, users: BTreeMap::from_iter(users) };
        AccountClaims {
            issuer: World::new().operator_signing.public(), subject, name, issued_at, expires_at, not_before,
            tags, limits, signing_keys, revocations, default_permissions, auth_callout, tollway,
            // Those of `exchange.rs`, because they depend on each other.
            exports: Vec::new(), imports: Vec::new(), mappings: Mappings::new(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn operators_round_trip(
        name in ".{0,20}",
        issued_at: i64,
        expires_at in time(),
        signing_keys in proptest::collection::vec(key(KeyKind::Operator), 0..4),
        system_account in proptest::option::of(key(KeyKind::Account)),
        strict_signing_key_usage: bool,
    ) {
        let world = World::new();
        let issuer = world.operator.public();
        let claims = OperatorClaims {
            issuer, subject: issuer, name, issued_at, expires_at, signing_keys, system_account,
            strict_signing_key_usage,
        };
        let token = claims.encode(&world.operator).unwrap();
        prop_assert_eq!(OperatorClaims::decode(&token).unwrap(), claims);
    }

    #[test]
    fn accounts_round_trip(claims in account_claims()) {
        let token = claims.encode(&World::new().operator_signing).unwrap();
        prop_assert_eq!(AccountClaims::decode(&token).unwrap(), claims);
    }

    #[test]
    fn users_round_trip(claims in user_claims()) {
        let token = claims.encode(&World::new().account_signing).unwrap();
        prop_assert_eq!(UserClaims::decode(&token).unwrap(), claims);
    }

    #[test]
    fn statements_round_trip(
        subject in key(KeyKind::Account),
        issued_at: i64,
        version: u64,
        suspended in proptest::option::of(".{0,40}"),
    ) {
        let world = World::new();
        let issuer = world.operator_signing.public();
        let claims = StatementClaims { issuer, subject, issued_at, version, suspended };
        let token = claims.encode(&world.operator_signing).unwrap();
        prop_assert_eq!(StatementClaims::decode(&token).unwrap(), claims);
    }
}
