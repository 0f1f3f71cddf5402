//! What accounts of a file share with each other, and how they rename.

use serde_json::json;

use crate::client::Client;
use crate::node::{Node, refusal};

const FILE: &str = "accounts {
  SHOP {
    users: [ {user: shop, password: s} ]
    exports: [
      {stream: \"orders.*\"}
      {service: \"price.*\", accounts: [APP]}
      {service: \"mine.*\", account_token_position: 2}
    ]
    mappings: { \"old.>\": \"orders.>\" }
  }
  APP {
    users: [ {user: app, password: a} ]
    imports: [
      {stream: {account: SHOP, subject: \"orders.*\"}, prefix: shop}
      {service: {account: SHOP, subject: \"price.*\"}, to: \"ask.$1\"}
      {service: {account: SHOP, subject: \"mine.APP\"}, to: own}
    ]
  }
}";

fn client(node: &Node, name: &str, password: &str) -> Client {
    let mut client = node.dial();
    client.connect(json!({"user": name, "pass": password}));
    client.introduced();
    client
}

#[test]
fn streams_and_services_cross_where_the_file_says_so() {
    let node = Node::start(FILE, &[]);
    let (mut shop, mut app) = (client(&node, "shop", "s"), client(&node, "app", "a"));
    app.send("SUB shop.> 1\r\nSUB _INBOX.> 2\r\n");
    assert_eq!(app.sync(), "");
    shop.send("SUB price.* 1\r\nSUB mine.* 2\r\n");
    assert_eq!(shop.sync(), "");

    // Renamed in its own account first, and then on its way out.
    shop.send("PUB old.7 3\r\nnew\r\n");
    assert_eq!(app.until("new\r\n"), "MSG shop.orders.7 1 3\r\nnew\r\n");

    for (ask, heard) in [("ask.tea", "price.tea 1"), ("own", "mine.APP 2")] {
        app.send(&format!("PUB {ask} _INBOX.1 4\r\nmuch\r\n"));
        let request = shop.until("much\r\n");
        let line = request.lines().next().expect("a line");
        let reply = line
            .strip_prefix(&format!("HMSG {heard} "))
            .expect("the request")
            .split(' ')
            .next();
        shop.send(&format!("PUB {} 1\r\n5\r\n", reply.expect("a reply subject")));
        assert_eq!(app.until("5\r\n"), "MSG _INBOX.1 2 1\r\n5\r\n");
    }
}

#[test]
fn an_import_that_gets_nothing_is_told_with_its_line() {
    let file = |exports: &str, imports: &str| {
        format!("accounts {{\n  A {{ exports: [ {exports} ] }}\n  B {{ imports: [\n    {imports}\n  ] }}\n}}")
    };
    for (exports, imports, text) in [
        (
            "{stream: a}",
            "{stream: {account: A, subject: b}}",
            "node.conf:4:5: the import of \"b\" from \"A\" does not work: the account does not export it",
        ),
        (
            "{stream: a}",
            "{service: {account: A, subject: a}}",
            "node.conf:4:5: the import of \"a\" from \"A\" does not work",
        ),
        (
            "{service: a, accounts: [A]}",
            "{service: {account: A, subject: a}}",
            "the export a needs an activation token",
        ),
        (
            "{service: \"a.*\", account_token_position: 2}",
            "{service: {account: A, subject: \"a.X\"}}",
            "token 2 of the subject must be the importing account",
        ),
        (
            "{stream: \"a.*\"}",
            "{stream: {account: A, subject: \"a.*\"}, to: x}",
            "node.conf:4:5: the import's name here, \"x\", does not fit",
        ),
        (
            "{stream: \"a.*\"}, {stream: \"a.*\"}",
            "",
            "node.conf:2:3: the account A",
        ),
    ] {
        let told = refusal(&file(exports, imports));
        assert!(told.contains(text), "{text}: {told}");
    }
}

#[test]
fn the_account_of_everybody_renames_too() {
    let node = Node::start("mappings: { \"a.*\": \"b.{{wildcard(1)}}\" }", &[]);
    let mut client = node.dial();
    client.connect(json!({}));
    client.introduced();
    client.send("SUB b.1 1\r\nPUB a.1 2\r\nhi\r\n");
    assert_eq!(client.sync(), "MSG b.1 1 2\r\nhi\r\n");
}
