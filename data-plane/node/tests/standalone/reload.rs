//! The file is read again: what changes for clients that are connected.

use serde_json::json;

use crate::client::{Client, VIOLATION};
use crate::node::Node;

const BEFORE: &str = "accounts {
  A { users: [ {user: a, password: a, permissions: {publish: \"p.>\", subscribe: \"s.>\"}},
               {user: b, password: b}, {user: moves, password: m} ] }
  B { users: [ {user: c, password: c} ] }
  GONE { users: [ {user: g, password: g} ] }
}
no_auth_user: c";

const AFTER: &str = "accounts {
  A { users: [ {user: a, password: a, permissions: {publish: \"q.>\", subscribe: \"t.>\"}}, {user: b, password: other} ] }
  B { users: [ {user: c, password: c}, {user: moves, password: m} ] }
}";

const RELOADED: &str = "Reloaded server configuration";

fn client(node: &Node, name: &str, password: &str) -> Client {
    let mut client = node.dial();
    client.connect(json!({"user": name, "pass": password}));
    client.introduced();
    client
}

#[test]
fn live_clients_follow_the_file() {
    let node = Node::start(BEFORE, &[]);
    let mut a = client(&node, "a", "a");
    a.send("SUB s.1 7\r\n");
    assert_eq!(a.sync(), "");
    let (mut b, mut c) = (client(&node, "b", "b"), client(&node, "c", "c"));
    let mut moves = client(&node, "moves", "m");
    let mut gone = client(&node, "g", "g");
    let mut nobody = node.dial();
    nobody.connect(json!({}));
    nobody.introduced();

    // The same again changes nothing for anybody.
    node.reload(BEFORE, RELOADED);
    for client in [&mut a, &mut b, &mut c, &mut moves, &mut gone, &mut nobody] {
        assert_eq!(client.sync(), "");
    }

    node.reload(AFTER, RELOADED);
    assert_eq!(
        a.until("\r\n"),
        "-ERR 'Permissions Violation for Subscription to \"s.1\" (sid \"7\")'\r\n"
    );
    a.send("PUB q.1 0\r\n\r\nPUB p.1 0\r\n\r\n");
    assert_eq!(
        a.sync(),
        "-ERR 'Permissions Violation for Publish to \"p.1\"'\r\n"
    );
    assert_eq!(b.rest(), VIOLATION, "its password is another one");
    assert_eq!(c.sync(), "");
    assert_eq!(moves.rest(), "", "it comes back, and gets into its new account");
    assert_eq!(gone.rest(), "-ERR 'Account Authentication Expired'\r\n");
    assert_eq!(
        nobody.rest(),
        VIOLATION,
        "who shows nothing is not let in any more"
    );
    let mut again = node.dial();
    again.connect(json!({"user": "moves", "pass": "m"}));
    assert_eq!(again.introduced()["remote_account"], "B");
    client(&node, "b", "other");
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing() {
    let node = Node::start(BEFORE, &[]);
    let mut a = client(&node, "a", "a");
    for (configuration, text) in [
        (
            "nope: 1",
            "node.conf:1:1: unknown key \"nope\" in the configuration",
        ),
        (
            "tls { cert_file: c, key_file: k }",
            "node.conf:1:1: tls: cannot read c for TLS",
        ),
        ("", "the configuration says nothing"),
    ] {
        node.reload(configuration, "Failed to reload server configuration");
        assert!(node.log().contains(text), "{}", node.log());
    }
    assert_eq!(a.sync(), "");
    client(&node, "g", "g");
    // What counts after a restart is told.
    node.reload(
        &format!("max_payload: 1000\n{BEFORE}"),
        "the limits of the server changed",
    );
    node.wait_for_log(RELOADED, 1);
}

#[test]
fn users_may_come_and_go_altogether() {
    let node = Node::start("debug: false", &[]);
    let mut anybody = node.dial();
    anybody.connect(json!({}));
    assert_eq!(anybody.introduced()["remote_account"], "$G");
    node.reload("authorization { user: u, password: p }", RELOADED);
    assert_eq!(anybody.rest(), VIOLATION);
    let mut user = client(&node, "u", "p");
    node.reload("debug: false", RELOADED);
    assert_eq!(user.sync(), "", "everybody is let in, and so is who is there");
}
