//! Who may connect, and what they may do.

use std::time::Duration;

use tollway_claims::{KeyKind, Signer};
use tollway_conf::{
    Authorization, ConnectionType, Identity, Login, NoticeReason, Permissions, Reason, Rules,
};

use crate::around::{config, problems, wrong};

/// A public key that is always the same.
pub(crate) fn key(kind: KeyKind, seed: u8) -> String {
    Signer::generate(kind, [seed; 32]).public().to_string()
}

pub(crate) fn user_key(seed: u8) -> String {
    key(KeyKind::User, seed)
}

fn authorization(inner: &str) -> Authorization {
    config(&format!("authorization {{ {inner} }}"))
        .authorization
        .expect("it is set")
}

#[test]
fn one_login_for_everybody_is_a_name_and_password_or_a_token() {
    let block = authorization("user: derek, pass: \"s3cr3t\", timeout: 0.5");
    let Some(Login::Password { user, password }) = &block.login else {
        panic!("{block:?}")
    };
    assert_eq!(user.as_deref(), Some("derek"));
    assert_eq!(password.as_ref().expect("it is set").expose(), "s3cr3t");
    assert_eq!(block.timeout, Some(Duration::from_millis(500)));

    let block = authorization("token: $2a$11$hash");
    assert!(matches!(&block.login, Some(Login::Token(token)) if token.expose() == "$2a$11$hash"));
    assert_eq!(authorization("token: \"\"").login, None);
    assert_eq!(
        authorization("timeout: \"2s\"").timeout,
        Some(Duration::from_secs(2))
    );

    for text in [
        "user: a, token: b",
        "password: a, token: b",
        "user: a, users: []",
        "token: a, users: [{user: b}]",
    ] {
        let problems = wrong(&format!("authorization {{ {text} }}"));
        assert!(
            matches!(problems.listed[0].reason, Reason::Conflict { .. }),
            "{text}"
        );
    }
}

#[test]
fn secrets_do_not_print() {
    let text = "authorization { user: u, password: hunter2 }\nwebsocket { no_tls: true, authorization { token: hunter2 } }\njetstream { key: hunter2, prev_key: hunter2 }\ndefault_sentinel: hunter2";
    assert!(!format!("{:?}", config(text)).contains("hunter2"));
    let users = "authorization { users: [{ user: u, password: hunter2 }] }";
    assert!(!format!("{:?}", config(users)).contains("hunter2"));
    for text in [
        "authorization { password: [hunter2] }",
        "authorization { user: u, password: hunter2, token: hunter2 }",
        "authorization { users: [{ nkey: SUhunter2 }] }",
        "authorization { users: [{ nkey: x, password: hunter2 }] }",
        "accounts { A { nkey: hunter2 } }",
        "trusted_keys: hunter2",
        "resolver_preload { name: hunter2 }",
        "max_payload: hunter2",
        "lame_duck_duration: hunter2",
    ] {
        let problems = wrong(text);
        assert!(
            !format!("{problems} {problems:?}").contains("hunter2"),
            "{problems:?}"
        );
    }
}

#[test]
fn users_have_a_name_or_a_key() {
    let key = user_key(1);
    let block = authorization(&format!(
        "users: [{{ user: a, password: p }}, {{ username: \"CN=b\", clients: [standard, WEBSOCKET] }}, {{ nkey: {key}, proxy_required: true }}]"
    ));
    assert_eq!(block.users.len(), 3);
    assert_eq!(block.users[0].identity.label(), "a");
    assert_eq!(
        block.users[1].identity,
        Identity::Name {
            name: "CN=b".into(),
            password: None
        }
    );
    assert_eq!(
        block.users[1].connection_types,
        [ConnectionType::Standard, ConnectionType::Websocket]
    );
    assert_eq!(block.users[2].identity.label(), key);
    assert!(block.users[2].proxy_required);
    assert_eq!(
        (block.users[2].at.line(), block.users[2].at.column() > 80),
        (1, true)
    );

    for (user, what) in [
        ("{}", "a user needs user or nkey"),
        ("{password: p}", "a user needs user or nkey"),
        ("{user: \"\"}", "a user needs user or nkey"),
        ("{nkey: x}", "nkey: has to be a public user key (U…)"),
        ("{user: a, nkey: KEY}", "nkey excludes user and password"),
        ("{password: a, nkey: KEY}", "nkey excludes user and password"),
        (
            "{user: 5}",
            "user has to be a text; if it looks like something else, it needs quotes, not a whole number",
        ),
        (
            "{user: a, clients: [MAIL]}",
            "clients: has to be STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS or IN_PROCESS",
        ),
        ("a", "users has to be a map, not a text"),
    ] {
        let problems = problems(&format!(
            "authorization {{ users: [{}] }}",
            user.replace("KEY", &key)
        ));
        assert!(
            problems.len() == 1 && problems[0].ends_with(what),
            "{user}: {problems:?}"
        );
    }
    let account = self::key(KeyKind::Account, 1);
    assert_eq!(
        problems(&format!("authorization {{ users: [{{nkey: {account}}}] }}")).len(),
        1
    );
}

#[test]
fn a_user_exists_once_in_a_server() {
    let text =
        "authorization { users: [{user: a}, {user: a}] }\naccounts { A { users: [{user: b}, {user: a}] } }";
    assert_eq!(
        problems(text),
        [
            r#"1:36: user "a" exists already"#,
            r#"2:35: user "a" exists already"#
        ]
    );
    let text = "authorization { user: x, password: y }\naccounts { A { users: [{user: b}] } }";
    assert!(matches!(wrong(text).listed[0].reason, Reason::Conflict { .. }));
    assert!(
        config("authorization { user: x }\naccounts { A { } }")
            .authorization
            .is_some()
    );
}

#[test]
fn no_auth_user_has_to_exist() {
    let text = "no_auth_user: a\naccounts { A { users: [{user: a, password: p}] } }";
    assert_eq!(config(text).no_auth_user.expect("it is set").value, "a");
    assert_eq!(
        problems("port: 1\nno_auth_user: a"),
        [r#"2:15: there is no user "a""#]
    );
    assert_eq!(config("no_auth_user: \"\"").no_auth_user, None);
}

fn permissions(inner: &str) -> Permissions {
    let block = authorization(&format!("users: [{{ user: u, permissions: {{ {inner} }} }}]"));
    block.users[0].permissions.clone().expect("they are set")
}

fn rules(allow: &[&str], deny: &[&str]) -> Rules {
    let texts = |list: &[&str]| list.iter().map(|text| text.to_string()).collect();
    Rules {
        allow: texts(allow),
        deny: texts(deny),
    }
}

#[test]
fn permissions_are_one_filter_several_or_both_sides() {
    let read = permissions("publish: \"a.>\", subscribe: [b, \"c.* workers\"]");
    assert_eq!(read.publish, rules(&["a.>"], &[]));
    assert_eq!(read.subscribe, rules(&["b", "c.* workers"], &[]));
    let read = permissions("pub: {allow: [a, b], deny: a.x}, sub: {deny: [\">\"]}");
    assert_eq!(read.publish, rules(&["a", "b"], &["a.x"]));
    assert_eq!(read.subscribe, rules(&[], &[">"]));
    assert_eq!(permissions(""), Permissions::default());

    for inner in [
        "publish: \"a b\"",
        "publish: a..b",
        "subscribe: \"a q r\"",
        "publish: {deny: \"a.>.b\"}",
        "publish: \"\"",
    ] {
        let problems = wrong(&format!(
            "authorization {{ users: [{{ user: u, permissions: {{ {inner} }} }}] }}"
        ));
        assert!(
            matches!(problems.listed[0].reason, Reason::InvalidSubject { .. }),
            "{inner}: {problems}"
        );
    }
    for inner in [
        "publish: 5",
        "publish: [a, 5 ]",
        "publsh: a",
        "publish: {allowed: a}",
    ] {
        assert_eq!(
            problems(&format!("authorization {{ permissions: {{ {inner} }} }}")).len(),
            1,
            "{inner}"
        );
    }
}

#[test]
fn an_empty_list_permits_everything_and_that_is_told() {
    for inner in ["publish: []", "subscribe: {allow: []}"] {
        let config = config(&format!("authorization {{ default_permissions: {{ {inner} }} }}"));
        assert!(
            matches!(config.notices[0].reason, NoticeReason::EmptyAllow(_)),
            "{inner}"
        );
    }
    assert!(
        config("authorization { default_permissions: { publish: {deny: []} } }")
            .notices
            .is_empty()
    );
}

#[test]
fn leave_to_answer_is_a_switch_or_has_bounds() {
    let responses = |inner: &str| permissions(inner).responses.map(|rule| (rule.max, rule.ttl_ns));
    assert_eq!(responses("allow_responses: true"), Some((0, 0)));
    assert_eq!(responses("allow_responses: false"), None);
    assert_eq!(responses("allow_responses: {}"), Some((0, 0)));
    assert_eq!(
        responses("allow_responses: {max: 5, ttl: \"1m\"}"),
        Some((5, 60_000_000_000))
    );
    assert_eq!(
        responses("publish_allow_responses: {max_msgs: -1, expires: \"-1s\"}"),
        Some((-1, -1))
    );
    for inner in [
        "allow_responses: yes please",
        "allow_responses: 5",
        "allow_responses: {ttl: 5}",
        "allow_responses: {max: a}",
    ] {
        let text = format!("authorization {{ permissions: {{ {inner} }} }}");
        let refused = crate::around::parse(&text).is_err() || !problems(&text).is_empty();
        assert!(refused, "{inner}");
    }
}

#[test]
fn default_permissions_stand_beside_the_users() {
    let block = authorization(
        "default_permissions: {publish: d}, users: [{user: a}, {user: b, permissions: {publish: e}}]",
    );
    assert_eq!(
        block.default_permissions.expect("they are set").publish,
        rules(&["d"], &[])
    );
    assert_eq!(block.users[0].permissions, None);
    assert_eq!(
        block.users[1].permissions.as_ref().expect("they are set").publish,
        rules(&["e"], &[])
    );
}

#[test]
fn auth_callout_names_its_issuer_and_its_own_users() {
    let issuer = key(KeyKind::Account, 7);
    let text = format!(
        "accounts {{ AUTH {{ users: [{{user: svc, password: p}}] }}, APP {{}} }}\nauthorization {{ auth_callout {{ issuer: {issuer}, auth_users: [svc], account: AUTH, allowed_accounts: [APP] }} }}"
    );
    let callout = config(&text)
        .authorization
        .expect("it is set")
        .auth_callout
        .expect("it is set");
    assert_eq!(callout.issuer.to_string(), issuer);
    assert_eq!(callout.auth_users[0].value, "svc");
    assert_eq!(callout.account.expect("it is set").value, "AUTH");
    assert_eq!(
        problems(&text.replace("[APP]", "[AP]")),
        [r#"2:151: there is no account "AP""#]
    );
    assert_eq!(problems("authorization { auth_callout {} }").len(), 2);
    assert_eq!(
        problems("authorization { auth_callout { issuer: x, users: [a] } }").len(),
        1
    );
}

#[test]
fn a_timeout_that_is_meant_otherwise_is_told() {
    let config = config("authorization { user: a, timeout: 2k }");
    assert_eq!(
        config.notices[0].reason,
        NoticeReason::LongTimeout("the timeout of authorization")
    );
    assert_eq!(problems("authorization { timeout: -1 }").len(), 1);
    assert_eq!(problems("authorization { timeout: -0.5 }").len(), 1);
    assert_eq!(problems("authorization { timeout: true }").len(), 1);
}
