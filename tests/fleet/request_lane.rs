//! Questions from the API into an account, over the fleet stream.

use data_encoding::BASE64;
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tollway_tests::{Account, Answer, Api, Raw, System, eventually};

async fn ask(api: &Api, account: &Account, body: Value) -> Answer {
    let path = format!("/v1/accounts/{}/request", account.id);
    api.call(Method::POST, &path, &body)
        .await
        .expect("the API answers")
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (
        answer.status.as_u16(),
        answer.body["code"].as_str().unwrap_or_default(),
    )
}

/// Answers one question with what `reply` makes of its payload; gives the question's headers and payload.
async fn answer_one(service: &mut Raw, reply: &str) -> Vec<u8> {
    let (line, body) = service.message().await;
    let words: Vec<&str> = line.split(' ').collect();
    let to = words[3];
    service
        .send(format!("PUB {to} {}\r\n{reply}\r\n", reply.len()))
        .await;
    body
}

#[tokio::test]
async fn a_service_in_the_account_answers() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let (tenant, neighbour) = (api.tenant("cell-a").await, api.tenant("cell-a").await);
    let mut service = Raw::connect(node.address(), &tenant.creds).await.unwrap();
    service.send("SUB questions.* 1\r\n").await;
    service.sync().await;
    // The neighbour listens to everything and hears nothing.
    let mut apart = Raw::connect(node.address(), &neighbour.creds).await.unwrap();
    apart.send("SUB > 1\r\n").await;
    apart.sync().await;

    let question = json!({ "subject": "questions.why", "payload": BASE64.encode(b"\x00why\xff") });
    let (answer, heard) = tokio::join!(
        ask(api, &tenant.account, question),
        answer_one(&mut service, "because")
    );
    assert_eq!(heard, b"\x00why\xff");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["payload"], BASE64.encode(b"because"));
    assert_eq!(answer.body["headers"], "");

    // Headers of the answer come as they are.
    let block = "NATS/1.0\r\nKind: test\r\n\r\n";
    let question = json!({ "subject": "questions.why" });
    let (answer, ()) = tokio::join!(ask(api, &tenant.account, question), async {
        let (line, _) = service.message().await;
        let to = line.split(' ').nth(3).expect("a reply subject").to_owned();
        let lengths = format!("{} {}", block.len(), block.len() + 2);
        service
            .send(format!("HPUB {to} {lengths}\r\n{block}hi\r\n"))
            .await;
    });
    assert_eq!(answer.body["payload"], BASE64.encode(b"hi"), "{answer:?}");
    assert_eq!(answer.body["headers"], BASE64.encode(block.as_bytes()));
    apart.sync().await;
    // The asker is no client: it is in nobody's count of connections.
    let live = api.get(&format!("/v1/accounts/{}", tenant.account.id)).await;
    assert!(live["connections"].as_u64() <= Some(1), "{live}");
}

#[tokio::test]
async fn questions_beside_each_other_get_their_own_answers() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    let mut service = Raw::connect(node.address(), &tenant.creds).await.unwrap();
    service.send("SUB echo 1\r\n").await;
    service.sync().await;
    const QUESTIONS: usize = 60;
    let asking = (0..QUESTIONS).map(async |number| {
        let payload = BASE64.encode(number.to_string().as_bytes());
        let question = json!({ "subject": "echo", "payload": payload, "timeout_ms": 10_000 });
        let answer = ask(api, &tenant.account, question).await;
        assert_eq!(answer.body["payload"], payload, "{answer:?}");
    });
    // So many may wait in an account at the same time.
    let asking = stream::iter(asking).buffer_unordered(16).collect::<()>();
    tokio::join!(asking, async {
        // In the opposite order, as far as they wait beside each other.
        let mut waiting = Vec::new();
        for answered in 0..QUESTIONS {
            let (line, body) = service.message().await;
            let to = line.split(' ').nth(3).expect("a reply subject").to_owned();
            waiting.push((to, body));
            if waiting.len() == 8 || answered + 1 == QUESTIONS {
                while let Some((to, body)) = waiting.pop() {
                    let body = String::from_utf8(body).expect("a number");
                    service
                        .send(format!("PUB {to} {}\r\n{body}\r\n", body.len()))
                        .await;
                }
            }
        }
    });
}

#[tokio::test]
async fn silence_absence_and_refusal_are_told_apart() {
    let system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    let account = &tenant.account;

    let answer = ask(api, account, json!({ "subject": "nobody" })).await;
    assert_eq!(refusal(&answer), (409, "no_responders"), "{answer:?}");

    let mut listener = Raw::connect(node.address(), &tenant.creds).await.unwrap();
    listener.send("SUB silent 1\r\n").await;
    listener.sync().await;
    let answer = ask(api, account, json!({ "subject": "silent", "timeout_ms": 100 })).await;
    assert_eq!(refusal(&answer), (504, "deadline_exceeded"), "{answer:?}");
    listener.message().await;

    for subject in ["", "a..b", "a.*", ">", "with blank", "line\nbreak", ".a"] {
        let answer = ask(api, account, json!({ "subject": subject })).await;
        assert_eq!(
            refusal(&answer),
            (422, "validation_failed"),
            "{subject:?}: {answer:?}"
        );
    }
    // Only servers may publish there; and nobody publishes more than the account allows.
    let answer = ask(api, account, json!({ "subject": "$NRG.x" })).await;
    assert_eq!(refusal(&answer), (409, "request_refused"), "{answer:?}");
    assert!(
        answer.body["detail"]
            .as_str()
            .unwrap()
            .contains("permission_denied")
    );
    api.limits(account, json!({ "payload_bytes": 10 })).await;
    let large = json!({ "subject": "silent", "payload": BASE64.encode(&[b'x'; 11]) });
    let answer = ask(api, account, large).await;
    assert_eq!(refusal(&answer), (409, "request_refused"), "{answer:?}");

    api.suspend(account, "unpaid").await;
    let answer = ask(api, account, json!({ "subject": "silent" })).await;
    assert_eq!(refusal(&answer), (409, "request_refused"), "{answer:?}");
    assert!(answer.body["detail"].as_str().unwrap().contains("suspended"));
    api.resume(account).await;

    // Who may only look may not speak into the account.
    let tokens = format!("/v1/organizations/{}/api-tokens", account.organization);
    let viewer = api
        .post(&tokens, json!({ "name": "looks", "role": "viewer" }))
        .await;
    let viewer = api.with_token(viewer["secret"].as_str().expect("a secret"));
    let answer = ask(&viewer, account, json!({ "subject": "nobody" })).await;
    assert_eq!(refusal(&answer), (403, "forbidden"), "{answer:?}");

    node.kill();
    eventually("the control plane knows that the node is gone", async || {
        let answer = ask(api, account, json!({ "subject": "nobody" })).await;
        (refusal(&answer) == (503, "cell_away")).then_some(())
    })
    .await;
    node.start().await;
    eventually("the node is back", async || {
        let answer = ask(api, account, json!({ "subject": "nobody" })).await;
        (refusal(&answer) == (409, "no_responders")).then_some(())
    })
    .await;
}
