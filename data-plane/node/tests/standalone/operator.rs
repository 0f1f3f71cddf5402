//! An operator and its accounts in the file: users come with their JWTs.

use serde_json::json;
use tollway_claims::{AccountClaims, KeyKind, Limit, OperatorClaims, Signer, UserClaims};

use crate::client::VIOLATION;
use crate::node::{Node, refusal};

fn signer(kind: KeyKind, number: u8) -> Signer {
    Signer::generate(kind, [number; 32])
}

struct World {
    operator: Signer,
    account: Signer,
    user: Signer,
}

impl World {
    fn new() -> Self {
        Self {
            operator: signer(KeyKind::Operator, 1),
            account: signer(KeyKind::Account, 2),
            user: signer(KeyKind::User, 3),
        }
    }

    fn account_jwt(&self, adjust: impl FnOnce(&mut AccountClaims)) -> String {
        let mut claims = AccountClaims::new(self.operator.public(), self.account.public(), "orders", 1);
        adjust(&mut claims);
        claims.encode(&self.operator).expect("encodes")
    }

    fn user_jwt(&self) -> String {
        let claims = UserClaims::new(self.account.public(), self.user.public(), "app", 1);
        claims.encode(&self.account).expect("encodes")
    }

    fn file(&self, account_jwt: &str) -> String {
        let operator = OperatorClaims::new(self.operator.public(), "demo", 1);
        let operator = operator.encode(&self.operator).expect("encodes");
        let account = self.account.public();
        format!("operator: {operator}\nresolver: MEMORY\nresolver_preload {{ {account}: {account_jwt} }}\n")
    }
}

#[test]
fn users_of_preloaded_accounts_log_in_with_their_jwts() {
    let world = World::new();
    let node = Node::start(&world.file(&world.account_jwt(|_| {})), &[]);
    let options = json!({"jwt": world.user_jwt()});
    let mut client = node.dial();
    client.connect_signed(&world.user, options.clone());
    let account = world.account.public().to_string();
    assert_eq!(client.introduced()["remote_account"], account);
    let mut thief = node.dial();
    thief.connect_signed(&signer(KeyKind::User, 4), options.clone());
    assert_eq!(thief.rest(), VIOLATION);
    let mut without = node.dial();
    without.connect(json!({"user": "a", "pass": "b"}));
    assert_eq!(without.rest(), VIOLATION);

    // The document is read again with the file, and live clients follow it.
    let revoked = world.account_jwt(|claims| claims.revocations.revoke(world.user.public(), 1));
    node.reload(&world.file(&revoked), "Reloaded server configuration");
    assert_eq!(client.rest(), "-ERR 'User Authentication Revoked'\r\n");
}

#[test]
fn subscriptions_of_a_document_count_per_connection() {
    let world = World::new();
    let jwt = world.account_jwt(|claims| claims.limits.subscriptions = Limit::AtMost(1));
    let node = Node::start(&world.file(&jwt), &[]);
    let mut clients = [node.dial(), node.dial()];
    for client in &mut clients {
        client.connect_signed(&world.user, json!({"jwt": world.user_jwt()}));
        client.introduced();
        client.send("SUB a 1\r\nSUB b 2\r\n");
        assert_eq!(client.sync(), "-ERR 'maximum subscriptions exceeded'\r\n");
    }
}

#[test]
fn an_account_that_the_operator_did_not_sign_is_refused_with_its_line() {
    let world = World::new();
    let stranger = signer(KeyKind::Operator, 9);
    let forged = AccountClaims::new(stranger.public(), world.account.public(), "orders", 1);
    let forged = forged.encode(&stranger).expect("encodes");
    let told = refusal(&world.file(&forged));
    assert!(told.contains("node.conf:3:"), "{told}");
    assert!(told.contains("is not a key of the pinned operator"), "{told}");
    let told = refusal("operator: nowhere.jwt\nresolver: MEMORY");
    assert!(
        told.contains("node.conf:1:11: operator: open nowhere.jwt: No such file"),
        "{told}"
    );
}

#[test]
fn the_operator_may_be_a_file_as_tools_write_it() {
    let world = World::new();
    let operator = OperatorClaims::new(world.operator.public(), "demo", 1);
    let jwt = operator.encode(&world.operator).expect("encodes");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("operator.jwt");
    let text = format!("-----BEGIN NATS OPERATOR JWT-----\n{jwt}\n------END NATS OPERATOR JWT------\n");
    std::fs::write(&path, text).expect("a file");
    let path = path.to_str().expect("a path");
    let node = Node::start(&format!("operator: \"{path}\"\nresolver: MEMORY"), &[]);
    assert_eq!(node.dial().info["auth_required"], true);
}
