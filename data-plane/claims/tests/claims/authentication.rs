//! Who may connect: each rule of the sequence decides at least once.

use std::net::IpAddr;

use proptest::prelude::*;
use tollway_claims::*;

use crate::world::{NONCE, NOW, World};

/// One attempt to connect; every field can be changed before it is made.
struct Attempt {
    operator: OperatorClaims,
    account: AccountClaims,
    user: UserClaims,
    /// Who signs the user JWT.
    issuer: Signer,
    /// CONNECT's `sig`; the user's own over the nonce unless told otherwise.
    signature: Option<String>,
    client_ip: Option<IpAddr>,
    connection_type: ConnectionType,
    now: i64,
}

impl Attempt {
    fn new() -> Self {
        let world = World::new();
        Self {
            operator: world.operator_claims(),
            account: world.account_claims(),
            user: world.user_claims(),
            signature: Some(encode_signature(&world.user.sign(NONCE))),
            issuer: world.account_signing,
            client_ip: Some("10.1.2.3".parse().unwrap()),
            connection_type: ConnectionType::Standard,
            now: NOW,
        }
    }

    fn trust(&self) -> Trust {
        Trust::from_operator_jwt(&self.operator.encode(&World::new().operator).unwrap()).unwrap()
    }

    fn make(&self) -> Result<AuthenticatedUser, AuthError> {
        let user = SignedUser::decode(&self.user.encode(&self.issuer).unwrap()).unwrap();
        let facts = ConnectionFacts {
            proof: Proof::Nonce {
                nonce: NONCE,
                signature: self.signature.as_deref(),
            },
            client_ip: self.client_ip,
            connection_type: self.connection_type,
            now: self.now,
        };
        authenticate(&self.trust(), &self.account, user, &facts)
    }

    fn code(&self) -> &'static str {
        self.make().err().map_or("accepted", |error| error.code())
    }
}

/// The outcome of an attempt after one change.
fn after(change: impl FnOnce(&mut Attempt)) -> &'static str {
    let mut attempt = Attempt::new();
    change(&mut attempt);
    attempt.code()
}

/// A signing key whose users get `template`.
fn scope(template: UserLimits) -> AccountSigningKey {
    AccountSigningKey::Scoped(Box::new(Scope {
        key: World::new().account_signing.public(),
        role: "worker".into(),
        description: String::new(),
        template,
    }))
}

/// Has the user signed by such a key.
fn scoped(attempt: &mut Attempt, template: &UserLimits) {
    attempt.account.signing_keys = vec![scope(template.clone())];
    attempt.user.limits = UserLimits::default();
}

#[test]
fn user_of_a_signing_key_and_of_the_identity_key_may_connect() {
    assert_eq!(Attempt::new().code(), "accepted");
    let by_identity = |attempt: &mut Attempt| {
        attempt.issuer = World::new().account;
        attempt.user.issuer = attempt.issuer.public();
        attempt.user.issuer_account = None;
    };
    assert_eq!(after(by_identity), "accepted");
    let strict = |attempt: &mut Attempt| {
        by_identity(attempt);
        attempt.operator.strict_signing_key_usage = true;
    };
    assert_eq!(after(strict), "identity_key_refused");
}

#[test]
fn expiry_and_beginning_are_exact_to_the_second() {
    let at = |now| {
        after(|attempt| {
            attempt.user.not_before = Some(NOW);
            attempt.user.expires_at = Some(NOW + 10);
            attempt.now = now;
        })
    };
    assert_eq!(
        [NOW - 1, NOW, NOW + 1].map(at),
        ["not_yet_valid", "accepted", "accepted"]
    );
    assert_eq!(
        [NOW + 9, NOW + 10, NOW + 11].map(at),
        ["accepted", "expired", "expired"]
    );

    let account_at = |now| {
        after(|attempt| {
            attempt.account.not_before = Some(NOW);
            attempt.account.expires_at = Some(NOW + 10);
            attempt.now = now;
        })
    };
    assert_eq!(
        [NOW - 1, NOW].map(account_at),
        ["account_not_yet_valid", "accepted"]
    );
    assert_eq!(
        [NOW + 9, NOW + 10].map(account_at),
        ["accepted", "account_expired"]
    );
}

#[test]
fn revocation_compares_the_time_of_signing() {
    let user = World::new().user.public();
    let revoked_at = |at| after(|attempt| attempt.account.revocations.revoke(user, at));
    assert_eq!(
        [NOW - 1, NOW, NOW + 1].map(revoked_at),
        ["accepted", "revoked", "revoked"]
    );
    let all_revoked_at = |at| after(|attempt| attempt.account.revocations.all = Some(at));
    assert_eq!(
        [NOW - 1, NOW, NOW + 1].map(all_revoked_at),
        ["accepted", "revoked", "revoked"]
    );
    // The later of both counts, and another user's counts for nothing.
    let both = |attempt: &mut Attempt| {
        attempt.account.revocations.all = Some(NOW - 5);
        attempt.account.revocations.revoke(user, NOW);
        attempt.account.revocations.revoke(user, NOW - 9);
    };
    assert_eq!(after(both), "revoked");
    let other = Signer::generate(KeyKind::User, [42; 32]).public();
    assert_eq!(
        after(|attempt| attempt.account.revocations.revoke(other, NOW)),
        "accepted"
    );
}

#[test]
fn jwt_without_the_users_key_is_worth_nothing() {
    let world = World::new();
    let sign_with = |signer: &Signer, nonce: &[u8]| {
        after(|attempt| attempt.signature = Some(encode_signature(&signer.sign(nonce))))
    };
    assert_eq!(after(|attempt| attempt.signature = None), "signature_missing");
    assert_eq!(
        after(|attempt| attempt.signature = Some(String::new())),
        "signature_missing"
    );
    assert_eq!(sign_with(&world.account_signing, NONCE), "signature_invalid");
    assert_eq!(
        sign_with(&world.user, b"the nonce of another connection"),
        "signature_invalid"
    );
    assert_eq!(sign_with(&world.user, b""), "signature_invalid");
    assert_eq!(
        after(|attempt| attempt.signature = Some("!".into())),
        "signature_invalid"
    );
    assert_eq!(
        after(|attempt| attempt.signature = Some("AAAA".into())),
        "signature_invalid"
    );
}

#[test]
fn a_signature_is_spelled_as_stock_servers_take_it_and_in_no_other_way() {
    let signature = World::new().user.sign(NONCE);
    let outcome = |text: String| after(|attempt| attempt.signature = Some(text));
    let url = data_encoding::BASE64URL_NOPAD.encode(&signature);
    for spelled in [url.clone(), data_encoding::BASE64.encode(&signature)] {
        assert_eq!(outcome(spelled.clone()), "accepted", "{spelled}");
    }
    // The letters of one way with the padding of the other, when that shows.
    assert_eq!(
        outcome(data_encoding::BASE64URL.encode(&signature)),
        "signature_invalid"
    );
    let standard = data_encoding::BASE64_NOPAD.encode(&signature);
    let same = standard == url;
    assert_eq!(outcome(standard) == "accepted", same);
    let (head, last) = url.split_at(url.len() - 1);
    let other_bits = char::from(last.as_bytes()[0] + 1);
    for other in [
        format!("{url}\r\n"),
        format!("{}\n{}", &url[..40], &url[40..]),
        format!(" {url}"),
        format!("{url} "),
        format!("{url}="),
        format!("{head}{other_bits}"),
    ] {
        assert_eq!(outcome(other.clone()), "signature_invalid", "{other:?}");
    }
}

#[test]
fn bearer_needs_no_signature_unless_the_account_refuses_bearers() {
    let bearer = |attempt: &mut Attempt| {
        attempt.user.limits.bearer_token = true;
        attempt.signature = None;
    };
    assert_eq!(after(bearer), "accepted");
    let refused = |attempt: &mut Attempt| {
        bearer(attempt);
        attempt.account.limits.disallow_bearer = true;
    };
    assert_eq!(after(refused), "bearer_refused");
    // A signature does not help: the token as such is unwanted.
    let with_signature = |attempt: &mut Attempt| {
        attempt.user.limits.bearer_token = true;
        attempt.account.limits.disallow_bearer = true;
    };
    assert_eq!(after(with_signature), "bearer_refused");
}

#[test]
fn user_belongs_to_its_account_alone() {
    let stranger = Signer::generate(KeyKind::Account, [21; 32]);
    // Signed by a key of another account, for this one.
    let foreign = |attempt: &mut Attempt| {
        attempt.user.issuer = stranger.public();
        attempt.issuer = Signer::generate(KeyKind::Account, [21; 32]);
    };
    assert_eq!(after(foreign), "unknown_issuer");
    // Signed by a good key, checked against an account it does not name.
    assert_eq!(
        after(|attempt| attempt.account.subject = stranger.public()),
        "other_account"
    );
    // The signing key was taken out of the account.
    assert_eq!(
        after(|attempt| attempt.account.signing_keys.clear()),
        "unknown_issuer"
    );
    // The account's own signer was taken out of the operator.
    assert_eq!(
        after(|attempt| attempt.operator.signing_keys.clear()),
        "untrusted_account"
    );
}

#[test]
fn scoped_user_gets_the_template_and_nothing_of_its_own() {
    let mut template = UserLimits::unlimited();
    template.permissions.publish.allow = vec!["orders.>".into()];
    template.payload = Limit::AtMost(100);
    let mut attempt = Attempt::new();
    scoped(&mut attempt, &template);
    let user = attempt.make().unwrap();
    assert_eq!(*user.rights.limits, template);
    assert!(user.rights.permissions.may_publish(b"orders.1").is_allowed());
    assert!(!user.rights.permissions.may_publish(b"invoices.1").is_allowed());

    for own in [
        UserLimits::unlimited(),
        UserLimits {
            bearer_token: true,
            ..UserLimits::default()
        },
        UserLimits {
            payload: Limit::AtMost(5),
            ..UserLimits::default()
        },
        UserLimits {
            permissions: Permissions {
                publish: Rules {
                    allow: vec![">".into()],
                    deny: vec![],
                },
                ..Permissions::default()
            },
            ..UserLimits::default()
        },
    ] {
        attempt.user.limits = own;
        assert_eq!(attempt.code(), "scoped_user_with_limits");
    }
}

/// What a user of a scoped key gets from a template with these lists of publish rules.
fn publish_rules(allow: &[&str], deny: &[&str], change: impl Fn(&mut Attempt)) -> Result<Rules, String> {
    let list = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
    let template = UserLimits {
        permissions: Permissions {
            publish: Rules {
                allow: list(allow),
                deny: list(deny),
            },
            ..Permissions::default()
        },
        ..UserLimits::unlimited()
    };
    let mut attempt = Attempt::new();
    scoped(&mut attempt, &template);
    attempt.user.name = "ann".into();
    attempt.user.tags = vec![
        "team:red".into(),
        "team:blue".into(),
        "cost.center:7".into(),
        "lone".into(),
    ];
    attempt.account.name = "shop".into();
    attempt.account.tags = vec!["region:eu".into()];
    change(&mut attempt);
    match attempt.make() {
        Ok(user) => Ok(user.rights.limits.permissions.publish.clone()),
        Err(error) => Err(error.code().to_owned()),
    }
}

fn rules(allow: &[&str], deny: &[&str]) -> Result<Rules, String> {
    let list = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
    Ok(Rules {
        allow: list(allow),
        deny: list(deny),
    })
}

#[test]
fn functions_of_a_template_become_each_users_own_rules() {
    let same = |_: &mut Attempt| {};
    let allow = |rule| publish_rules(&[rule], &[], same);
    assert_eq!(allow("a.{{name()}}.>"), rules(&["a.ann.>"], &[]));
    assert_eq!(
        allow("{{ Account-Name() }}.{{account-tag(REGION)}}"),
        rules(&["shop.eu"], &[])
    );
    assert_eq!(
        allow("{{tag(team)}}.{{name()}}.{{tag(team)}}"),
        rules(
            &["red.ann.red", "red.ann.blue", "blue.ann.red", "blue.ann.blue"],
            &[]
        )
    );
    assert_eq!(allow("{{tag(cost.center)}}"), rules(&["7"], &[]));
    let keys = allow("{{subject()}}.{{account-subject()}}")
        .unwrap()
        .allow
        .remove(0);
    let (user, account) = keys.split_once('.').unwrap();
    assert!(
        user.starts_with('U') && account.starts_with('A') && account.len() == 56,
        "{keys}"
    );
    // Half a function is a part of the subject, as in stock servers.
    assert_eq!(allow("a.{{name()"), rules(&["a.{{name()"], &[]));
    assert_eq!(
        publish_rules(&["a"], &["x.{{tag(team)}}"], same),
        rules(&["a"], &["x.red", "x.blue"])
    );
}

#[test]
fn rules_that_stand_for_nothing_are_left_out_and_never_allow_more() {
    let same = |_: &mut Attempt| {};
    let without = "a.{{tag(none)}}";
    assert_eq!(publish_rules(&[without, "b"], &[], same), rules(&["b"], &[]));
    assert_eq!(publish_rules(&[without], &["c"], same), rules(&[], &["c", ">"]));
    assert_eq!(
        publish_rules(&["a"], &[without], same),
        Err("scope_template".into())
    );
    for unknown in ["{{}}", "{{name}}", "{{tag(a}}", "{{exec()}}", "{{account-tag}}"] {
        assert_eq!(
            publish_rules(&[unknown], &[], same),
            Err("scope_template".into()),
            "{unknown}"
        );
    }
    // Whoever names a user does not widen the template.
    for name in [
        "*",
        ">",
        "a.>",
        "*.b",
        "a b",
        "a\tb",
        "",
        ".",
        "a.",
        "{{subject()}} x",
    ] {
        let named = |attempt: &mut Attempt| attempt.user.name = name.into();
        assert_eq!(
            publish_rules(&["a.{{name()}}"], &[], named),
            rules(&[], &[">"]),
            "{name}"
        );
    }
    let named = |attempt: &mut Attempt| attempt.user.name = "{{subject()}}".into();
    assert_eq!(
        publish_rules(&["a.{{name()}}"], &[], named),
        rules(&["a.{{subject()}}"], &[]),
        "a value is no template"
    );
}

#[test]
fn rules_that_a_template_multiplies_are_bounded() {
    let many = |attempt: &mut Attempt| {
        attempt.user.tags = (0..100).map(|value| format!("t:{value}")).collect();
    };
    let of = |rule: &str| publish_rules(&[rule], &[], many).map(|rules| rules.allow.len());
    assert_eq!(of("{{tag(t)}}"), Ok(100));
    assert_eq!(of("{{tag(t)}}.{{tag(t)}}"), Err("scope_template".into()));
    assert_eq!(
        of(&"{{account-subject()}}.".repeat(100)),
        Err("scope_template".into())
    );
    // Each is small, all together are not.
    let list = vec!["{{tag(t)}}.x"; 41];
    assert_eq!(publish_rules(&list, &[], many), Err("scope_template".into()));
}

#[test]
fn default_permissions_are_for_users_without_any() {
    let defaults = Permissions {
        publish: Rules {
            allow: vec!["public.>".into()],
            deny: vec![],
        },
        ..Permissions::default()
    };
    let mut attempt = Attempt::new();
    attempt.account.default_permissions = defaults;
    let user = attempt.make().unwrap();
    assert!(!user.rights.permissions.may_publish(b"private.1").is_allowed());
    assert!(user.rights.permissions.may_publish(b"public.1").is_allowed());

    attempt.user.limits.permissions.subscribe.deny = vec!["x".into()];
    let user = attempt.make().unwrap();
    assert!(user.rights.permissions.may_publish(b"private.1").is_allowed());
}

#[test]
fn connection_types_are_those_that_are_listed() {
    let with = |list: &[&str], kind| {
        after(|attempt| {
            attempt.user.limits.allowed_connection_types = list.iter().map(|word| (*word).into()).collect();
            attempt.connection_type = kind;
        })
    };
    assert_eq!(with(&[], ConnectionType::Mqtt), "accepted");
    assert_eq!(with(&["STANDARD"], ConnectionType::Standard), "accepted");
    assert_eq!(
        with(&["standard", "FUTURE"], ConnectionType::Standard),
        "accepted"
    );
    assert_eq!(with(&["STANDARD"], ConnectionType::Websocket), "connection_type");
    assert_eq!(with(&["FUTURE"], ConnectionType::Standard), "connection_type");
}

#[test]
fn source_networks_bind_the_peer() {
    let from = |networks: &[&str], ip: Option<&str>| {
        after(|attempt| {
            attempt.user.limits.src = networks.iter().map(|network| network.parse().unwrap()).collect();
            attempt.client_ip = ip.map(|ip| ip.parse().unwrap());
        })
    };
    assert_eq!(from(&["10.0.0.0/8"], Some("10.255.0.1")), "accepted");
    assert_eq!(from(&["10.0.0.0/8"], Some("::ffff:10.255.0.1")), "accepted");
    assert_eq!(
        from(&["192.168.0.0/16", "10.0.0.0/8"], Some("10.0.0.1")),
        "accepted"
    );
    assert_eq!(from(&["10.0.0.0/8"], Some("11.0.0.1")), "source_address");
    assert_eq!(from(&["10.0.0.0/8"], Some("2001:db8::1")), "source_address");
    assert_eq!(from(&["::/0"], Some("10.0.0.1")), "source_address");
    assert_eq!(from(&["10.0.0.0/8"], None), "source_address");
}

#[test]
fn times_of_day_let_in_and_end_the_connection() {
    // NOW is 08:00:00 UTC.
    let mut attempt = Attempt::new();
    attempt.user.limits.times = vec![TimeWindow::new("08:00:00", "09:00:00").unwrap()];
    assert_eq!(attempt.make().unwrap().expires_at, Some(NOW + 3600));
    attempt.user.expires_at = Some(NOW + 60);
    assert_eq!(attempt.make().unwrap().expires_at, Some(NOW + 60));
    attempt.user.expires_at = None;
    attempt.now = NOW - 1;
    assert_eq!(attempt.code(), "outside_times");
    attempt.now = NOW + 3600;
    assert_eq!(attempt.code(), "outside_times");

    // Over midnight, seen from both sides of it.
    attempt.user.limits.times = vec![TimeWindow::new("22:00:00", "02:00:00").unwrap()];
    let midnight = NOW - 8 * 3600;
    for (now, end) in [
        (midnight - 3600, midnight + 7200),
        (midnight + 3600, midnight + 7200),
    ] {
        attempt.now = now;
        assert_eq!(attempt.make().unwrap().expires_at, Some(end));
    }
    attempt.now = midnight + 7200;
    assert_eq!(attempt.code(), "outside_times");

    // The same window two hours later, in winter one.
    attempt.user.limits.times_location = "Europe/Berlin".into();
    attempt.now = midnight - 3600;
    assert!(attempt.make().unwrap().expires_at < Some(midnight + 7200));
    attempt.user.limits.times_location = "Nowhere/Land".into();
    assert_eq!(attempt.code(), "unknown_times_location");
    attempt.user.limits.times.clear();
    assert_eq!(attempt.code(), "accepted");
}

#[test]
fn what_is_not_built_is_refused_and_not_ignored() {
    assert_eq!(
        after(|attempt| attempt.user.limits.proxy_required = true),
        "proxy_required"
    );
    let user = World::new().user.public();
    let other = Signer::generate(KeyKind::User, [42; 32]).public();
    let callout = |auth_users| {
        Some(AuthCallout {
            auth_users,
            ..AuthCallout::default()
        })
    };
    assert_eq!(
        after(|attempt| attempt.account.auth_callout = callout(vec![other])),
        "auth_callout_unsupported"
    );
    assert_eq!(
        after(|attempt| attempt.account.auth_callout = callout(vec![user])),
        "accepted"
    );
}

#[test]
fn rule_that_cannot_be_read_refuses_the_user() {
    let rule =
        |rule: &str| after(|attempt| attempt.user.limits.permissions.subscribe.deny = vec![rule.into()]);
    assert_eq!(rule("a..b"), "invalid_permissions");
    assert_eq!(rule(""), "invalid_permissions");
    assert_eq!(rule("a q more"), "invalid_permissions");
    assert_eq!(
        after(|attempt| attempt.user.limits.permissions.publish.allow = vec!["a q".into()]),
        "invalid_permissions"
    );
}

#[test]
fn live_connection_is_asked_again_without_its_proof() {
    let attempt = Attempt::new();
    let connected = attempt.make().unwrap();
    let trust = attempt.trust();
    let again = |account: &AccountClaims, now| {
        reauthenticate(&trust, account, &connected.login, now)
            .err()
            .map_or("accepted", |error| error.code())
    };
    assert_eq!(again(&attempt.account, NOW + 1), "accepted");

    let mut revoked = attempt.account.clone();
    revoked.revocations.revoke(attempt.user.subject, NOW);
    assert_eq!(again(&revoked, NOW + 1), "revoked");

    let mut without_key = attempt.account.clone();
    without_key.signing_keys.clear();
    assert_eq!(again(&without_key, NOW + 1), "unknown_issuer");

    let mut defaults = attempt.account.clone();
    defaults.default_permissions.publish.deny = vec!["secret".into()];
    let updated = reauthenticate(&trust, &defaults, &connected.login, NOW + 1).unwrap();
    assert!(connected.rights.permissions.may_publish(b"secret").is_allowed());
    assert!(!updated.rights.permissions.may_publish(b"secret").is_allowed());
}

#[test]
fn control_plane_acts_as_a_user_without_a_nonce() {
    let attempt = Attempt::new();
    let user = SignedUser::decode(&attempt.user.encode(&attempt.issuer).unwrap()).unwrap();
    let facts = ConnectionFacts {
        proof: Proof::FleetStream,
        client_ip: None,
        connection_type: ConnectionType::InProcess,
        now: NOW,
    };
    authenticate(&attempt.trust(), &attempt.account, user.clone(), &facts).unwrap();
    // Everything else still decides.
    let mut account = attempt.account.clone();
    account.revocations.all = Some(NOW);
    let error = authenticate(&attempt.trust(), &account, user, &facts).unwrap_err();
    assert_eq!(error.code(), "revoked");
}

#[test]
fn creds_round_trip_and_are_read_tolerantly() {
    let world = World::new();
    let jwt = world.user_claims().encode(&world.account_signing).unwrap();
    let text = UserCreds {
        jwt: jwt.clone(),
        signer: Signer::generate(KeyKind::User, [5; 32]),
    }
    .format();
    for spelling in [
        text.to_string(),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\n\n"),
        format!("a note\n  {}", text.replace('\n', "\n  ")),
        text.replace("USER NKEY SEED", "SEED"),
    ] {
        let creds = UserCreds::parse(&spelling).unwrap();
        assert_eq!(creds.jwt, jwt);
        assert_eq!(creds.signer.public(), world.user.public());
        assert!(!format!("{creds:?}").contains("SU"), "no seed in debug texts");
    }

    let other_seed = Signer::generate(KeyKind::User, [6; 32]).seed();
    let account_seed = world.account.seed();
    for (text, expected) in [
        (String::new(), CredsError::BlockMissing("user JWT")),
        (jwt.clone(), CredsError::BlockMissing("user JWT")),
        (text.replace(&jwt, ""), CredsError::BlockMissing("user JWT")),
        (
            text.replace(world.user.seed().as_str(), ""),
            CredsError::BlockMissing("seed"),
        ),
        (
            text.replace(world.user.seed().as_str(), &other_seed),
            CredsError::OtherUser,
        ),
        (
            text.replace(world.user.seed().as_str(), &account_seed),
            CredsError::OtherUser,
        ),
        (
            text.replace(world.user.seed().as_str(), &world.user.public().to_string()),
            CredsError::Seed(KeyError::NotASeed),
        ),
        (
            text.replace(&jwt, "a.b.c"),
            CredsError::Jwt(TokenError::Encoding { part: "header" }),
        ),
    ] {
        assert_eq!(UserCreds::parse(&text).err(), Some(expected));
    }
}

proptest! {
    #[test]
    fn any_signature_text_is_refused_without_panic(text in ".*") {
        prop_assert!(after(|attempt| attempt.signature = Some(text)).starts_with("signature_"));
    }

    /// No time at all makes the arithmetic of windows and expiries overflow.
    #[test]
    fn any_time_is_answered_without_panic(now: i64, expires_at: i64) {
        after(|attempt| {
            attempt.now = now;
            attempt.user.expires_at = Some(expires_at).filter(|at| *at != 0);
            attempt.user.limits.times = vec![TimeWindow::new("22:00:00", "02:00:00").unwrap()];
        });
    }
}
