//! Configurations of streams and consumers.

use serde_json::{Value, json};
use tollway_tests::{Tool, in_time};

use crate::real_server::RealServer;

/// A line of what it is, then an exchange in each line.
const RECORDED: &str = include_str!("../../data-plane/jetstream/tests/facts/configurations.jsonl");

#[tokio::test]
async fn the_real_server_answers_as_it_was_recorded() {
    let Some(program) = Tool::RealServer.find("the_real_server_answers_as_it_was_recorded") else {
        return;
    };
    let server = RealServer::start(program);
    let client = async_nats::connect(server.url())
        .await
        .expect("it can be connected to");
    let mut different = Vec::new();
    for line in RECORDED.lines().skip(1) {
        let exchange: Value = serde_json::from_str(&in_full(line)).expect("a line is an object");
        let text = |name: &str| exchange[name].as_str().expect("it is text").to_owned();
        let (subject, body) = (text("subject"), text("body"));
        let request = client.request(format!("$JS.API.{subject}"), body.clone().into());
        let answer = in_time(&subject, request)
            .await
            .expect("every request that is recorded is answered");
        let answer = serde_json::from_slice(&answer.payload).expect("an answer is JSON");
        let answer = what_counts(answer);
        if answer != exchange["answer"] {
            let recorded = &exchange["answer"];
            different.push(format!(
                "{subject} {body}\n  recorded: {recorded}\n  now: {answer}"
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// `%x300%` stands for 300 times x.
fn in_full(line: &str) -> String {
    let mut full = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('%') {
        full.push_str(before);
        match repeated(after) {
            Some((character, count, behind)) => {
                full.extend(std::iter::repeat_n(character, count));
                rest = behind;
            }
            None => {
                full.push('%');
                rest = after;
            }
        }
    }
    full.push_str(rest);
    full
}

fn repeated(text: &str) -> Option<(char, usize, &str)> {
    let (inside, behind) = text.split_once('%')?;
    let count = inside.strip_prefix(['x', 'v'])?.parse().ok()?;
    Some((inside.chars().next()?, count, behind))
}

/// The error, or the configuration without what says which server it is, or nothing.
fn what_counts(mut answer: Value) -> Value {
    if answer.get("error").is_some() {
        return json!({ "error": answer["error"].take() });
    }
    let mut config = answer["config"].take();
    if config.is_null() {
        return json!({});
    }
    let metadata = config["metadata"].as_object_mut().expect("it is always there");
    metadata.retain(|key, _| !["_nats.ver", "_nats.level"].contains(&key.as_str()));
    json!({ "config": config })
}
