//! Changes reach live clients by themselves; how fast is measured from the API's answer on.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};
use tollway_tests::{Account, Api, Creds, Raw, System, eventually};

use crate::rounds::Rounds;

const ROUNDS: usize = 25;

const REFUSED: &str = "-ERR 'Authorization Violation'";
const TOO_MANY: &str = "-ERR 'maximum account active connections exceeded'";

async fn connects(address: SocketAddr, creds: &Creds) -> Raw {
    eventually("the client is let in", async || {
        Raw::connect(address, creds).await.ok()
    })
    .await
}

/// Changes the limit of connections without waiting for the cell.
async fn set_connections(api: &Api, account: &Account, connections: i64) {
    let path = format!("/v1/accounts/{}", account.id);
    api.patch(&path, json!({ "limits": { "connections": connections } }))
        .await;
}

async fn post(api: &Api, account: &Account, what: &str) {
    api.post(&format!("/v1/accounts/{}/{what}", account.id), json!({}))
        .await;
}

fn revoke_path(creds: &Creds) -> String {
    let Creds { user, issuance, .. } = creds;
    format!(
        "/v1/accounts/{}/users/{}/issuances/{issuance}/revoke",
        user.account, user.id
    )
}

#[tokio::test]
async fn a_new_account_serves_without_anybody_waiting_for_it() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let organization = api.organization().await;
    let mut rounds = Rounds::of("new account until its first client is in, creds issued meanwhile");
    for round in 0..ROUNDS {
        let account = api
            .account(&organization, &format!("account-{round}"), "cell-a")
            .await;
        let since = Instant::now();
        let user = api.user(&account, "app").await;
        let creds = api.issue(&user).await;
        connects(node.address(), &creds).await.sync().await;
        rounds.effect_since(since);
    }
    rounds.print();
}

#[tokio::test]
async fn a_new_user_is_let_in_at_the_first_attempt() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    let mut rounds = Rounds::of("new user until its client is in");
    for round in 0..ROUNDS {
        let user = api.user(&tenant.account, &format!("user-{round}")).await;
        let creds = api.issue(&user).await;
        let since = Instant::now();
        Raw::connect(node.address(), &creds)
            .await
            .expect("nothing has to travel");
        rounds.effect_since(since);
    }
    rounds.print();
}

#[tokio::test]
async fn a_changed_limit_lets_in_and_sends_away() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    api.limits(&tenant.account, json!({ "connections": 1 })).await;
    let mut first = Raw::connect(node.address(), &tenant.creds).await.unwrap();

    let mut raised = Rounds::of("raised limit of connections until the next client is in");
    let mut lowered = Rounds::of("lowered limit of connections until the newest client is out");
    for _ in 0..ROUNDS {
        let refused = Raw::connect(node.address(), &tenant.creds).await.unwrap_err();
        assert_eq!(refused, TOO_MANY);
        set_connections(api, &tenant.account, 2).await;
        let since = Instant::now();
        let mut second = connects(node.address(), &tenant.creds).await;
        raised.effect_since(since);

        set_connections(api, &tenant.account, 1).await;
        let since = Instant::now();
        assert_eq!(second.closed().await.trim_end(), TOO_MANY);
        lowered.effect_since(since);
        // Who was there first stays.
        first.sync().await;
    }
    raised.print();
    lowered.print();
}

#[tokio::test]
async fn a_revocation_cuts_the_live_connection_and_no_other() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    let mut spared = Raw::connect(node.address(), &tenant.creds).await.unwrap();
    let mut rounds = Rounds::of("revocation until the live connection is cut");
    for _ in 0..ROUNDS {
        let creds = api.issue(&tenant.user).await;
        let mut client = Raw::connect(node.address(), &creds).await.unwrap();
        api.post(&revoke_path(&creds), Value::Null).await;
        let since = Instant::now();
        assert_eq!(
            client.closed().await.trim_end(),
            "-ERR 'User Authentication Revoked'"
        );
        rounds.effect_since(since);
        let again = Raw::connect(node.address(), &creds).await.unwrap_err();
        assert_eq!(again, REFUSED);
        spared.sync().await;
    }
    rounds.print();
}

#[tokio::test]
async fn a_suspension_cuts_and_refuses_until_it_is_over() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let (tenant, neighbour) = (api.tenant("cell-a").await, api.tenant("cell-a").await);
    let mut unconcerned = Raw::connect(node.address(), &neighbour.creds).await.unwrap();
    let mut suspended = Rounds::of("suspension until the live connection is cut");
    let mut resumed = Rounds::of("resumption until a client is in again");
    for _ in 0..ROUNDS {
        let mut client = connects(node.address(), &tenant.creds).await;
        post(api, &tenant.account, "suspend").await;
        let since = Instant::now();
        assert_eq!(
            client.closed().await.trim_end(),
            "-ERR 'Account Authentication Expired'"
        );
        suspended.effect_since(since);
        let refused = Raw::connect(node.address(), &tenant.creds).await.unwrap_err();
        assert_eq!(refused, REFUSED);

        post(api, &tenant.account, "resume").await;
        let since = Instant::now();
        connects(node.address(), &tenant.creds).await;
        resumed.effect_since(since);
        unconcerned.sync().await;
    }
    suspended.print();
    resumed.print();
}

/// No loop and no patience here: once the answer is there, the first attempt shows the effect.
#[tokio::test]
async fn an_answer_that_waited_for_the_cell_comes_after_the_effect() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let organization = api.organization().await;
    let address = node.address();
    let mut waited = Rounds::of("a call with wait=applied, from asking to its answer");
    for round in 0..ROUNDS {
        let path = format!("/v1/organizations/{organization}/accounts?wait=applied");
        let since = Instant::now();
        let made = api
            .post(
                &path,
                json!({ "name": format!("account-{round}"), "cell": "cell-a" }),
            )
            .await;
        waited.effect_since(since);
        let account = Account {
            id: made["id"].as_str().unwrap().to_owned(),
            public_key: made["public_key"].as_str().unwrap().to_owned(),
            name: format!("account-{round}"),
            organization: organization.clone(),
        };
        let user = api.user(&account, "app").await;
        let (creds, other) = (api.issue(&user).await, api.issue(&user).await);
        let mut client = Raw::connect(address, &creds).await.unwrap();

        let since = Instant::now();
        api.limits(&account, json!({ "connections": 1 })).await;
        waited.effect_since(since);
        assert_eq!(Raw::connect(address, &other).await.unwrap_err(), TOO_MANY);
        api.limits(&account, json!({ "connections": 2, "payload_bytes": 10 }))
            .await;
        let mut second = Raw::connect(address, &other).await.unwrap();
        second.send("PUB a 11\r\n").await;
        assert_eq!(
            second.closed().await.trim_end(),
            "-ERR 'Maximum Payload Violation'"
        );

        let since = Instant::now();
        api.revoke(&creds).await;
        waited.effect_since(since);
        assert_eq!(Raw::connect(address, &creds).await.unwrap_err(), REFUSED);
        // What a revoked client says now, nobody hears.
        let mut listener = Raw::connect(address, &other).await.unwrap();
        listener.send("SUB > 1\r\n").await;
        listener.sync().await;
        client.try_send("PUB a 2\r\nhi\r\n").await;
        client.closed().await;
        listener.sync().await;

        let since = Instant::now();
        api.suspend(&account, "unpaid").await;
        waited.effect_since(since);
        assert_eq!(Raw::connect(address, &other).await.unwrap_err(), REFUSED);
        let since = Instant::now();
        api.resume(&account).await;
        waited.effect_since(since);
        Raw::connect(address, &other).await.unwrap();

        let path = format!("/v1/accounts/{}?wait=applied", account.id);
        api.delete(&path).await;
        assert_eq!(Raw::connect(address, &other).await.unwrap_err(), REFUSED);
    }
    waited.print();
}
