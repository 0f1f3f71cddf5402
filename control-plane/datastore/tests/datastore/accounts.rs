//! Accounts: their life, their documents, and how far those came.

use tollway_datastore::{
    AccountInsertError, Acknowledgement, CellPlaceError, NewAuditEvent, NewSystemAccount, PublishError,
};
use tollway_model::{
    AccountId, AccountLimits, AccountRef, AccountStage, Cursor, PageRequest, Refusal, SuspendedBy,
};

use crate::fixture::{
    World, account_key, fresh, name, new_account, new_document, now, publish, scope, seconds, seeds,
};

#[tokio::test]
async fn an_account_is_found_by_id_and_by_key_and_only_in_its_organization() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let references = [
        AccountRef::Id(account.id),
        AccountRef::Key(account.public_key.clone()),
    ];
    for reference in &references {
        let mut tx = world.tenant().await;
        assert_eq!(tx.account_get(reference).await.unwrap().as_ref(), Some(&account));
        assert_eq!(tx.account_lock(reference).await.unwrap().as_ref(), Some(&account));
        let mut tx = world.stranger().await;
        assert_eq!(tx.account_get(reference).await.unwrap(), None);
        assert_eq!(tx.account_lock(reference).await.unwrap(), None);
        let located = world
            .system()
            .await
            .account_locate(reference)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (located.account_id, located.organization_id),
            (account.id, world.ours)
        );
    }
    assert_eq!(
        account.cell.as_ref().map(|cell| &cell.name),
        Some(&world.cell.name)
    );
    assert_eq!(account.version, 1);
}

#[tokio::test]
async fn a_stranger_changes_nothing_of_an_account() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let mut tx = world.stranger().await;
    tx.account_limits_set(
        account.id,
        &AccountLimits::new(1, 1, 1).unwrap(),
        &AccountLimits::default(),
    )
    .await
    .unwrap();
    tx.account_stage_set(account.id, &AccountStage::Deleted { since: now() })
        .await
        .unwrap();
    assert_eq!(tx.account_seeds_get(account.id).await.unwrap(), None);
    assert_eq!(tx.account_rollout(account.id).await.unwrap(), None);
    let published = tx
        .account_document_publish(account.id, &new_document(2, false))
        .await;
    assert!(matches!(published, Err(PublishError::NotNext)), "{published:?}");
    tx.commit().await.unwrap();
    let mut tx = world.tenant().await;
    assert_eq!(tx.account_get(&account.id.into()).await.unwrap(), Some(account));
}

#[tokio::test]
async fn a_name_is_taken_in_its_organization_alone_and_free_after_deletion() {
    let world = World::new().await;
    let account = world.account("orders").await;
    world.account_in(world.theirs, world.cell.id, "orders").await;

    let mut tx = world.tenant().await;
    let error = tx
        .account_insert(&new_account(world.cell.id, "orders"))
        .await
        .unwrap_err();
    assert!(matches!(error, AccountInsertError::NameTaken { .. }));
    let deleted = account.stage.clone().delete(now()).unwrap();
    tx.account_stage_set(account.id, &deleted).await.unwrap();
    assert_eq!(tx.account_get(&account.id.into()).await.unwrap(), None);
    tx.account_insert(&new_account(world.cell.id, "orders"))
        .await
        .unwrap();
    // Its end travels too.
    publish(&mut tx, account.id, 2, true).await;
    tx.commit().await.unwrap();
    assert_eq!(
        world
            .system()
            .await
            .account_locate(&account.id.into())
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn lists_are_in_the_order_of_creation_and_hold_only_the_own_accounts() {
    let world = World::new().await;
    let mut created = Vec::new();
    for text in ["c", "a", "b"] {
        created.push(world.account(text).await.id);
        world.account_in(world.theirs, world.cell.id, text).await;
    }
    let mut tx = world.tenant().await;
    let first = tx.account_list(&PageRequest::new(2, "").unwrap()).await.unwrap();
    let rest = tx
        .account_list(&PageRequest::following(first.next_cursor.unwrap()))
        .await
        .unwrap();
    let listed: Vec<AccountId> = first
        .items
        .iter()
        .chain(&rest.items)
        .map(|account| account.id)
        .collect();
    assert_eq!(listed, created);
    assert_eq!(rest.next_cursor, None);
}

#[tokio::test]
async fn limits_and_stage_are_read_back_as_they_were_set() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let limits = AccountLimits::new(-1, 7, 64 * 1024 * 1024).unwrap();
    let granted = AccountLimits::new(-1, 9, -1).unwrap();
    let suspended = account
        .stage
        .clone()
        .suspend(now(), "unpaid invoice".parse().unwrap(), SuspendedBy::Platform)
        .unwrap();
    let mut tx = world.tenant().await;
    tx.account_limits_set(account.id, &limits, &granted)
        .await
        .unwrap();
    tx.account_stage_set(account.id, &suspended).await.unwrap();
    let read = tx.account_get(&account.id.into()).await.unwrap().unwrap();
    assert_eq!(
        (read.limits, read.limits_granted, &read.stage),
        (limits, granted, &suspended)
    );

    tx.account_stage_set(account.id, &suspended.resume(SuspendedBy::Platform).unwrap())
        .await
        .unwrap();
    let read = tx.account_get(&account.id.into()).await.unwrap().unwrap();
    assert_eq!(read.stage, AccountStage::Serving);
    assert_eq!(tx.account_seeds_get(account.id).await.unwrap(), Some(seeds()));
}

#[tokio::test]
async fn a_new_account_goes_to_the_named_cell_or_to_the_emptiest_with_a_node() {
    let world = World::new().await;
    world.account("one").await;
    let second = world.second_cell().await;
    for cell in [world.cell.id, second.id] {
        let node = world.node(cell).await;
        world.attach(&node).await;
    }
    let mut tx = world.tenant().await;
    assert_eq!(tx.cell_place(None).await.unwrap().id, second.id);
    assert_eq!(
        tx.cell_place(Some(&name("cell-1"))).await.unwrap().id,
        world.cell.id
    );
    let error = tx.cell_place(Some(&name("nowhere"))).await.unwrap_err();
    assert!(matches!(error, CellPlaceError::NoSuchCell { .. }));
    drop(tx);
    // Other organizations' accounts take room as well.
    world.account_in(world.theirs, second.id, "one").await;
    world.account_in(world.theirs, second.id, "two").await;
    assert_eq!(
        world.tenant().await.cell_place(None).await.unwrap().id,
        world.cell.id
    );
}

#[tokio::test]
async fn a_cell_that_nobody_serves_gets_only_accounts_that_name_it() {
    let world = World::new().await;
    let place = async || world.tenant().await.cell_place(None).await;
    assert!(matches!(place().await.unwrap_err(), CellPlaceError::NoCells));
    let node = world.node(world.cell.id).await;
    assert!(
        matches!(place().await.unwrap_err(), CellPlaceError::NoCells),
        "a node that enrolled may never come"
    );
    let attachment = world.attach(&node).await;
    assert_eq!(place().await.unwrap().id, world.cell.id);

    // Without a node attached, one that took something before will come back.
    let mut tx = world.system().await;
    tx.node_disconnected(node.id, attachment).await.unwrap();
    tx.commit().await.unwrap();
    assert!(matches!(place().await.unwrap_err(), CellPlaceError::NoCells));
    world.acknowledge(world.cell.id).await;
    assert_eq!(place().await.unwrap().id, world.cell.id);

    // A node that is attached comes before one that is away, however full its cell is.
    let second = world.second_cell().await;
    world.account_in(world.theirs, second.id, "one").await;
    world.attach(&world.node(second.id).await).await;
    assert_eq!(place().await.unwrap().id, second.id);

    let third = world.cell_named("cell-3").await;
    let named = world
        .tenant()
        .await
        .cell_place(Some(&name("cell-3")))
        .await
        .unwrap();
    assert_eq!(named.id, third.id);
}

#[tokio::test]
async fn only_the_next_version_is_published_and_the_cell_counts_along() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let epoch = world.cell.cursor.epoch;
    let mut tx = world.tenant().await;
    for version in [0, 1, 3, u64::MAX] {
        let published = tx
            .account_document_publish(account.id, &new_document(version, false))
            .await;
        assert!(
            matches!(published, Err(PublishError::NotNext)),
            "{version}: {published:?}"
        );
    }
    assert_eq!(
        publish(&mut tx, account.id, 2, false).await,
        Cursor { epoch, revision: 2 }
    );
    assert_eq!(
        publish(&mut tx, account.id, 3, false).await,
        Cursor { epoch, revision: 3 }
    );
    tx.commit().await.unwrap();
    let read = world
        .tenant()
        .await
        .account_get(&account.id.into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.version, 3);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_takes_no_revision() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let mut tx = world.tenant().await;
    publish(&mut tx, account.id, 2, false).await;
    drop(tx);
    let cursor = world
        .system()
        .await
        .cell_cursor(world.cell.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(cursor.revision, 1);
    let mut tx = world.tenant().await;
    publish(&mut tx, account.id, 2, false).await;
}

#[tokio::test]
async fn a_rollout_is_applied_when_the_cell_acknowledged_and_did_not_refuse() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let epoch = world.cell.cursor.epoch;
    let rollout = async || {
        world
            .tenant()
            .await
            .account_rollout(account.id)
            .await
            .unwrap()
            .unwrap()
    };
    let acknowledge = async |revision, refused: Vec<Refusal>| {
        let mut tx = world.system().await;
        let acknowledgement = Acknowledgement {
            cursor: Cursor { epoch, revision },
            mark: world.mark(revision).await,
            refused,
            snapshot: false,
        };
        tx.cell_acknowledge(world.cell.id, &acknowledgement, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    assert_eq!(
        (rollout().await.revision, rollout().await.applied_revision),
        (1, 0)
    );
    assert!(!rollout().await.is_applied());

    let refusal = Refusal {
        account: account.public_key.clone(),
        code: "malformed".into(),
        reason: "no limits".into(),
    };
    acknowledge(1, vec![refusal.clone()]).await;
    assert_eq!(rollout().await.refused, Some(refusal));
    assert!(!rollout().await.is_applied());

    let mut tx = world.tenant().await;
    publish(&mut tx, account.id, 2, false).await;
    tx.commit().await.unwrap();
    // The old refusal says nothing about the new document.
    assert_eq!(rollout().await.refused, None);
    assert!(!rollout().await.is_applied());
    acknowledge(2, vec![]).await;
    assert!(rollout().await.is_applied());
}

#[tokio::test]
async fn revocations_are_those_that_still_matter() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let user = world.user(account.id, "worker").await;
    let (good, revoked) = (
        world.issuance(&user, None).await,
        world.issuance(&user, None).await,
    );
    let ended = world.issuance(&user, Some(now() + seconds(10))).await;
    let mut tx = world.tenant().await;
    for issuance in [&revoked, &ended] {
        tx.issuance_revoke(account.id, user.id, issuance.id, now() + seconds(5))
            .await
            .unwrap()
            .unwrap();
    }
    let keys = |revocations: Vec<(tollway_model::UserKey, _)>| {
        revocations.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let early = tx
        .account_revocations(account.id, now() + seconds(6))
        .await
        .unwrap();
    assert_eq!(early[0], (revoked.public_key.clone(), now() + seconds(5)));
    assert_eq!(keys(early), [revoked.public_key.clone(), ended.public_key]);
    let late = tx
        .account_revocations(account.id, now() + seconds(10))
        .await
        .unwrap();
    assert_eq!(keys(late), [revoked.public_key]);
    assert_eq!(good.revoked_at, None);
    assert_eq!(
        world
            .stranger()
            .await
            .account_revocations(account.id, now())
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn the_system_account_lives_in_no_cell_and_there_is_one() {
    let world = World::new().await;
    let new = || NewSystemAccount {
        id: fresh(),
        organization_id: world.ours,
        name: name(&format!("system-{}", account_key().as_str()[50..].to_lowercase())),
        public_key: account_key(),
        signing_public_key: account_key(),
        seeds: seeds(),
        created_at: now(),
    };
    let mut tx = world.system().await;
    tx.bootstrap_lock().await.unwrap();
    let first = new();
    tx.system_account_insert(&first).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.tenant().await;
    let read = tx.account_get(&first.id.into()).await.unwrap().unwrap();
    assert_eq!(
        (read.cell, read.limits),
        (None, AccountLimits::new(-1, -1, -1).unwrap())
    );
    let published = tx
        .account_document_publish(first.id, &new_document(1, false))
        .await;
    assert!(matches!(published, Err(PublishError::NotNext)));
    assert!(world.system().await.system_account_insert(&new()).await.is_err());
}

#[tokio::test]
async fn the_audit_log_says_who_did_what_in_which_organization() {
    let world = World::new().await;
    let event = NewAuditEvent {
        id: fresh(),
        action: tollway_authz::Action::AccountDelete,
        target: "acc_1".into(),
        detail: serde_json::json!({ "name": "orders" }),
        request_id: "request-1".into(),
        at: now(),
    };
    let mut tx = world.datastore.begin(&scope(world.ours)).await.unwrap();
    tx.audit_append(&event).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.system().await;
    tx.audit_append(None, &NewAuditEvent { id: fresh(), ..event })
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let mut superuser = world.database.superuser().await;
    let rows: Vec<(Option<uuid::Uuid>, String, String, String)> = sqlx::query_as(
        "SELECT organization_id, actor, action, detail ->> 'name' FROM audit_event ORDER BY id",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    let (actor, action, detail) = (
        "system:test".to_owned(),
        "account.delete".to_owned(),
        "orders".to_owned(),
    );
    assert_eq!(
        rows[0],
        (
            Some(world.ours.uuid()),
            actor.clone(),
            action.clone(),
            detail.clone()
        )
    );
    assert_eq!(rows[1], (None, actor, action, detail));
}
