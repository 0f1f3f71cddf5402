//! Holes that were found in the stock server, tried on ours. Each test bears the advisory's name;
//! docs/security.md lists all of them, and those that have their test elsewhere.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tollway_claims::{AccountClaims, KeyKind, OperatorClaims, Signer, UserClaims};

use crate::client::{Client, VIOLATION};
use crate::node::{Node, refusal};

const TWO_ACCOUNTS: &str = "
  system_account: SYS
  accounts {
    SYS { users: [ {user: sys, password: s} ] }
    A { users: [ {user: a, password: a} ] }
    B { users: [ {user: b, password: b} ] }
  }";

fn client(node: &Node, options: Value) -> Client {
    let mut client = node.dial();
    client.connect(options);
    client.introduced();
    client
}

/// A client that got in is answered: nobody stopped the node.
fn serves(node: &Node, name: &str) {
    let mut client = client(node, json!({"user": name, "pass": name}));
    client.send("SUB x 1\r\nPUB x 2\r\nok\r\n");
    assert_eq!(client.sync(), "MSG x 1 2\r\nok\r\n");
}

/// A token with any payload, signed by its issuer.
fn token(signer: &Signer, payload: &Value) -> String {
    let text = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!(
        "{}.{}",
        text(&json!({"typ": "JWT", "alg": "ed25519-nkey"})),
        text(payload)
    );
    format!(
        "{signed}.{}",
        BASE64URL_NOPAD.encode(&signer.sign(signed.as_bytes()))
    )
}

/// CVE-2020-26521 and GHSA-g33f-6538-grxh (2026-23): a crafted JWT, such as one whose issuer is a truncated key,
/// stopped the server before anybody was authenticated.
#[test]
fn cve_2020_26521_and_2026_23_crafted_jwts_stop_nothing() {
    let (operator, account, user) = (
        Signer::generate(KeyKind::Operator, [1; 32]),
        Signer::generate(KeyKind::Account, [2; 32]),
        Signer::generate(KeyKind::User, [3; 32]),
    );
    let operator_jwt = OperatorClaims::new(operator.public(), "o", 1)
        .encode(&operator)
        .expect("encodes");
    let account_jwt = AccountClaims::new(operator.public(), account.public(), "a", 1)
        .encode(&operator)
        .expect("encodes");
    let file = format!(
        "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload {{ {}: {account_jwt} }}\n",
        account.public()
    );
    let node = Node::start(&file, &[]);
    let good = json!({
        "iat": 1, "iss": account.public().to_string(), "sub": user.public().to_string(), "name": "u", "jti": "",
        "nats": {"type": "user", "version": 2, "subs": -1, "payload": -1, "data": -1},
    });
    let with = |path: &str, value: Value| {
        let mut payload = good.clone();
        *payload.pointer_mut(path).expect("it is there") = value;
        token(&account, &payload)
    };
    let key = account.public().to_string();
    let mut crafted = vec![
        String::new(),
        ".".into(),
        "..".into(),
        "a.b.c".into(),
        format!("{}.e30.", "e30"),
        with("/iss", json!("")),
        with("/iss", json!("A")),
        with("/iss", json!(&key[..55])),
        with("/iss", json!(key.clone() + "A")),
        with("/iss", json!(7)),
        with("/sub", json!("")),
        with("/sub", json!("U\u{0}")),
        with("/iat", json!("1")),
        with("/nats", json!(null)),
        with("/nats", json!([])),
        with("/nats/subs", json!(1e300)),
        with("/nats/version", json!(-1)),
        with("/nats/type", json!("account")),
        account_jwt.clone(),
        operator_jwt.clone(),
    ];
    let deep: Value = serde_json::from_str(&("[".repeat(100) + &"]".repeat(100))).expect("JSON");
    crafted.push(with("/name", deep));
    for jwt in crafted {
        let mut client = node.dial();
        client.connect_signed(&user, json!({"jwt": jwt}));
        let told = client.rest();
        assert!(told == VIOLATION || told.is_empty(), "{jwt}: {told}");
    }
    let jwt = UserClaims::new(account.public(), user.public(), "u", 1)
        .encode(&account)
        .expect("encodes");
    let mut good = node.dial();
    good.connect_signed(&user, json!({"jwt": jwt}));
    good.introduced();
}

/// CVE-2022-24450: `account` in CONNECT put a client into any account, that of the system too.
#[test]
fn cve_2022_24450_connect_names_no_account() {
    let node = Node::start(TWO_ACCOUNTS, &[]);
    for (field, value) in [
        ("account", json!("B")),
        ("account", json!("SYS")),
        ("account", json!("$SYS")),
        ("new_account", json!(true)),
    ] {
        let mut client = node.dial();
        client.connect(json!({"user": "a", "pass": "a", field: value}));
        // Refused, or in the account of the user all the same.
        client.send("PUB x 1\r\n1\r\n");
        let mut other = self::client(&node, json!({"user": "b", "pass": "b"}));
        other.send("SUB > 1\r\n");
        assert_eq!(other.sync(), "");
        client.send("PUB x 1\r\n2\r\n");
        drop(client);
        assert_eq!(other.sync(), "", "{field}");
    }
}

/// CVE-2020-28466 and CVE-2022-42709: accounts that import from each other in a circle ended the server.
#[test]
fn cve_2020_28466_and_2022_42709_import_cycles_are_refused_or_lead_nowhere() {
    let told = refusal(
        "accounts {
           A { users: [ {user: a, password: a} ], exports: [ {service: x} ], imports: [ {service: {account: B, subject: x}} ] }
           B { users: [ {user: b, password: b} ], exports: [ {service: x} ], imports: [ {service: {account: A, subject: x}} ] }
         }",
    );
    assert!(told.contains("cycle"), "{told}");
    let told = refusal(
        "accounts {
           A { exports: [ {stream: \"x.>\"} ], imports: [ {stream: {account: B, subject: \"x.>\"}} ] }
           B { exports: [ {stream: \"x.>\"} ], imports: [ {stream: {account: A, subject: \"x.>\"}} ] }
         }",
    );
    assert!(told.contains("cycle"), "{told}");
}

/// CVE-2022-29946, GHSA-wh7g-5m82-pmhr (2026-17) and GHSA-jx8g-9g95-6322 (2026-18): wildcards and queue rules let
/// through what was denied.
#[test]
fn cve_2022_29946_and_2026_17_and_2026_18_denied_subjects_do_not_arrive() {
    let file = |deny: &str| {
        format!(
            "authorization {{ users: [
               {{user: all, password: all}}
               {{user: few, password: few, permissions: {{ subscribe: {{ deny: [{deny}] }} }} }}
             ] }}"
        )
    };
    for (deny, subscriptions, secret) in [
        ("\"foo.secret\"", "SUB foo.* q 1\r\nSUB foo.* 2\r\n", "foo.secret"),
        (
            "\"foo.*.secret\"",
            "SUB foo.a.* q 1\r\nSUB foo.a.* 2\r\n",
            "foo.a.secret",
        ),
        ("\"a.*.c.>\"", "SUB a.b.> q 1\r\nSUB *.b.> 2\r\n", "a.b.c.d"),
        ("\"foo\", \"foo other\"", "SUB foo q 1\r\nSUB > q 2\r\n", "foo"),
    ] {
        let node = Node::start(&file(deny), &[]);
        let mut few = client(&node, json!({"user": "few", "pass": "few"}));
        few.send(subscriptions);
        few.sync();
        let mut all = client(&node, json!({"user": "all", "pass": "all"}));
        all.send(&format!("PUB {secret} 1\r\nx\r\n"));
        all.sync();
        assert_eq!(few.sync(), "", "{deny}");
    }
}

/// CVE-2023-47090: with users in the system account alone, everybody was let in.
#[test]
fn cve_2023_47090_users_of_the_system_account_alone_let_nobody_else_in() {
    let node = Node::start(
        "system_account: SYS\naccounts { SYS { users: [ {user: sys, password: s} ] } }",
        &[],
    );
    for options in [
        json!({}),
        json!({"user": "sys", "pass": "no"}),
        json!({"auth_token": "s"}),
    ] {
        let mut stranger = node.dial();
        stranger.connect(options);
        assert_eq!(stranger.rest(), VIOLATION);
    }
}

/// CVE-2026-33247 (2026-14): secrets given as flags stood on the monitoring pages.
#[tokio::test]
async fn cve_2026_33247_secrets_of_flags_are_on_no_page_and_in_no_log() {
    let node = Node::start(
        "http: \"127.0.0.1:-1\"",
        &["--user", "boss", "--pass", "hush-4711", "-D"],
    );
    let _client = client(&node, json!({"user": "boss", "pass": "hush-4711"}));
    for page in [
        "/",
        "/varz",
        "/connz?subs=detail&auth=1&state=any",
        "/subsz",
        "/healthz",
        "/metrics",
    ] {
        let url = format!("{}{page}", node.monitoring.as_ref().expect("it is served"));
        let text = reqwest::get(url)
            .await
            .expect("it answers")
            .text()
            .await
            .expect("a text");
        assert!(!text.contains("hush-4711"), "{page}: {text}");
    }
    assert!(!node.log().contains("hush-4711"));
}

/// CVE-2026-33223 (2026-09): who asks a service of another account could say to be somebody else, in the header
/// in which the server says who asks.
#[test]
fn cve_2026_33223_nobody_says_himself_who_asks() {
    let node = Node::start(
        "accounts {
           SHOP { users: [ {user: shop, password: s} ], exports: [ {service: price} ] }
           APP { users: [ {user: app, password: a} ], imports: [ {service: {account: SHOP, subject: price}, share: true} ] }
         }",
        &[],
    );
    let mut shop = client(&node, json!({"user": "shop", "pass": "s"}));
    shop.send("SUB price 1\r\n");
    shop.sync();
    let mut app = client(&node, json!({"user": "app", "pass": "a"}));
    let header =
        "NATS/1.0\r\nNats-Request-Info: {\"acc\":\"FORGED\"}\r\nnats-request-info: FORGED\r\nKept: 1\r\n\r\n";
    app.send(&format!(
        "HPUB price _INBOX.1 {} {}\r\n{header}body\r\n",
        header.len(),
        header.len() + 4
    ));
    app.sync();
    let heard = shop.until("body\r\n");
    assert!(!heard.contains("FORGED") && heard.contains("Kept: 1"), "{heard}");
}

/// CVE-2026-33249 (2026-15): with a trace header the server published where the client may not.
#[test]
fn cve_2026_33249_a_trace_header_publishes_nothing() {
    let node = Node::start(
        "authorization { users: [
           {user: all, password: all}
           {user: few, password: few, permissions: { publish: [\"open\"] } }
         ] }",
        &[],
    );
    let mut all = client(&node, json!({"user": "all", "pass": "all"}));
    all.send("SUB > 1\r\n");
    all.sync();
    let mut few = client(&node, json!({"user": "few", "pass": "few"}));
    for header in [
        "NATS/1.0\r\nNats-Trace-Dest: secret\r\n\r\n",
        "NATS/1.0\r\nNats-Trace-Dest: secret\r\nNats-Trace-Only: true\r\n\r\n",
        "NATS/1.0\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nNats-Trace-Dest: secret\r\n\r\n",
    ] {
        few.send(&format!(
            "HPUB open {} {}\r\n{header}x\r\n",
            header.len(),
            header.len() + 1
        ));
        few.sync();
        let heard = all.sync();
        assert_eq!(
            heard.matches("HMSG ").count(),
            1,
            "the message itself, and nothing else: {heard}"
        );
        assert!(heard.starts_with("HMSG open 1 "), "{heard}");
    }
}

/// GHSA-hmmp-q8cx-v964 (2026-24): when the first operation was not CONNECT, a user of `no_auth_user` escaped the
/// connection types that it is limited to.
#[test]
fn ghsa_hmmp_q8cx_v964_the_first_operation_changes_no_limit() {
    let node = Node::start(
        "no_auth_user: guest
         authorization { users: [
           {user: guest, password: g, allowed_connection_types: [WEBSOCKET]}
           {user: all, password: all}
         ] }",
        &[],
    );
    let mut all = client(&node, json!({"user": "all", "pass": "all"}));
    all.send("SUB > 1\r\n");
    all.sync();
    for first in [
        "PUB x 1\r\nx\r\n",
        "SUB x 1\r\nPUB x 1\r\nx\r\n",
        "PING\r\nPUB x 1\r\nx\r\n",
    ] {
        let mut guest = node.dial();
        guest.send(first);
        let told = guest.rest();
        assert!(!told.contains("MSG"), "{told}");
        assert_eq!(all.sync(), "", "{first}");
    }
}

/// GHSA-q59r-vq66-pxc2 (2026-28): offsets of pages near the largest number stopped the server.
#[tokio::test]
async fn ghsa_q59r_vq66_pxc2_pages_take_any_number() {
    let file = format!("http: \"127.0.0.1:-1\"\n{TWO_ACCOUNTS}");
    let node = Node::start(&file, &[]);
    let _client = client(&node, json!({"user": "a", "pass": "a"}));
    for page in ["connz", "subsz"] {
        for number in [
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "-1",
            "1e99",
            "x",
        ] {
            for query in [
                format!("offset={number}"),
                format!("limit={number}"),
                format!("offset={number}&limit={number}"),
            ] {
                let url = format!(
                    "{}/{page}?{query}&subs=1",
                    node.monitoring.as_ref().expect("it is served")
                );
                let answer = reqwest::get(url).await.expect("it answers");
                assert!(answer.status().as_u16() < 500, "{page} {query}");
            }
        }
    }
    serves(&node, "a");
}
