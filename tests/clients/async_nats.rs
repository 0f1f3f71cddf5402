//! The Rust client.

use async_nats::{Client, ConnectOptions};
use futures_util::StreamExt as _;
use tollway_tests::{Creds, Node, System, in_time};

async fn connect(node: &Node, creds: &Creds) -> Client {
    let options = ConnectOptions::with_credentials(&creds.text).expect("creds parse");
    in_time("the client connects", options.connect(node.url()))
        .await
        .expect("the node accepts the creds")
}

#[tokio::test]
async fn connects_with_creds_then_publishes_subscribes_and_requests() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;

    let client = connect(&node, &tenant.creds).await;
    let mut orders = client.subscribe("orders.*").await.unwrap();
    client.publish("orders.new", "one".into()).await.unwrap();
    let message = in_time("the message arrives", orders.next()).await.unwrap();
    assert_eq!(
        (message.subject.as_str(), message.payload.as_ref()),
        ("orders.new", &b"one"[..])
    );

    let mut questions = client.subscribe("questions").await.unwrap();
    client.flush().await.unwrap();
    let answering = client.clone();
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let reply = question.reply.expect("a request has a reply subject");
            answering.publish(reply, question.payload).await.unwrap();
        }
    });
    let answer = in_time("the answer", client.request("questions", "why".into())).await;
    assert_eq!(answer.unwrap().payload.as_ref(), b"why");
}
