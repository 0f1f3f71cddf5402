//! Who gets in, and as what.

use serde_json::{Value, json};
use tollway_claims::{KeyKind, Signer};

use crate::client::{Client, VIOLATION};
use crate::node::{Node, refusal};

/// `pw`, hashed by another implementation.
const HASH: &str = "$2a$04$BfCYU27teG8XpWNPIHtkmOtMq2jUHT.GmowBQfIrXEAkk1kP2bJLW";

fn key(number: u8) -> Signer {
    Signer::generate(KeyKind::User, [number; 32])
}

/// The account that these options lead to, or none.
fn account_of(node: &Node, options: Value) -> Option<String> {
    let mut client = node.dial();
    client.connect(options);
    outcome(&mut client)
}

fn outcome(client: &mut Client) -> Option<String> {
    let first = client.until("\r\n");
    if first == VIOLATION {
        assert_eq!(client.rest(), "", "nothing comes behind a refusal");
        return None;
    }
    assert_eq!(first, "PONG\r\n");
    let info = client.until("\r\n");
    let info: Value = serde_json::from_str(info.strip_prefix("INFO ").expect("INFO")).expect("JSON");
    assert_eq!(info["connect_info"], true);
    Some(info["remote_account"].as_str().expect("an account").to_owned())
}

fn user(name: &str, password: &str) -> Value {
    json!({"user": name, "pass": password})
}

#[test]
fn without_users_everybody_gets_in_and_is_told_so() {
    let node = Node::start("server_name: open", &[]);
    for options in [
        json!({}),
        user("anybody", "x"),
        json!({"auth_token": "t"}),
        json!({"nkey": "x"}),
    ] {
        assert_eq!(account_of(&node, options).as_deref(), Some("$G"));
    }
    let mut client = node.dial();
    assert_eq!(client.info["server_name"], "open");
    assert_eq!(
        (&client.info["auth_required"], &client.info["nonce"]),
        (&Value::Null, &Value::Null)
    );
    // Nothing has to be said first: the stock defaults hold, and they are verbose.
    client.send("SUB a 1\r\nPUB a 2\r\nhi\r\n");
    assert_eq!(client.sync(), "+OK\r\n+OK\r\nMSG a 1 2\r\nhi\r\n");
}

#[test]
fn users_have_passwords_hashes_and_keys() {
    let node = Node::start(
        &format!(
            "authorization {{ users: [ {{user: plain, password: b}}, {{user: hashed, password: \"{HASH}\"}},
               {{user: nopass}}, {{nkey: {}}} ] }}",
            key(1).public()
        ),
        &[],
    );
    for (options, is_in) in [
        (user("plain", "b"), true),
        (user("plain", "bb"), false),
        (user("plain", ""), false),
        (user("plain", HASH), false),
        (user("hashed", "pw"), true),
        (user("hashed", "pw2"), false),
        (user("hashed", HASH), false),
        (user("nopass", ""), true),
        (json!({"user": "nopass"}), true),
        (user("nopass", "x"), false),
        (user("nobody", "b"), false),
        (json!({}), false),
        (json!({"pass": "b"}), false),
        (json!({"auth_token": "b"}), false),
        (json!({"nkey": key(1).public().to_string()}), false),
        (json!({"nkey": key(1).public().to_string(), "sig": "AAAA"}), false),
        (json!({"nkey": "no key", "user": "plain", "pass": "b"}), false),
    ] {
        let account = account_of(&node, options.clone());
        assert_eq!(account.as_deref(), is_in.then_some("$G"), "{options}");
    }
    for (signer, named, is_in) in [(1, 1, true), (2, 1, false), (2, 2, false)] {
        let mut client = node.dial();
        assert_eq!(client.info["auth_required"], true);
        client.connect_signed(&key(signer), json!({"nkey": key(named).public().to_string()}));
        assert_eq!(outcome(&mut client).is_some(), is_in, "{signer} as {named}");
    }
    // What must come first is CONNECT.
    let mut client = node.dial();
    client.send("SUB a 1\r\n");
    assert_eq!(client.rest(), VIOLATION);
}

#[test]
fn one_user_or_one_token_may_be_for_everybody() {
    let file = |block: &str| format!("authorization {{ {block} }}");
    let hashed = file(&format!("token: \"{HASH}\""));
    for (configuration, flags, good, bad) in [
        (
            file("user: u, password: p"),
            &[][..],
            user("u", "p"),
            user("u", "q"),
        ),
        (
            file("token: t"),
            &[][..],
            json!({"auth_token": "t"}),
            user("t", "t"),
        ),
        (
            hashed,
            &[][..],
            json!({"auth_token": "pw"}),
            json!({"auth_token": HASH}),
        ),
        (
            "debug: false".into(),
            &["--user", "u", "--pass", "p"][..],
            user("u", "p"),
            json!({}),
        ),
        (
            "debug: false".into(),
            &["-auth=t"][..],
            json!({"auth_token": "t"}),
            json!({"auth_token": ""}),
        ),
    ] {
        let node = Node::start(&configuration, flags);
        assert_eq!(
            account_of(&node, good).as_deref(),
            Some("$G"),
            "{configuration} {flags:?}"
        );
        assert_eq!(account_of(&node, bad), None, "{configuration} {flags:?}");
    }
}

const TENANTS: &str = "accounts {
  A { users: [ {user: a, password: a, permissions: {publish: \"x.>\", subscribe: \"y.>\"}} ] }
  B { users: [ {user: b, password: b} ], limits { max_payload: 10, max_subs: 2 } }
  FEW { users: [ {user: f, password: f} ], limits { max_conn: 1 } }
  SYS { users: [ {user: s, password: s} ] }
}
system_account: SYS
no_auth_user: b";

#[test]
fn who_may_come_as_somebody_has_to_say_something_all_the_same() {
    let node = Node::start(
        "authorization { users: [ {user: a, password: b} ], timeout: 0.2 }
         no_auth_user: a",
        &[],
    );
    let (mut silent, mut begins) = (node.dial(), node.dial());
    assert_eq!(silent.info.get("auth_required"), None);
    assert_eq!(begins.sync(), "");
    assert_eq!(silent.rest(), "-ERR 'Authentication Timeout'\r\n");
    assert_eq!(begins.sync(), "");
    // Where nobody is anybody there is nothing to wait for.
    let open = Node::start("authorization { timeout: 0.01 }", &[]);
    let mut silent = open.dial();
    let mut later = open.dial();
    later.connect(json!({}));
    later.introduced();
    assert_eq!(silent.sync(), "");
}

#[test]
fn a_key_counts_where_somebody_has_one() {
    let stranger = key(9).public().to_string();
    let shows = |user: &str| json!({"nkey": stranger, "user": user, "pass": "b"});
    let without = Node::start("authorization { users: [ {user: a, password: b} ] }", &[]);
    assert_eq!(account_of(&without, shows("a")).as_deref(), Some("$G"));
    assert_eq!(account_of(&without, json!({"nkey": stranger})), None);
    let nobody = Node::start(
        "authorization { users: [ {user: a, password: b} ] }
         no_auth_user: a",
        &[],
    );
    assert_eq!(
        account_of(&nobody, json!({"nkey": stranger})).as_deref(),
        Some("$G")
    );
    assert_eq!(account_of(&nobody, shows("z")), None);
    let with = format!(
        "authorization {{ users: [ {{user: a, password: b}}, {{nkey: {}}} ] }}
         no_auth_user: a",
        key(1).public()
    );
    let with = Node::start(&with, &[]);
    assert_eq!(account_of(&with, shows("a")), None);
    assert_eq!(account_of(&with, json!({"nkey": "nonsense"})), None);
}

#[test]
fn accounts_are_apart_and_have_their_limits() {
    let node = Node::start(TENANTS, &[]);
    let mut a = node.dial();
    assert_eq!(a.info["auth_required"], Value::Null, "one may show nothing");
    a.connect(user("a", "a"));
    let info = a.introduced();
    assert_eq!(
        (&info["remote_account"], &info["auth_required"]),
        (&json!("A"), &json!(true))
    );
    a.send("SUB y.1 1\r\nSUB z 2\r\nPUB z 0\r\n\r\nPUB x.1 0\r\n\r\n");
    assert_eq!(
        a.sync(),
        "-ERR 'Permissions Violation for Subscription to \"z\"'\r\n\
         -ERR 'Permissions Violation for Publish to \"z\"'\r\n"
    );

    let mut b = node.dial();
    b.connect(user("b", "b"));
    assert_eq!(b.introduced()["max_payload"], 10);
    b.send("SUB > 1\r\nSUB y.1 2\r\nSUB c 3\r\nPUB y.1 2\r\nhi\r\n");
    assert_eq!(
        b.sync(),
        "-ERR 'maximum subscriptions exceeded'\r\nMSG y.1 1 2\r\nhi\r\nMSG y.1 2 2\r\nhi\r\n"
    );
    assert_eq!(a.sync(), "", "what is published in another account stays there");

    // Who shows nothing is the user that the file names, and may begin at once.
    assert_eq!(account_of(&node, json!({})).as_deref(), Some("B"));
    let mut silent = node.dial();
    silent.send("SUB q 1\r\n");
    assert_eq!(silent.sync(), "+OK\r\n");
    // Who shows something has to be right.
    assert_eq!(account_of(&node, json!({"user": "x"})), None);
    assert_eq!(account_of(&node, json!({"pass": "x"})), None);

    let mut only = node.dial();
    only.connect(user("f", "f"));
    only.introduced();
    let mut second = node.dial();
    second.connect(user("f", "f"));
    assert_eq!(
        second.rest(),
        "-ERR 'maximum account active connections exceeded'\r\n"
    );

    let mut system = node.dial();
    system.connect(user("s", "s"));
    assert_eq!(system.introduced()["acc_is_sys"], true);
}

#[test]
fn users_without_permissions_have_those_of_their_block() {
    let node = Node::start(
        "authorization {
           default_permissions: { publish: d }
           users: [ {user: a, password: a}, {user: b, password: b, permissions: {publish: own}} ]
         }",
        &[],
    );
    for (name, allowed, denied) in [("a", "d", "own"), ("b", "own", "d")] {
        let mut client = node.dial();
        client.connect(user(name, name));
        client.introduced();
        client.send(&format!("PUB {allowed} 0\r\n\r\nPUB {denied} 0\r\n\r\n"));
        assert_eq!(
            client.sync(),
            format!("-ERR 'Permissions Violation for Publish to \"{denied}\"'\r\n")
        );
    }
}

#[test]
fn users_connect_only_in_their_ways() {
    let node = Node::start(
        "authorization { users: [ {user: w, password: w, allowed_connection_types: [WEBSOCKET]},
           {user: p, password: p, proxy_required: true}, {user: s, password: s, allowed_connection_types: [STANDARD]} ] }",
        &[],
    );
    assert_eq!(account_of(&node, user("w", "w")), None);
    assert_eq!(account_of(&node, user("p", "p")), None);
    assert_eq!(account_of(&node, user("s", "s")).as_deref(), Some("$G"));
}

#[test]
fn clients_that_wait_for_their_password_lose_nothing_and_hold_up_nobody() {
    let configuration = format!(
        "authorization {{ timeout: 30, users: [ {{user: h, password: \"{HASH}\"}}, {{user: p, password: p}} ] }}"
    );
    let node = Node::start(&configuration, &[]);
    let mut waiting: Vec<Client> = (0..40).map(|_| node.dial()).collect();
    for (number, client) in waiting.iter_mut().enumerate() {
        let password = if number % 4 == 3 { "wrong" } else { "pw" };
        client.connect(user("h", password));
        // What comes behind CONNECT waits with it.
        client.send("SUB a 1\r\nPUB b 2\r\nhi\r\n");
    }
    // Some do not wait for the answer.
    for _ in 0..10 {
        node.dial().connect(user("h", "pw"));
    }
    assert_eq!(account_of(&node, user("p", "p")).as_deref(), Some("$G"));
    for (number, client) in waiting.iter_mut().enumerate() {
        if number % 4 == 3 {
            assert_eq!(client.rest(), VIOLATION);
        } else {
            client.introduced();
            assert_eq!(client.sync(), "");
        }
    }
}

#[test]
fn a_second_login_on_a_connection_counts_from_then_on() {
    let node = Node::start(TENANTS, &[]);
    let mut client = node.dial();
    client.connect(user("b", "b"));
    assert_eq!(client.introduced()["remote_account"], "B");
    client.connect(user("a", "a"));
    assert_eq!(client.introduced()["remote_account"], "A");
    client.connect(user("a", "wrong"));
    assert_eq!(client.rest(), VIOLATION);
}

#[test]
fn passwords_that_protect_nothing_are_refused() {
    for (configuration, text) in [
        (
            "authorization { password: p }",
            "node.conf:1:1: a password without a user",
        ),
        (
            "authorization { user: u, password: \"$2a$10$short\" }",
            "the password of u: looks like a bcrypt hash and is none",
        ),
        (
            "authorization { user: u, password: \"$2a$31$BfCYU27teG8XpWNPIHtkmOtMq2jUHT.GmowBQfIrXEAkk1kP2bJLW\" }",
            "is a bcrypt hash of cost 31",
        ),
    ] {
        let told = refusal(configuration);
        assert!(told.contains(text), "{told}");
    }
}
