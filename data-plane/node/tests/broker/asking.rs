//! Who asks another account faster than that answers: its own problem.

use tollway_claims::{Export, Import};
use tollway_subject::FilterBuf;

use crate::support::{World, eventually};

const PAYLOAD: usize = 64 * 1024;
const PENDING_MAX: usize = 8 * 1024 * 1024;

fn filter(text: &str) -> FilterBuf {
    text.parse().expect("a filter")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_requests_does_not_close_a_responder_of_another_account() {
    let world = World::with(|settings| settings.max_pending = PENDING_MAX).await;
    let (mut exporter, mut importer) = (world.account(), world.account());
    exporter.claims.exports = vec![Export::service(filter("ask"))];
    importer.claims.imports = vec![Import::service(exporter.key(), filter("ask"))];
    world.apply(&importer);
    world.apply(&exporter);
    let mut responder = world.client(&exporter.user()).await;
    responder.send("SUB ask 1\r\nSUB own 2\r\n").await;
    responder.sync().await;

    // Four of them ask for much more than may wait for the responder, who reads nothing.
    let request = [
        format!("PUB ask {PAYLOAD}\r\n").into_bytes(),
        vec![b'x'; PAYLOAD],
        b"\r\n".to_vec(),
    ]
    .concat();
    let flood = (0..4).map(|_| {
        let (user, request) = (importer.user(), request.clone());
        let world = &world;
        async move {
            let mut asker = world.client(&user).await;
            for _ in 0..200 {
                asker.send(&request).await;
            }
            asker.sync().await;
        }
    });
    futures_util::future::join_all(flood).await;
    assert_eq!(world.broker.stats().slow_consumers, 0);

    // There is room left for its own account.
    let mut colleague = world.client(&exporter.user()).await;
    colleague.send("PUB own 2\r\nhi\r\n").await;
    colleague.sync().await;
    let mut got = 0;
    loop {
        let line = responder.line().await;
        let words: Vec<_> = line.split(' ').collect();
        if words[1] == "own" {
            responder.expect("hi\r\n").await;
            break;
        }
        let length: usize = words[words.len() - 1].parse().expect("a length");
        let headers: usize = words[words.len() - 2].parse().expect("a length");
        let mut body = responder.bytes(length + 2).await;
        body.truncate(length);
        assert!(
            body[headers..].iter().all(|byte| *byte == b'x'),
            "no request is cut"
        );
        got += 1;
    }
    responder.sync().await;
    assert!(got > 0 && got < 800, "{got}");
    let mut refused = 0;
    eventually("what was not given to it is counted", || {
        world.broker.restraints_visit(&mut |key, restraint| {
            if key == exporter.key() {
                refused = restraint.refusals.get("receive.memory").copied().unwrap_or(0);
            }
        });
        refused == 800 - got
    })
    .await;

    // Whoever asks now is heard again.
    let mut asker = world.client(&importer.user()).await;
    asker.send("PUB ask 2\r\nhi\r\n").await;
    asker.sync().await;
    assert!(responder.line().await.starts_with("HMSG ask 1 "));
}
