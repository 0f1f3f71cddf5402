//! One id names a call from the API's answer to the node's log.

use reqwest::Method;
use serde_json::{Value, json};
use tollway_tests::{Raw, System, eventually};

use crate::smuggling::smuggle_in;

/// Lines of a log that name a request, as themselves or by the span they were written in.
fn lines_of(log: &str, request_id: &str) -> Vec<Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| {
            let spans = line["spans"].as_array().into_iter().flatten();
            std::iter::once(line)
                .chain(spans)
                .any(|place| place["request_id"] == request_id)
        })
        .collect()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["message"].as_str()).collect()
}

#[tokio::test]
async fn a_change_can_be_followed_by_its_request_id_from_the_api_to_the_node() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    let answer = system
        .api()
        .call_as(
            "limit-change-4711",
            Method::PATCH,
            &format!("/v1/accounts/{}?wait=applied", tenant.account.id),
            &json!({ "limits": { "connections": 7 } }),
        )
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.request_id, "limit-change-4711");

    let lines = lines_of(&system.control_plane.log(), "limit-change-4711");
    assert_eq!(messages(&lines), ["request served"], "{lines:?}");
    let lines = lines_of(&node.log(), "limit-change-4711");
    assert_eq!(messages(&lines), ["applied an update"], "{lines:?}");
    assert_eq!(lines[0]["accounts"], 1);
}

#[tokio::test]
async fn a_question_into_an_account_can_be_followed_to_the_node() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    let path = format!("/v1/accounts/{}/request", tenant.account.id);
    let ask = async |request_id: &str| {
        let question = json!({ "subject": "questions", "timeout_ms": 500 });
        system
            .api()
            .call_as(request_id, Method::POST, &path, &question)
            .await
            .unwrap()
    };
    assert_eq!(ask("nobody-there").await.body["code"], "no_responders");
    let mut service = Raw::connect(node.address(), &tenant.creds).await.unwrap();
    service.send("SUB questions 1\r\n").await;
    service.sync().await;
    let (answer, ()) = tokio::join!(ask("somebody-there"), async {
        let (line, _) = service.message().await;
        let reply = line.split(' ').nth(3).expect("a reply subject");
        service.send(format!("PUB {reply} 2\r\nhi\r\n")).await;
    });
    assert_eq!(answer.status, 200, "{answer:?}");

    for (request_id, told) in [
        ("nobody-there", "could not answer a request of the control plane"),
        ("somebody-there", "answered a request of the control plane"),
    ] {
        let lines = eventually("the node logs the question", async || {
            Some(lines_of(&node.log(), request_id)).filter(|lines| !lines.is_empty())
        })
        .await;
        assert_eq!(messages(&lines), [told], "{lines:?}");
        let lines = lines_of(&system.control_plane.log(), request_id);
        assert!(!lines.is_empty(), "{request_id} is in the control plane's log");
    }
}

#[tokio::test]
async fn a_refused_document_is_logged_with_its_request_on_both_sides() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    let mut database = system.database().superuser().await;
    smuggle_in(
        &mut database,
        &tenant.account,
        "no token",
        "no token",
        "broken-by-hand",
    )
    .await;
    let told = eventually("the control plane hears of the refusal", async || {
        let lines = lines_of(&system.control_plane.log(), "broken-by-hand");
        (!lines.is_empty()).then_some(lines)
    })
    .await;
    assert_eq!(messages(&told), ["the node refused a document"]);
    let lines = lines_of(&node.log(), "broken-by-hand");
    assert!(messages(&lines).contains(&"applied an update"), "{lines:?}");
    assert!(
        messages(&lines)
            .iter()
            .any(|message| message.contains("refused an account's document")),
        "{lines:?}"
    );
}
