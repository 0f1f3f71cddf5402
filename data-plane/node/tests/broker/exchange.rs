//! What crosses between accounts: streams, services and their answers, and nothing else.

use std::num::NonZeroU32;
use std::time::Duration;

use tollway_claims::{
    Activation, ActivationClaims, Export, ExportKind, Import, ImportKind, LatencySampling, LocalSubject,
    PublicKey, ResponseType, ServiceLatency, ServiceTerms,
};
use tollway_subject::FilterBuf;

use crate::support::{Account, Raw, World, eventually, now};

fn filter(text: &str) -> FilterBuf {
    text.parse().expect("a filter")
}

fn service_with(subject: &str, adjust: impl FnOnce(&mut ServiceTerms)) -> Export {
    let mut export = Export::service(filter(subject));
    let ExportKind::Service(terms) = &mut export.kind else {
        unreachable!("a service was made");
    };
    adjust(terms);
    export
}

fn renamed(mut import: Import, local: &str) -> Import {
    let local = LocalSubject::new(local, import.subject.as_filter()).expect("a local subject");
    import.local_subject = Some(local);
    import
}

fn stream_from(exporter: &Account, subject: &str) -> Import {
    Import::stream(exporter.key(), filter(subject))
}

fn service_from(exporter: &Account, subject: &str) -> Import {
    Import::service(exporter.key(), filter(subject))
}

fn activated(mut import: Import, exporter: &Account, importer: PublicKey, expires_at: Option<i64>) -> Import {
    let shared = import.kind.shared();
    let mut claims = ActivationClaims::new(exporter.key(), importer, shared, import.subject.clone(), now());
    claims.expires_at = expires_at;
    let token = claims.encode(&exporter.signer).expect("encodes");
    import.activation = Some(Activation::decode(token).expect("decodes"));
    import
}

/// Two accounts, of which the second imports from the first.
struct Pair {
    world: World,
    exporter: Account,
    importer: Account,
}

impl Pair {
    async fn new(exports: Vec<Export>, imports: impl FnOnce(&Account) -> Vec<Import>) -> Self {
        let world = World::start().await;
        let mut exporter = world.account();
        let mut importer = world.account();
        exporter.claims.exports = exports;
        importer.claims.imports = imports(&exporter);
        // The importer first: it does not depend on the order.
        world.apply(&importer);
        world.apply(&exporter);
        Self {
            world,
            exporter,
            importer,
        }
    }

    async fn clients(&self) -> (Raw, Raw) {
        (
            self.world.client(&self.exporter.user()).await,
            self.world.client(&self.importer.user()).await,
        )
    }
}

impl Raw {
    /// Subscribes, and knows that it is in force.
    async fn subscribe(&mut self, line: &str) {
        self.send(format!("SUB {line}\r\n")).await;
        self.sync().await;
    }

    /// Receives a request with the header that says who asks. Gives its reply subject.
    async fn expect_request(&mut self, subject: &str, asker: &Account, payload: &str) -> String {
        let line = self.line().await;
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!((words[0], words[1]), ("HMSG", subject), "{line}");
        let headers = format!(
            "NATS/1.0\r\nNats-Request-Info: {{\"acc\":\"{}\"}}\r\n\r\n",
            asker.key()
        );
        self.expect(format!("{headers}{payload}\r\n")).await;
        let reply = words[3].to_owned();
        assert!(reply.starts_with("_R_."), "{line}");
        assert_eq!(
            words[4..],
            [
                headers.len().to_string(),
                (headers.len() + payload.len()).to_string()
            ]
        );
        reply
    }
}

fn message(subject: &str, sid: &str, payload: &str) -> String {
    format!("MSG {subject} {sid} {}\r\n{payload}\r\n", payload.len())
}

fn publish(subject: &str, payload: &str) -> String {
    format!("PUB {subject} {}\r\n{payload}\r\n", payload.len())
}

fn request(subject: &str, reply: &str, payload: &str) -> String {
    format!("PUB {subject} {reply} {}\r\n{payload}\r\n", payload.len())
}

#[tokio::test]
async fn an_imported_stream_arrives_under_its_local_name_and_nothing_else_does() {
    let pair = Pair::new(vec![Export::stream(filter("orders.*.*"))], |exporter| {
        vec![renamed(stream_from(exporter, "orders.*.*"), "in.$2.$1")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    importer.subscribe("> 1").await;
    exporter
        .send(
            [
                publish("secret", "no"),
                publish("orders.eu.new", "yes"),
                publish("orders.x", "no"),
            ]
            .concat(),
        )
        .await;
    exporter.sync().await;
    importer.expect(message("in.new.eu", "1", "yes")).await;
    importer.sync().await;
    // What is published here stays here.
    importer.send(publish("orders.a.b", "back")).await;
    importer.expect(message("orders.a.b", "1", "back")).await;
    exporter.sync().await;
}

#[tokio::test]
async fn a_stream_without_a_local_name_keeps_its_own_and_its_reply_subject() {
    let pair = Pair::new(vec![Export::stream(filter("a.>"))], |exporter| {
        vec![stream_from(exporter, "a.b.>")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    importer.subscribe("a.> 1").await;
    exporter
        .send([publish("a.c.d", "other"), request("a.b.c", "back.there", "x")].concat())
        .await;
    importer.expect("MSG a.b.c 1 back.there 1\r\nx\r\n").await;
    importer.sync().await;
}

#[tokio::test]
async fn queue_groups_are_of_one_account() {
    let pair = Pair::new(vec![Export::stream(filter("jobs"))], |exporter| {
        vec![stream_from(exporter, "jobs")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    exporter.subscribe("jobs workers 1").await;
    importer.subscribe("jobs workers 2").await;
    for _ in 0..20 {
        exporter.send(publish("jobs", "j")).await;
        exporter.expect(message("jobs", "1", "j")).await;
        importer.expect(message("jobs", "2", "j")).await;
    }
}

#[tokio::test]
async fn what_came_by_a_stream_does_not_go_on_by_one() {
    let mut pair = Pair::new(vec![Export::stream(filter("a"))], |exporter| {
        vec![stream_from(exporter, "a")]
    })
    .await;
    pair.importer.claims.exports = vec![Export::stream(filter(">"))];
    pair.world.apply(&pair.importer);
    let mut third = pair.world.account();
    third.claims.imports = vec![stream_from(&pair.importer, "a")];
    pair.world.apply(&third);
    let (mut exporter, mut importer) = pair.clients().await;
    let mut last = pair.world.client(&third.user()).await;
    importer.subscribe("a 1").await;
    last.subscribe("> 2").await;
    exporter.send(publish("a", "x")).await;
    importer.expect(message("a", "1", "x")).await;
    last.sync().await;
    importer.send(publish("a", "own")).await;
    last.expect(message("a", "2", "own")).await;
}

#[tokio::test]
async fn a_request_is_answered_to_who_asked_once() {
    let pair = Pair::new(vec![Export::service(filter("price.*"))], |exporter| {
        vec![renamed(service_from(exporter, "price.*"), "shop.$1.price")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    let mut bystander = pair.world.client(&pair.importer.user()).await;
    exporter.subscribe("price.* 1").await;
    importer.subscribe("_INBOX.a.* 2").await;
    bystander.subscribe("_INBOX.b.* 3").await;
    importer
        .send(request("shop.tea.price", "_INBOX.a.1", "how much"))
        .await;
    let reply = exporter
        .expect_request("price.tea", &pair.importer, "how much")
        .await;
    assert!(
        !reply.contains("INBOX"),
        "the exporter sees nothing of the importer's subjects"
    );
    exporter
        .send([publish(&reply, "five"), publish(&reply, "six")].concat())
        .await;
    exporter.sync().await;
    importer.expect(message("_INBOX.a.1", "2", "five")).await;
    importer.sync().await;
    bystander.sync().await;
}

#[tokio::test]
async fn a_request_without_a_reply_crosses_too() {
    let pair = Pair::new(vec![Export::service(filter("log"))], |exporter| {
        vec![service_from(exporter, "log")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    exporter.subscribe("log 1").await;
    importer.send(publish("log", "x")).await;
    let headers = format!(
        "NATS/1.0\r\nNats-Request-Info: {{\"acc\":\"{}\"}}\r\n\r\n",
        pair.importer.key()
    );
    let length = headers.len();
    exporter
        .expect(format!("HMSG log 1 {length} {}\r\n{headers}x\r\n", length + 1))
        .await;
}

#[tokio::test]
async fn nobody_to_answer_is_told_by_the_local_name() {
    let pair = Pair::new(vec![Export::service(filter("price.*"))], |exporter| {
        vec![renamed(service_from(exporter, "price.*"), "shop.$1")]
    })
    .await;
    let (_exporter, mut importer) = pair.clients().await;
    importer.subscribe("inbox 2").await;
    importer.send(request("shop.tea", "inbox", "x")).await;
    importer
        .expect("HMSG inbox 2 40 40\r\nNATS/1.0 503\r\nNats-Subject: shop.tea\r\n\r\n\r\n")
        .await;
}

#[tokio::test]
async fn own_subscribers_get_a_request_as_well_and_as_it_was_sent() {
    let pair = Pair::new(vec![Export::service(filter("q"))], |exporter| {
        vec![service_from(exporter, "q")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    exporter.subscribe("q 1").await;
    importer.subscribe("q 2").await;
    importer.send(request("q", "r", "x")).await;
    importer.expect("MSG q 2 r 1\r\nx\r\n").await;
    exporter.expect_request("q", &pair.importer, "x").await;
}

#[tokio::test]
async fn an_exporter_learns_the_account_that_asks_and_nobody_can_pretend_to_be_another() {
    let pair = Pair::new(vec![Export::service(filter("q"))], |exporter| {
        vec![service_from(exporter, "q")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    exporter.subscribe("q 1").await;
    let forged = "NATS/1.0\r\nnats-request-info: {\"acc\":\"OTHER\"}\r\n\r\n";
    importer
        .send(format!(
            "HPUB q r {} {}\r\n{forged}x\r\n",
            forged.len(),
            forged.len() + 1
        ))
        .await;
    exporter.expect_request("q", &pair.importer, "x").await;
}

#[tokio::test]
async fn an_import_that_shares_tells_who_asks_but_never_its_token() {
    let pair = Pair::new(vec![Export::service(filter("q"))], |exporter| {
        let mut import = service_from(exporter, "q");
        import.kind = ImportKind::Service { share: true };
        vec![import]
    })
    .await;
    let mut exporter = pair.world.client(&pair.exporter.user()).await;
    let user = pair.importer.user();
    let options = serde_json::json!({"name": "the app", "lang": "rust", "version": "9"});
    let mut importer = pair.world.client_with(&user, options).await;
    exporter.subscribe("q 1").await;
    importer.send(request("q", "r", "x")).await;
    exporter.line().await;
    exporter.expect("NATS/1.0\r\nNats-Request-Info: ").await;
    let info: serde_json::Value = serde_json::from_str(&exporter.line().await).expect("JSON");
    assert_eq!(info["acc"], pair.importer.key().to_string());
    assert_eq!(info["user"], user.signer.public().to_string());
    assert_eq!(
        (&info["name"], &info["lang"], &info["ver"]),
        (&"the app".into(), &"rust".into(), &"9".into())
    );
    assert_eq!(info["host"], "127.0.0.1");
    assert!(info["id"].is_number() && info.get("jwt").is_none(), "{info}");
}

#[tokio::test]
async fn parts_of_an_answer_arrive_until_an_empty_one() {
    for response in [ResponseType::Stream, ResponseType::Chunked] {
        let export = service_with("q", |terms| terms.response = response);
        let pair = Pair::new(vec![export], |exporter| vec![service_from(exporter, "q")]).await;
        let (mut exporter, mut importer) = pair.clients().await;
        exporter.subscribe("q 1").await;
        importer.subscribe("r 2").await;
        importer.send(request("q", "r", "x")).await;
        let reply = exporter.expect_request("q", &pair.importer, "x").await;
        let parts = ["a", "b", "c", "", "late"].map(|part| publish(&reply, part));
        exporter.send(parts.concat()).await;
        for part in ["a", "b", "c", ""] {
            importer.expect(message("r", "2", part)).await;
        }
        exporter.sync().await;
        importer.sync().await;
    }
}

#[tokio::test]
async fn a_reply_subject_is_of_no_use_to_another_account() {
    let pair = Pair::new(vec![Export::service(filter("q"))], |exporter| {
        vec![service_from(exporter, "q")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    // It deals with the same accounts, and learns the subject somehow.
    let mut third = pair.world.account();
    third.claims.imports = vec![service_from(&pair.exporter, "q")];
    third.claims.exports = vec![Export::service(filter("s"))];
    pair.world.apply(&third);
    let mut thief = pair.world.client(&third.user()).await;
    exporter.subscribe("q 1").await;
    importer.subscribe("r 2").await;
    importer.send(request("q", "r", "x")).await;
    let reply = exporter.expect_request("q", &pair.importer, "x").await;
    thief.send(publish(&reply, "stolen")).await;
    thief.sync().await;
    importer.send(publish(&reply, "own")).await;
    importer.sync().await;
    exporter.send(publish(&reply, "right")).await;
    importer.expect(message("r", "2", "right")).await;
}

#[tokio::test]
async fn answers_leave_by_no_stream_however_much_is_exported() {
    let exports = vec![Export::service(filter("q")), Export::stream(filter(">"))];
    let pair = Pair::new(exports, |exporter| vec![service_from(exporter, "q")]).await;
    let mut third = pair.world.account();
    third.claims.imports = vec![stream_from(&pair.exporter, ">")];
    pair.world.apply(&third);
    let (mut exporter, mut importer) = pair.clients().await;
    let mut listener = pair.world.client(&third.user()).await;
    listener.subscribe("> 9").await;
    exporter.subscribe("q 1").await;
    importer.subscribe("r 2").await;
    importer.send(request("q", "r", "x")).await;
    let reply = exporter.expect_request("q", &pair.importer, "x").await;
    exporter
        .send([publish(&reply, "five"), publish("open", "all")].concat())
        .await;
    importer.expect(message("r", "2", "five")).await;
    listener.expect(message("open", "9", "all")).await;
    listener.sync().await;
}

#[tokio::test]
async fn an_accounts_own_events_neither_leave_nor_can_be_made_up_by_others() {
    let exports = vec![Export::stream(filter(">")), Export::service(filter(">"))];
    let pair = Pair::new(exports, |exporter| {
        vec![
            stream_from(exporter, ">"),
            renamed(stream_from(exporter, "news"), "$TOLLWAY.EVENT.REFUSED.NEWS"),
            renamed(service_from(exporter, "$TOLLWAY.EVENT.REFUSED.X"), "forge"),
            service_from(exporter, "q"),
        ]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    exporter.subscribe("> 1").await;
    importer.subscribe("> 2").await;
    // Told to the exporter alone.
    let user = pair
        .exporter
        .user_with(|claims| claims.limits.permissions.publish.deny = vec!["secret".to_owned()]);
    let mut listener = pair.world.client(&pair.exporter.user()).await;
    listener.subscribe("$TOLLWAY.EVENT.> 3").await;
    let mut denied = pair.world.client(&user).await;
    denied.send(publish("secret", "x")).await;
    for client in [&mut listener, &mut exporter] {
        let event = client.line().await;
        assert!(event.starts_with("MSG $TOLLWAY.EVENT."), "{event}");
        client.line().await;
    }
    importer.sync().await;
    // What is imported under such a name does not arrive under it.
    exporter.send(publish("news", "x")).await;
    exporter.expect(message("news", "1", "x")).await;
    importer.expect(message("news", "2", "x")).await;
    importer.sync().await;
    // Nobody asks there, and no answer goes there.
    importer.send(publish("forge", "x")).await;
    importer.expect(message("forge", "2", "x")).await;
    exporter.sync().await;
    let reply = "$TOLLWAY.EVENT.REFUSED.Y";
    importer.send(request("q", reply, "x")).await;
    importer.expect(format!("MSG q 2 {reply} 1\r\nx\r\n")).await;
    let back = exporter.expect_request("q", &pair.importer, "x").await;
    exporter.send(publish(&back, "forged")).await;
    exporter.expect(message(&back, "1", "forged")).await;
    importer.sync().await;
}

#[tokio::test]
async fn a_request_goes_on_where_the_exporter_asks_others_and_the_answer_comes_back() {
    let mut pair = Pair::new(vec![Export::service(filter("near"))], |exporter| {
        vec![service_from(exporter, "near")]
    })
    .await;
    let mut far = pair.world.account();
    far.claims.exports = vec![Export::service(filter("far"))];
    pair.world.apply(&far);
    pair.exporter.claims.imports = vec![renamed(service_from(&far, "far"), "near")];
    pair.world.apply(&pair.exporter);
    let (mut exporter, mut importer) = pair.clients().await;
    let mut last = pair.world.client(&far.user()).await;
    last.subscribe("far 3").await;
    importer.subscribe("r 2").await;
    exporter.subscribe("> 9").await;
    importer.send(request("near", "r", "x")).await;
    // The account in the middle is asked as well; the last one sees that it asks, not for whom.
    let first_reply = exporter.expect_request("near", &pair.importer, "x").await;
    let reply = last.expect_request("far", &pair.exporter, "x").await;
    assert_ne!(first_reply, reply);
    last.send(publish(&reply, "answer")).await;
    importer.expect(message("r", "2", "answer")).await;
    exporter.sync().await;
    // The request is answered, on every part of its way.
    exporter.send(publish(&first_reply, "again")).await;
    exporter.expect(message(&first_reply, "9", "again")).await;
    importer.sync().await;
}

#[tokio::test]
async fn an_answer_can_ask_back() {
    let pair = Pair::new(vec![Export::service(filter("q"))], |exporter| {
        vec![service_from(exporter, "q")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    exporter.subscribe("q 1").await;
    exporter.subscribe("more 4").await;
    importer.subscribe("r 2").await;
    importer.send(request("q", "r", "x")).await;
    let reply = exporter.expect_request("q", &pair.importer, "x").await;
    exporter.send(request(&reply, "more", "which?")).await;
    let line = importer.line().await;
    let words: Vec<_> = line.split(' ').collect();
    assert_eq!((words[1], words[4]), ("r", "6"), "{line}");
    assert!(words[3].starts_with("_R_.") && words[3] != reply, "{line}");
    importer.expect("which?\r\n").await;
    importer.send(publish(words[3], "this")).await;
    exporter.expect(message("more", "4", "this")).await;
}

#[tokio::test]
async fn a_private_export_needs_an_activation() {
    let mut stream = Export::stream(filter("s"));
    let mut service = Export::service(filter("q"));
    stream.token_required = true;
    service.token_required = true;
    let mut pair = Pair::new(vec![stream, service], |exporter| {
        vec![stream_from(exporter, "s"), service_from(exporter, "q")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    exporter.subscribe("q 1").await;
    importer.subscribe("s 2").await;
    importer.subscribe("r 3").await;
    let no_one = "HMSG r 3 33 33\r\nNATS/1.0 503\r\nNats-Subject: q\r\n\r\n\r\n";
    importer.send(request("q", "r", "x")).await;
    importer.expect(no_one).await;
    exporter.send(publish("s", "x")).await;
    exporter.sync().await;
    importer.sync().await;

    let key = pair.importer.key();
    let imports = std::mem::take(&mut pair.importer.claims.imports);
    pair.importer.claims.imports = imports
        .into_iter()
        .map(|import| activated(import, &pair.exporter, key, None))
        .collect();
    pair.world.apply(&pair.importer);
    importer.send(request("q", "r", "x")).await;
    let reply = exporter.expect_request("q", &pair.importer, "x").await;
    exporter
        .send([publish("s", "x"), publish(&reply, "five")].concat())
        .await;
    importer
        .expect([message("s", "2", "x"), message("r", "3", "five")].concat())
        .await;

    // Taken back by the exporter, while everybody is connected.
    importer.send(request("q", "r", "open")).await;
    let reply = exporter.expect_request("q", &pair.importer, "open").await;
    for export in &mut pair.exporter.claims.exports {
        export.revocations.revoke(key, now());
    }
    pair.world.apply(&pair.exporter);
    exporter
        .send([publish("s", "x"), publish(&reply, "too late")].concat())
        .await;
    exporter.sync().await;
    importer.sync().await;
    importer.send(request("q", "r", "x")).await;
    importer.expect(no_one).await;
}

#[tokio::test]
async fn an_activation_ends_by_itself() {
    let mut export = Export::stream(filter("s"));
    export.token_required = true;
    let mut pair = Pair::new(vec![export], |_| Vec::new()).await;
    let ends = now() + 2;
    let import = stream_from(&pair.exporter, "s");
    let import = activated(import, &pair.exporter, pair.importer.key(), Some(ends));
    pair.importer.claims.imports = vec![import];
    pair.world.apply(&pair.importer);
    let (mut exporter, mut importer) = pair.clients().await;
    importer.subscribe("s 1").await;
    exporter.send(publish("s", "x")).await;
    importer.expect(message("s", "1", "x")).await;
    let mut counted = pair.world.meters(&pair.importer).messages_out;
    loop {
        exporter.send(publish("s", "x")).await;
        exporter.sync().await;
        let now_counted = pair.world.meters(&pair.importer).messages_out;
        if now_counted == counted {
            break;
        }
        counted = now_counted;
        importer.expect(message("s", "1", "x")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(now() >= ends);
    importer.sync().await;
}

#[tokio::test]
async fn an_account_token_in_the_subject_is_the_permission() {
    let world = World::start().await;
    let mut exporter = world.account();
    let mut export = Export::stream(filter("for.*.>"));
    export.account_token_position = NonZeroU32::new(2);
    exporter.claims.exports = vec![export];
    world.apply(&exporter);
    let mut importer = world.account();
    let mut other = world.account();
    let own = format!("for.{}.>", importer.key());
    importer.claims.imports = vec![renamed(stream_from(&exporter, &own), "mine.>")];
    other.claims.imports = vec![stream_from(&exporter, &own)];
    world.apply(&importer);
    world.apply(&other);
    let mut publisher = world.client(&exporter.user()).await;
    let mut receiver = world.client(&importer.user()).await;
    let mut thief = world.client(&other.user()).await;
    receiver.subscribe("> 1").await;
    thief.subscribe("> 1").await;
    publisher
        .send(publish(&format!("for.{}.news", importer.key()), "x"))
        .await;
    receiver.expect(message("mine.news", "1", "x")).await;
    thief.sync().await;
}

#[tokio::test]
async fn documents_change_what_crosses_while_clients_are_connected() {
    let mut pair = Pair::new(
        vec![Export::stream(filter("a")), Export::stream(filter("b"))],
        |exporter| vec![stream_from(exporter, "a")],
    )
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    importer.subscribe("> 1").await;
    let both = [publish("a", "1"), publish("b", "2")].concat();
    exporter.send(&both).await;
    importer.expect(message("a", "1", "1")).await;
    pair.importer
        .claims
        .imports
        .push(renamed(stream_from(&pair.exporter, "b"), "c"));
    pair.world.apply(&pair.importer);
    exporter.send(&both).await;
    importer
        .expect([message("a", "1", "1"), message("c", "1", "2")].concat())
        .await;
    pair.exporter.claims.exports.remove(0);
    pair.world.apply(&pair.exporter);
    exporter.send(&both).await;
    importer.expect(message("c", "1", "2")).await;
    // An account that goes and comes again is the same to those who import from it.
    pair.world.broker.account_remove(&pair.exporter.key());
    pair.world.apply(&pair.exporter);
    let mut exporter = pair.world.client(&pair.exporter.user()).await;
    exporter.send(&both).await;
    importer.expect(message("c", "1", "2")).await;
    pair.world.broker.account_remove(&pair.importer.key());
    exporter.send(&both).await;
    exporter.sync().await;
}

#[tokio::test]
async fn the_publisher_pays_in_and_each_receiver_pays_out() {
    let exports = vec![Export::stream(filter("s")), Export::service(filter("q"))];
    let pair = Pair::new(exports, |exporter| {
        vec![
            renamed(stream_from(exporter, "s"), "local"),
            service_from(exporter, "q"),
        ]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    importer.subscribe("local 1").await;
    importer.subscribe("local 2").await;
    importer.subscribe("r 3").await;
    exporter.send(publish("s", "12345")).await;
    importer
        .expect([message("local", "1", "12345"), message("local", "2", "12345")].concat())
        .await;
    exporter.sync().await;
    let meters = || {
        (
            pair.world.meters(&pair.exporter),
            pair.world.meters(&pair.importer),
        )
    };
    let (of_exporter, of_importer) = meters();
    assert_eq!((of_exporter.messages_in, of_exporter.bytes_in), (1, 6));
    assert_eq!((of_exporter.messages_out, of_exporter.bytes_out), (0, 0));
    assert_eq!((of_importer.messages_in, of_importer.bytes_in), (0, 0));
    assert_eq!((of_importer.messages_out, of_importer.bytes_out), (2, 20));

    exporter.subscribe("q 1").await;
    importer.send(request("q", "r", "abc")).await;
    let reply = exporter.expect_request("q", &pair.importer, "abc").await;
    exporter.send(publish(&reply, "1234567")).await;
    importer.expect(message("r", "3", "1234567")).await;
    exporter.sync().await;
    importer.sync().await;
    let header = format!(
        "NATS/1.0\r\nNats-Request-Info: {{\"acc\":\"{}\"}}\r\n\r\n",
        pair.importer.key()
    );
    let (of_exporter, of_importer) = meters();
    assert_eq!((of_importer.messages_in, of_importer.bytes_in), (1, 5));
    let asked = 1 + reply.len() + header.len() + 3;
    assert_eq!(
        (of_exporter.messages_out, of_exporter.bytes_out),
        (1, asked as u64)
    );
    let answered = reply.len() + 7;
    assert_eq!(
        (of_exporter.messages_in, of_exporter.bytes_in),
        (2, 6 + answered as u64)
    );
    assert_eq!((of_importer.messages_out, of_importer.bytes_out), (3, 20 + 8));
}

#[tokio::test]
async fn permissions_of_a_user_hold_for_what_crosses() {
    let exports = vec![Export::stream(filter("s.*")), Export::service(filter("q.*"))];
    let pair = Pair::new(exports, |exporter| {
        vec![stream_from(exporter, "s.*"), service_from(exporter, "q.*")]
    })
    .await;
    let mut exporter = pair.world.client(&pair.exporter.user()).await;
    exporter.subscribe("q.* 1").await;
    let user = pair.importer.user_with(|claims| {
        claims.limits.permissions.publish.deny = vec!["q.secret".to_owned()];
        claims.limits.permissions.subscribe.deny = vec!["s.secret".to_owned()];
    });
    let mut importer = pair.world.client(&user).await;
    importer.subscribe("s.* 2").await;
    exporter
        .send([publish("s.secret", "x"), publish("s.open", "y")].concat())
        .await;
    importer.expect(message("s.open", "2", "y")).await;
    importer
        .send([request("q.secret", "r", "x"), request("q.open", "r", "y")].concat())
        .await;
    importer
        .expect("-ERR 'Permissions Violation for Publish to \"q.secret\"'\r\n")
        .await;
    exporter.expect_request("q.open", &pair.importer, "y").await;
}

#[tokio::test]
async fn a_responder_with_leave_to_answer_answers_other_accounts() {
    let pair = Pair::new(vec![Export::service(filter("q"))], |exporter| {
        vec![service_from(exporter, "q")]
    })
    .await;
    let user = pair.exporter.user_with(|claims| {
        claims.limits.permissions.publish.deny = vec![">".to_owned()];
        claims.limits.permissions.responses = Some(tollway_claims::ResponsePermission::default());
    });
    let mut responder = pair.world.client(&user).await;
    let mut importer = pair.world.client(&pair.importer.user()).await;
    responder.subscribe("q 1").await;
    importer.subscribe("r 2").await;
    importer.send(request("q", "r", "x")).await;
    let reply = responder.expect_request("q", &pair.importer, "x").await;
    responder.send(publish(&reply, "yes")).await;
    importer.expect(message("r", "2", "yes")).await;
}

#[tokio::test]
async fn response_times_are_told_to_the_exporter() {
    let export = service_with("q", |terms| {
        terms.latency = Some(ServiceLatency {
            sampling: LatencySampling::Percent(100),
            results: filter("times.q"),
        });
    });
    let pair = Pair::new(vec![export], |exporter| vec![service_from(exporter, "q")]).await;
    let (mut exporter, mut importer) = pair.clients().await;
    let mut watcher = pair.world.client(&pair.exporter.user()).await;
    watcher.subscribe("times.q 1").await;
    importer.subscribe("r 2").await;
    let mut told = async |status: u64| {
        let line = watcher.line().await;
        assert!(line.starts_with("MSG times.q 1 "), "{line}");
        let report: serde_json::Value = serde_json::from_str(&watcher.line().await).expect("JSON");
        assert_eq!(report["type"], "io.nats.server.metric.v1.service_latency");
        assert_eq!(report["status"], status, "{report}");
        assert_eq!(report["requestor"]["acc"], pair.importer.key().to_string());
        report
    };
    importer.send(request("q", "r", "x")).await;
    importer
        .expect("HMSG r 2 33 33\r\nNATS/1.0 503\r\nNats-Subject: q\r\n\r\n\r\n")
        .await;
    told(503).await;
    exporter.subscribe("q 1").await;
    importer.send(request("q", "r", "x")).await;
    let reply = exporter.expect_request("q", &pair.importer, "x").await;
    exporter.send(publish(&reply, "y")).await;
    importer.expect(message("r", "2", "y")).await;
    let report = told(200).await;
    assert_eq!(report["responder"]["acc"], pair.exporter.key().to_string());
    assert!(
        report["total"].as_u64().is_some_and(|total| total > 0),
        "{report}"
    );
    importer.send(publish("q", "no reply")).await;
    told(400).await;
}

#[tokio::test]
async fn a_request_that_nobody_answers_in_time_is_over_and_that_is_told() {
    let export = service_with("q", |terms| {
        terms.response_threshold = Some(Duration::from_millis(10));
        terms.latency = Some(ServiceLatency {
            sampling: LatencySampling::Headers,
            results: filter("times.q"),
        });
    });
    let pair = Pair::new(vec![export], |exporter| vec![service_from(exporter, "q")]).await;
    let (mut exporter, mut importer) = pair.clients().await;
    let mut watcher = pair.world.client(&pair.exporter.user()).await;
    watcher.subscribe("times.q 1").await;
    exporter.subscribe("q 1").await;
    importer.subscribe("r 2").await;
    importer.send(request("q", "r", "not measured")).await;
    exporter.expect_request("q", &pair.importer, "not measured").await;
    let headers = "NATS/1.0\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
    importer
        .send(format!(
            "HPUB q r {} {}\r\n{headers}\r\n",
            headers.len(),
            headers.len()
        ))
        .await;
    let reply = exporter.line().await.split(' ').nth(3).map(str::to_owned);
    watcher.line().await;
    let report: serde_json::Value = serde_json::from_str(&watcher.line().await).expect("JSON");
    assert_eq!(
        (&report["status"], &report["description"]),
        (&504.into(), &"Service Timeout".into())
    );
    assert!(report["header"]["Traceparent"][0].is_string(), "{report}");
    watcher.sync().await;
    let late = publish(&reply.expect("the request has a reply"), "late");
    let mut responder = pair.world.client(&pair.exporter.user()).await;
    responder.send(late).await;
    responder.sync().await;
    importer.sync().await;
}

#[tokio::test]
async fn a_cycle_is_refused_and_the_account_keeps_what_it_had() {
    let world = World::start().await;
    let (mut one, mut two) = (world.account(), world.account());
    one.claims.exports = vec![Export::service(filter("a"))];
    two.claims.exports = vec![Export::service(filter("b"))];
    one.claims.imports = vec![renamed(service_from(&two, "b"), "a")];
    world.apply(&one);
    world.apply(&two);
    let before = two.claims.imports.clone();
    two.claims.imports = vec![renamed(service_from(&one, "a"), "b")];
    let refused = world.broker.accounts_apply(vec![world.document(&two)], now());
    let refused: Vec<_> = refused
        .iter()
        .map(|(account, why)| (*account, why.code()))
        .collect();
    assert_eq!(refused, [(two.key(), "import_cycle")]);

    // The other import goes on working.
    two.claims.imports = before;
    let mut asker = world.client(&one.user()).await;
    let mut responder = world.client(&two.user()).await;
    responder.subscribe("b 1").await;
    asker.subscribe("r 2").await;
    asker.send(request("a", "r", "x")).await;
    let reply = responder.expect_request("b", &one, "x").await;
    responder.send(publish(&reply, "y")).await;
    asker.expect(message("r", "2", "y")).await;

    // Turned round in one step, it is no cycle at any time.
    one.claims.imports = Vec::new();
    two.claims.imports = vec![renamed(service_from(&one, "a"), "b")];
    let documents = vec![world.document(&two), world.document(&one)];
    assert_eq!(world.broker.accounts_apply(documents, now()), []);
}

#[tokio::test]
async fn many_importers_do_not_keep_the_publisher_to_themselves() {
    let world = World::start().await;
    let mut exporter = world.account();
    exporter.claims.exports = vec![Export::stream(filter("news"))];
    world.apply(&exporter);
    let mut receivers = Vec::new();
    for _ in 0..40 {
        let mut importer = world.account();
        importer.claims.imports = vec![stream_from(&exporter, "news")];
        world.apply(&importer);
        let mut receiver = world.client(&importer.user()).await;
        // So many that one message takes many turns.
        let lines: String = (0..200).map(|sid| format!("SUB news {sid}\r\n")).collect();
        receiver.send(lines).await;
        receiver.sync().await;
        receivers.push(receiver);
    }
    let mut publisher = world.client(&exporter.user()).await;
    publisher
        .send([publish("news", "first"), publish("news", "second")].concat())
        .await;
    publisher.sync().await;
    for receiver in &mut receivers {
        for payload in ["first", "second"] {
            let mut sids = Vec::new();
            for _ in 0..200 {
                let line = receiver.line().await;
                let words: Vec<_> = line.split(' ').collect();
                sids.push(words[2].parse::<u32>().expect("a number"));
                receiver.expect(format!("{payload}\r\n")).await;
            }
            sids.sort_unstable();
            assert_eq!(sids, (0..200).collect::<Vec<_>>());
        }
    }
    eventually("everything is billed", || {
        world.meters(&exporter).messages_in == 2
    })
    .await;
}

#[tokio::test]
async fn a_kind_is_only_imported_as_what_it_is_exported_as() {
    let pair = Pair::new(vec![Export::stream(filter("s"))], |exporter| {
        vec![service_from(exporter, "s")]
    })
    .await;
    let (mut exporter, mut importer) = pair.clients().await;
    exporter.subscribe("s 1").await;
    importer.subscribe("s 2").await;
    importer.send(publish("s", "in")).await;
    importer.expect(message("s", "2", "in")).await;
    exporter.send(publish("s", "out")).await;
    exporter.expect(message("s", "1", "out")).await;
    importer.sync().await;
}
