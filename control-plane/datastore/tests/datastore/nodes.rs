//! How nodes join cells, prove who they are, and are seen.

use tollway_datastore::{EnrolmentTokenRefused, NewEnrolmentToken, NodeAdmitError};
use tollway_model::AttachmentId;

use crate::fixture::{World, fresh, hash, hello, new_node, now, platform, seconds};

async fn token(world: &World) -> [u8; 32] {
    let secret_hash = hash();
    let mut tx = world.system().await;
    let new = NewEnrolmentToken {
        secret_hash,
        cell_id: world.cell.id,
        created_at: now(),
        expires_at: now() + seconds(900),
    };
    tx.enrolment_token_insert(&new).await.unwrap();
    tx.commit().await.unwrap();
    secret_hash
}

#[tokio::test]
async fn an_enrolment_token_works_once_and_until_its_end() {
    let world = World::new().await;
    let (used, late) = (token(&world).await, token(&world).await);
    let mut tx = world.system().await;
    assert_eq!(
        tx.enrolment_token_consume(&used, now()).await.unwrap(),
        world.cell.id
    );
    tx.commit().await.unwrap();
    let mut tx = world.system().await;
    for (secret, at) in [(used, now()), (late, now() + seconds(900)), (hash(), now())] {
        let refused = tx.enrolment_token_consume(&secret, at).await;
        assert!(
            matches!(refused, Err(EnrolmentTokenRefused::Invalid)),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn an_enrolment_that_is_not_committed_uses_no_token() {
    let world = World::new().await;
    let token = token(&world).await;
    world
        .system()
        .await
        .enrolment_token_consume(&token, now())
        .await
        .unwrap();
    world
        .system()
        .await
        .enrolment_token_consume(&token, now())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_nodes_with_one_token_one_gets_in() {
    let world = World::new().await;
    let token = token(&world).await;
    let tries: Vec<_> = (0..6)
        .map(|_| {
            let datastore = world.datastore.clone();
            tokio::spawn(async move {
                let mut tx = datastore.begin_system(&platform()).await.unwrap();
                let consumed = tx.enrolment_token_consume(&token, now()).await;
                tx.commit().await.unwrap();
                consumed.is_ok()
            })
        })
        .collect();
    let mut admitted = 0;
    for one in tries {
        admitted += usize::from(one.await.unwrap());
    }
    assert_eq!(admitted, 1);
}

#[tokio::test]
async fn a_cell_has_one_node_and_the_same_name_replaces_its_certificate() {
    let world = World::new().await;
    let (first, second) = (hash(), hash());
    let mut tx = world.system().await;
    let node = tx.node_admit(world.cell.id, &new_node("alpha")).await.unwrap();
    tx.node_certificate_replace(node.id, &first).await.unwrap();
    let refused = tx.node_admit(world.cell.id, &new_node("beta")).await.unwrap_err();
    assert!(matches!(refused, NodeAdmitError::CellHasNode { .. }));
    assert_eq!(
        refused.to_string(),
        "the cell is served by the node alpha: enrol under that name to replace it, or use another cell"
    );
    let again = tx.node_admit(world.cell.id, &new_node("alpha")).await.unwrap();
    assert_eq!(again.id, node.id);
    tx.node_certificate_replace(node.id, &second).await.unwrap();
    assert_eq!(tx.node_authenticate(node.id, &first).await.unwrap(), None);
    assert_eq!(
        tx.node_authenticate(node.id, &second)
            .await
            .unwrap()
            .map(|node| node.id),
        Some(node.id)
    );
    assert_eq!(tx.node_authenticate(fresh(), &second).await.unwrap(), None);
}

#[tokio::test]
async fn a_renewed_certificate_ends_the_old_one_when_it_is_first_seen() {
    let world = World::new().await;
    let node = world.node(world.cell.id).await;
    let (old, lost, renewed) = (hash(), hash(), hash());
    let mut tx = world.system().await;
    tx.node_certificate_replace(node.id, &old).await.unwrap();
    // The answer with the first renewal is lost; the node asks again with what it has.
    tx.node_certificate_renew(node.id, &old, &lost).await.unwrap();
    assert!(tx.node_authenticate(node.id, &old).await.unwrap().is_some());
    tx.node_certificate_renew(node.id, &old, &renewed).await.unwrap();
    assert!(tx.node_authenticate(node.id, &old).await.unwrap().is_some());
    assert_eq!(tx.node_authenticate(node.id, &lost).await.unwrap(), None);

    assert!(tx.node_authenticate(node.id, &renewed).await.unwrap().is_some());
    assert_eq!(tx.node_authenticate(node.id, &old).await.unwrap(), None);
    // A certificate that has ended renews nothing.
    tx.node_certificate_renew(node.id, &old, &hash()).await.unwrap();
    assert!(tx.node_authenticate(node.id, &renewed).await.unwrap().is_some());
}

#[tokio::test]
async fn the_end_of_an_old_stream_is_not_the_end_of_the_new_one() {
    let world = World::new().await;
    let node = world.node(world.cell.id).await;
    let (old, new) = (fresh::<AttachmentId>(), fresh::<AttachmentId>());
    let mut tx = world.system().await;
    assert!(!tx.node_get(node.id).await.unwrap().unwrap().connected);
    let certificate = hash();
    tx.node_certificate_replace(node.id, &certificate).await.unwrap();
    assert!(
        tx.node_connected(node.id, &certificate, &hello(old))
            .await
            .unwrap()
    );
    assert!(tx.node_attached(node.id, old).await.unwrap());
    let greeting = hello(new);
    assert!(tx.node_connected(node.id, &certificate, &greeting).await.unwrap());
    assert!(!tx.node_attached(node.id, old).await.unwrap());
    assert!(!tx.node_seen(node.id, old).await.unwrap());
    assert_eq!(tx.cell_attachment(world.cell.id).await.unwrap(), Some(new));
    tx.node_disconnected(node.id, old).await.unwrap();
    let read = tx.node_get(node.id).await.unwrap().unwrap();
    assert!(read.connected);
    assert_eq!(
        (read.boot_id, read.client_url),
        (Some(greeting.boot_id), greeting.client_url.unwrap().to_string())
    );
    tx.node_disconnected(node.id, new).await.unwrap();
    assert!(!tx.node_get(node.id).await.unwrap().unwrap().connected);
}

#[tokio::test]
async fn a_certificate_that_is_replaced_ends_its_stream_and_begins_no_other() {
    let world = World::new().await;
    let node = world.node(world.cell.id).await;
    let (stolen, present) = (hash(), hash());
    let (open, pending) = (fresh::<AttachmentId>(), fresh::<AttachmentId>());
    let mut tx = world.system().await;
    tx.node_certificate_replace(node.id, &stolen).await.unwrap();
    assert!(tx.node_connected(node.id, &stolen, &hello(open)).await.unwrap());
    tx.node_certificate_replace(node.id, &present).await.unwrap();
    assert!(!tx.node_attached(node.id, open).await.unwrap());
    assert_eq!(tx.cell_attachment(world.cell.id).await.unwrap(), None);
    assert!(
        !tx.node_connected(node.id, &stolen, &hello(pending))
            .await
            .unwrap()
    );
    assert!(!tx.node_get(node.id).await.unwrap().unwrap().connected);
    assert!(
        tx.node_connected(node.id, &present, &hello(pending))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_node_that_says_nothing_for_long_counts_as_away() {
    let world = World::new().await;
    let node = world.node(world.cell.id).await;
    let attachment = fresh::<AttachmentId>();
    let mut tx = world.system().await;
    let certificate = hash();
    tx.node_certificate_replace(node.id, &certificate).await.unwrap();
    tx.node_connected(node.id, &certificate, &hello(attachment))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut superuser = world.database.superuser().await;
    sqlx::query("UPDATE node SET last_seen_at = now() - interval '31 seconds'")
        .execute(&mut superuser)
        .await
        .unwrap();
    let mut tx = world.system().await;
    assert!(!tx.node_get(node.id).await.unwrap().unwrap().connected);
    tx.node_seen(node.id, attachment).await.unwrap();
    assert!(tx.node_get(node.id).await.unwrap().unwrap().connected);
}
