//! The console in a real browser, over the real programs: what it shows is what clients just did, and
//! the creds that it hands out are creds.
#![allow(
    clippy::unwrap_used,
    reason = "what a test relies on and does not find ends the test"
)]

use std::fs;

use async_nats::{Client, ConnectOptions, Event, ServerError};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tollway_tests::{Node, Script, System, Tool, in_time};

const CONNECTIONS: usize = 3;
const MESSAGES: usize = 40;

async fn connect(node: &Node, creds: &str) -> (Client, mpsc::UnboundedReceiver<Event>) {
    let (events, received) = mpsc::unbounded_channel();
    let options = ConnectOptions::with_credentials(creds)
        .unwrap()
        .event_callback(move |event| {
            let events = events.clone();
            async move {
                // Nobody listens once the test has seen enough.
                let _ = events.send(event);
            }
        });
    let client = in_time("the client connects", options.connect(node.url())).await;
    (client.expect("the node accepts the creds"), received)
}

/// Publishes to itself and waits for it, so that the node has done all that came before.
async fn round_trip(client: &Client, messages: usize) {
    let mut own = client.subscribe("own").await.unwrap();
    for _ in 0..messages {
        client.publish("own", Bytes::new()).await.unwrap();
    }
    for _ in 0..messages {
        in_time("a message comes back", own.next()).await.unwrap();
    }
}

#[tokio::test]
async fn console_shows_live_numbers_and_hands_out_creds_that_work_until_revoked() {
    let test = "the console in a browser";
    let system = System::start().await;
    let Some(mut browser) = Script::browser(test, "browser/console.mjs", system.folder()) else {
        return;
    };
    let Some(chromium) = Tool::Chromium.find(test) else {
        return;
    };
    let node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(connect(&node, &tenant.creds.text).await);
    }
    round_trip(&clients[0].0, MESSAGES).await;

    let downloaded = system.folder().join("downloaded.creds");
    let checked = system.folder().join("checked");
    browser
        .env("CONSOLE_URL", system.control_plane.sign_in_link())
        .env("CREDS_OUT", &downloaded)
        .env("CREDS_CHECKED", &checked)
        .env("ACCOUNT", &tenant.account.name)
        .env("CONNECTIONS", CONNECTIONS.to_string())
        .env("MESSAGES_IN", MESSAGES.to_string())
        .env("CHROMIUM", chromium);
    let mut browser = Script::start(browser);
    while !browser
        .line()
        .await
        .starts_with("ok: its credentials are downloaded")
    {}

    let (client, mut events) = connect(&node, &fs::read_to_string(&downloaded).unwrap()).await;
    round_trip(&client, 1).await;
    // From here on the browser revokes what it made.
    fs::write(&checked, "").unwrap();
    let revoked = Event::ServerError(ServerError::Other("User Authentication Revoked".into()));
    in_time("the client is cut off", async {
        while events.recv().await.expect("the client lives") != revoked {}
    })
    .await;
    browser.finish().await;
    // Nobody else was.
    round_trip(&clients[1].0, 1).await;
}
