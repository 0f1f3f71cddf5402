//! The Rust client plays the parts in process.

use std::sync::atomic::Ordering;

use async_nats::{
    Client, ClientError, ConnectErrorKind, ConnectOptions, Event, HeaderMap, RequestErrorKind, ServerError,
    Subscriber,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::sync::mpsc;
use tollway_tests::{Creds, Node, System, in_time};

use crate::{forgery, one_tenant::one_tenant};

type Connected = Result<Client, async_nats::ConnectError>;

async fn try_connect(node: &Node, creds: &str, options: ConnectOptions) -> Connected {
    let options = options.credentials(creds).expect("creds parse");
    in_time("the client connects or is refused", options.connect(node.url())).await
}

async fn connect(node: &Node, creds: &Creds) -> Client {
    try_connect(node, &creds.text, ConnectOptions::new())
        .await
        .expect("the node accepts the creds")
}

/// A client, and what it reports beside what calls return.
type Observed = (Client, mpsc::UnboundedReceiver<Event>);

async fn connect_with_events(node: &Node, creds: &Creds) -> Observed {
    let connected = try_connect_with_events(node, creds).await;
    connected.expect("the node accepts the creds")
}

async fn try_connect_with_events(node: &Node, creds: &Creds) -> Result<Observed, async_nats::ConnectError> {
    let (events, received) = mpsc::unbounded_channel();
    let options = ConnectOptions::new().event_callback(move |event| {
        let events = events.clone();
        async move {
            // Nobody listens once the test has seen enough.
            let _ = events.send(event);
        }
    });
    let client = try_connect(node, &creds.text, options).await?;
    Ok((client, received))
}

async fn error(events: &mut mpsc::UnboundedReceiver<Event>) -> String {
    loop {
        match in_time("the client reports an error", events.recv())
            .await
            .expect("the client lives")
        {
            Event::ServerError(ServerError::Other(text)) => return text,
            Event::ServerError(error) => return error.to_string(),
            _ => {}
        }
    }
}

async fn next(subscriber: &mut Subscriber) -> async_nats::Message {
    in_time("a message arrives", subscriber.next())
        .await
        .expect("the subscription goes on")
}

/// Waits until the node has done everything that the client asked for so far. What async-nats calls a
/// flush ends at its own socket.
async fn settled(client: &Client) {
    let inbox = client.new_inbox();
    let mut own = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, Bytes::new()).await.unwrap();
    next(&mut own).await;
}

/// Answers every request with `re: ` and its payload.
async fn respond(client: &Client, subject: &'static str) {
    let mut questions = client.subscribe(subject).await.unwrap();
    settled(client).await;
    let client = client.clone();
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let reply = question.reply.expect("a request has a reply subject");
            let answer = [b"re: ", &question.payload[..]].concat();
            client.publish(reply, answer.into()).await.unwrap();
        }
    });
}

#[tokio::test]
async fn publishes_and_subscribes_with_wildcards_and_headers() {
    let (_system, node, tenant) = one_tenant().await;
    let client = connect(&node, &tenant.creds).await;

    let mut one = client.subscribe("shop.*.paid").await.unwrap();
    let mut rest = client.subscribe("shop.>").await.unwrap();
    for subject in [
        "shop.1.paid",
        "shop.1.sent",
        "shop.1.paid.late",
        "shop",
        "shop.2.paid",
    ] {
        client.publish(subject, Bytes::new()).await.unwrap();
    }
    for wanted in ["shop.1.paid", "shop.2.paid"] {
        assert_eq!(next(&mut one).await.subject.as_str(), wanted);
    }
    for wanted in ["shop.1.paid", "shop.1.sent", "shop.1.paid.late", "shop.2.paid"] {
        assert_eq!(next(&mut rest).await.subject.as_str(), wanted);
    }

    let mut headers = HeaderMap::new();
    headers.insert("Trace", "a b");
    headers.append("Many", "1");
    headers.append("Many", "2");
    client
        .publish_with_headers("shop.3.paid", headers.clone(), "three".into())
        .await
        .unwrap();
    let message = next(&mut one).await;
    assert_eq!(
        (message.payload.as_ref(), message.headers),
        (&b"three"[..], Some(headers))
    );

    let big = Bytes::from(vec![b'x'; client.server_info().max_payload]);
    client.publish("shop.4.paid", big.clone()).await.unwrap();
    assert_eq!(next(&mut one).await.payload, big);
}

#[tokio::test]
async fn shares_work_in_a_queue_group() {
    let (_system, node, tenant) = one_tenant().await;
    let client = connect(&node, &tenant.creds).await;
    let (done, mut taken) = mpsc::unbounded_channel();
    for worker in 0..3 {
        let mut work = client.queue_subscribe("work", "workers".into()).await.unwrap();
        let done = done.clone();
        tokio::spawn(async move {
            while work.next().await.is_some() {
                done.send(worker).unwrap();
            }
        });
    }
    for _ in 0..60 {
        client.publish("work", Bytes::new()).await.unwrap();
    }
    let mut shares = [0; 3];
    for _ in 0..60 {
        shares[in_time("the work is taken", taken.recv()).await.unwrap()] += 1;
    }
    // Nothing comes a second time: this is behind all of it.
    client.publish("work", Bytes::new()).await.unwrap();
    in_time("the work is taken", taken.recv()).await.unwrap();
    assert!(
        taken.is_empty() && shares.iter().all(|&share| share > 0),
        "{shares:?}"
    );
}

#[tokio::test]
async fn requests_are_answered_and_nobody_there_is_told_at_once() {
    let (_system, node, tenant) = one_tenant().await;
    let client = connect(&node, &tenant.creds).await;
    respond(&client, "questions").await;
    for number in ["0", "1", "2"] {
        let answer = in_time("the answer", client.request("questions", number.into())).await;
        assert_eq!(answer.unwrap().payload, format!("re: {number}"));
    }
    let refused = client.request("nobody.is.here", Bytes::new()).await.unwrap_err();
    assert_eq!(refused.kind(), RequestErrorKind::NoResponders);
}

#[tokio::test]
async fn drains_without_losing_a_message() {
    let (_system, node, tenant) = one_tenant().await;
    let (client, mut events) = connect_with_events(&node, &tenant.creds).await;
    let last = client.subscribe("last").await.unwrap();
    for number in 0..100 {
        client.publish("last", number.to_string().into()).await.unwrap();
    }
    client.drain().await.unwrap();
    let received: Vec<_> = in_time("the subscription ends", last.collect::<Vec<_>>()).await;
    assert_eq!(received.len(), 100);
    in_time("the connection is closed", async {
        while events.recv().await.expect("the client says so") != Event::Closed {}
    })
    .await;
}

#[tokio::test]
async fn is_told_what_it_may_not_do_and_goes_on() {
    let (system, node, tenant) = one_tenant().await;
    let permissions = json!({ "publish_allow": ["orders.>"], "subscribe_allow": ["orders.>"] });
    let user = system
        .api()
        .user_with(&tenant.account, "restricted", permissions)
        .await;
    let (client, mut events) = connect_with_events(&node, &system.api().issue(&user).await).await;

    client.publish("secret.plans", Bytes::new()).await.unwrap();
    assert_eq!(
        error(&mut events).await,
        r#"Permissions Violation for Publish to "secret.plans""#
    );
    let _spy = client.subscribe("secret.>").await.unwrap();
    assert_eq!(
        error(&mut events).await,
        r#"Permissions Violation for Subscription to "secret.>""#
    );
    let _spies = client
        .queue_subscribe("secret.plans", "spies".into())
        .await
        .unwrap();
    assert_eq!(
        error(&mut events).await,
        r#"Permissions Violation for Subscription to "secret.plans" using queue "spies""#
    );

    let mut orders = client.subscribe("orders.>").await.unwrap();
    client.publish("orders.new", "one".into()).await.unwrap();
    assert_eq!(next(&mut orders).await.payload, "one");
}

#[tokio::test]
async fn sees_nothing_of_another_account_on_the_same_node() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    isolation(&system, &node, &node).await;
}

#[tokio::test]
async fn sees_nothing_of_another_account_in_another_cell() {
    let system = System::start().await;
    let (node, other) = (
        system.start_node("cell-a").await,
        system.start_node("cell-b").await,
    );
    isolation(&system, &node, &other).await;
}

/// Two accounts use the same subjects; the second one listens to everything.
async fn isolation(system: &System, node: &Node, other_node: &Node) {
    let tenant = system.api().tenant(node.cell()).await;
    let other = system.api().tenant(other_node.cell()).await;
    let mine = connect(node, &tenant.creds).await;
    let theirs = connect(other_node, &other.creds).await;
    respond(&mine, "questions").await;
    let refused = theirs.request("questions", Bytes::new()).await.unwrap_err();
    assert_eq!(refused.kind(), RequestErrorKind::NoResponders);

    let mut everything = theirs.subscribe(">").await.unwrap();
    let mut spies = theirs.queue_subscribe(">", "spies".into()).await.unwrap();
    theirs.publish("settled", Bytes::new()).await.unwrap();
    for listener in [&mut everything, &mut spies] {
        assert_eq!(next(listener).await.subject.as_str(), "settled");
    }

    let mut orders = mine.subscribe("orders.new").await.unwrap();
    mine.publish("orders.new", "mine".into()).await.unwrap();
    assert_eq!(next(&mut orders).await.payload, "mine");
    mine.request("questions", Bytes::new()).await.unwrap();

    // Their own message would come after everything that had leaked.
    theirs.publish("orders.new", "theirs".into()).await.unwrap();
    for listener in [&mut everything, &mut spies] {
        let message = next(listener).await;
        assert_eq!(
            (message.subject.as_str(), message.payload.as_ref()),
            ("orders.new", &b"theirs"[..])
        );
    }
    mine.publish("orders.new", "mine again".into()).await.unwrap();
    assert_eq!(next(&mut orders).await.payload, "mine again");
}

#[tokio::test]
async fn reports_why_creds_are_refused() {
    let (system, node, tenant) = one_tenant().await;
    let refused = async |creds: &str, what: &str| {
        let connected = try_connect(&node, creds, ConnectOptions::new()).await;
        let error = connected
            .err()
            .unwrap_or_else(|| panic!("creds {what} were accepted"));
        assert_eq!(
            error.kind(),
            ConnectErrorKind::AuthorizationViolation,
            "{what}: {error}"
        );
    };
    connect(&node, &tenant.creds).await;

    let permissions = json!({ "publish_allow": ["orders.>"] });
    let restricted = system
        .api()
        .user_with(&tenant.account, "restricted", permissions)
        .await;
    let granted = system.api().issue(&restricted).await;
    for (kind, forged) in forgery::of_every_kind(&tenant.account, &granted) {
        refused(&forged, kind).await;
    }

    let short = json!({ "lifetime_seconds": 1 });
    let short = system.api().issue_with(&tenant.user, short).await;
    in_time("the creds expire", async {
        while try_connect(&node, &short.text, ConnectOptions::new())
            .await
            .is_ok()
        {}
    })
    .await;
    refused(&short.text, "that expired").await;

    system.api().revoke(&tenant.creds).await;
    refused(&tenant.creds.text, "that were revoked").await;
    connect(&node, &system.api().issue(&tenant.user).await).await;
}

#[tokio::test]
async fn is_cut_off_when_its_creds_are_revoked() {
    let (system, node, tenant) = one_tenant().await;
    let spared = system.api().issue(&tenant.user).await;
    let (client, mut events) = connect_with_events(&node, &tenant.creds).await;
    settled(&client).await;
    let other = connect(&node, &spared).await;
    settled(&other).await;

    system.api().revoke(&tenant.creds).await;
    assert_eq!(error(&mut events).await, "User Authentication Revoked");
    // It goes on trying, and is refused.
    in_time("the client is refused", async {
        let refused = ClientError::Other("authorization violation".into());
        while events.recv().await.expect("the client lives") != Event::ClientError(refused.clone()) {}
    })
    .await;
    // Another issuance of the same user is not touched.
    settled(&other).await;
    assert_eq!(other.statistics().connects.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn is_cut_off_when_its_creds_expire() {
    let (system, node, tenant) = one_tenant().await;
    // As short as this machine is fast.
    for lifetime in (1..7).map(|power| 1 << power) {
        let short = json!({ "lifetime_seconds": lifetime });
        let short = system.api().issue_with(&tenant.user, short).await;
        if let Ok((_client, mut events)) = try_connect_with_events(&node, &short).await {
            assert_eq!(error(&mut events).await, "User Authentication Expired");
            return;
        }
    }
    panic!("creds of a minute are too old before a client has connected");
}

#[tokio::test]
async fn service_may_answer_what_it_was_asked_and_nothing_else() {
    let (system, node, tenant) = one_tenant().await;
    let permissions = json!({
        "subscribe_allow": ["questions"],
        "allow_responses": true,
    });
    let user = system
        .api()
        .user_with(&tenant.account, "service", permissions)
        .await;
    let (service, mut events) = connect_with_events(&node, &system.api().issue(&user).await).await;
    let mut questions = service.subscribe("questions").await.unwrap();
    // The refusal comes behind the subscription, so the node knows that one.
    service.publish("orders.new", Bytes::new()).await.unwrap();
    assert_eq!(
        error(&mut events).await,
        r#"Permissions Violation for Publish to "orders.new""#
    );

    let asking = connect(&node, &tenant.creds).await;
    let asked = tokio::spawn(async move { asking.request("questions", "why".into()).await });
    let question = next(&mut questions).await;
    let reply = question.reply.unwrap();
    service.publish(reply.clone(), "because".into()).await.unwrap();
    let answer = in_time("the answer arrives", asked).await.unwrap();
    assert_eq!(answer.unwrap().payload, "because");
    // Once.
    service.publish(reply, "because".into()).await.unwrap();
    assert!(
        error(&mut events)
            .await
            .starts_with("Permissions Violation for Publish to ")
    );
}

#[tokio::test]
async fn denied_subjects_stay_out_of_what_a_wildcard_allows() {
    let (system, node, tenant) = one_tenant().await;
    let permissions = json!({
        "publish_deny": ["orders.secret.*"],
        "subscribe_deny": ["orders.secret.>"],
    });
    let user = system
        .api()
        .user_with(&tenant.account, "clerk", permissions)
        .await;
    let (clerk, mut events) = connect_with_events(&node, &system.api().issue(&user).await).await;
    let mut orders = clerk.subscribe("orders.>").await.unwrap();
    clerk.publish("orders.secret.1", Bytes::new()).await.unwrap();
    assert_eq!(
        error(&mut events).await,
        r#"Permissions Violation for Publish to "orders.secret.1""#
    );

    let owner = connect(&node, &tenant.creds).await;
    for subject in ["orders.secret.1", "orders.public"] {
        owner.publish(subject, Bytes::new()).await.unwrap();
    }
    assert_eq!(next(&mut orders).await.subject.as_str(), "orders.public");
}
