//! Organizations: names, pages, and what deleting one takes along.

use tollway_datastore::{NewApiToken, NewOrganization, OrganizationDeleteError, OrganizationInsertError};
use tollway_model::{OrganizationId, PageRequest, Role};

use crate::fixture::{World, fresh, hash, name, new_account, now, organization_insert, publish};

fn new_organization(text: &str, is_platform: bool) -> NewOrganization {
    let name = name(text);
    let display_name = (&name).into();
    NewOrganization {
        id: fresh(),
        name,
        display_name,
        is_platform,
        created_at: now(),
    }
}

#[tokio::test]
async fn a_name_is_taken_until_its_organization_is_deleted() {
    let world = World::new().await;
    let mut tx = world.system().await;
    let error = tx
        .organization_insert(&new_organization("ours", false))
        .await
        .unwrap_err();
    assert!(matches!(error, OrganizationInsertError::NameTaken { name } if name.as_str() == "ours"));

    tx.organization_delete(world.ours, now()).await.unwrap();
    assert_eq!(tx.organization_get(world.ours).await.unwrap(), None);
    let again = tx
        .organization_insert(&new_organization("ours", false))
        .await
        .unwrap();
    assert_eq!(
        tx.organization_get_by_name(&name("ours"))
            .await
            .unwrap()
            .unwrap()
            .id,
        again.id
    );
}

#[tokio::test]
async fn pages_hold_every_organization_once_and_the_platform_never() {
    let world = World::new().await;
    let mut tx = world.system().await;
    let platform = tx
        .organization_insert(&new_organization("platform", true))
        .await
        .unwrap();
    for number in 0..3 {
        organization_insert(&mut tx, fresh(), &format!("more-{number}")).await;
    }
    let mut names = Vec::new();
    let mut page = PageRequest::<OrganizationId>::new(2, "").unwrap();
    loop {
        let found = tx.organization_list(&page).await.unwrap();
        assert!(found.items.len() <= 2);
        names.extend(
            found
                .items
                .into_iter()
                .map(|organization| organization.name.to_string()),
        );
        let Some(cursor) = found.next_cursor else { break };
        page = PageRequest::new(2, &cursor.to_string()).unwrap();
    }
    assert_eq!(names, ["ours", "theirs", "more-0", "more-1", "more-2"]);
    assert_eq!(tx.organization_platform_get().await.unwrap(), Some(platform));
}

#[tokio::test]
async fn an_organization_with_accounts_is_not_deleted_and_the_error_names_them() {
    let world = World::new().await;
    let (b, _a) = (world.account("b").await, world.account("a").await);
    let mut tx = world.system().await;
    match tx.organization_delete(world.ours, now()).await.unwrap_err() {
        OrganizationDeleteError::HasAccounts { names } => assert_eq!(names, [name("a"), name("b")]),
        other => panic!("{other}"),
    }
    // Accounts that were deleted are no obstacle, and what they used stays.
    drop(tx);
    let mut tx = world.tenant().await;
    let a = tx.account_list(&PageRequest::first()).await.unwrap().items;
    for account in a {
        let stage = account.stage.delete(now()).unwrap();
        tx.account_stage_set(account.id, &stage).await.unwrap();
        publish(&mut tx, account.id, 2, true).await;
    }
    tx.commit().await.unwrap();
    assert_eq!(b.version, 1);
    let mut tx = world.system().await;
    tx.organization_delete(world.ours, now()).await.unwrap();
}

#[tokio::test]
async fn deleting_an_organization_ends_its_tokens_and_its_data_key() {
    let world = World::new().await;
    let secret = hash();
    let mut tx = world.tenant().await;
    let token = NewApiToken {
        id: fresh(),
        role: Role::Owner,
        name: "ci".parse().unwrap(),
        secret_hash: secret,
        created_at: now(),
        expires_at: None,
    };
    tx.api_token_insert(&token).await.unwrap();
    assert!(tx.data_key_get().await.unwrap().is_some());
    tx.commit().await.unwrap();

    let mut tx = world.system().await;
    tx.organization_delete(world.ours, now()).await.unwrap();
    assert_eq!(tx.data_key_get(world.ours).await.unwrap(), None);
    assert!(tx.data_key_get(world.theirs).await.unwrap().is_some());
    tx.commit().await.unwrap();

    let mut auth = world.datastore.begin_auth().await.unwrap();
    assert_eq!(auth.api_token_lookup(&secret, now()).await.unwrap(), None);
    let mut tx = world.tenant().await;
    assert_eq!(tx.organization_get().await.unwrap(), None);
    assert!(
        tx.account_insert(&new_account(world.cell.id, "late"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn neither_the_platform_nor_an_unknown_organization_can_be_deleted() {
    let world = World::new().await;
    let mut tx = world.system().await;
    let platform = tx
        .organization_insert(&new_organization("platform", true))
        .await
        .unwrap();
    for id in [platform.id, fresh()] {
        let error = tx.organization_delete(id, now()).await.unwrap_err();
        assert!(matches!(error, OrganizationDeleteError::NotFound));
    }
}

#[tokio::test]
async fn an_account_created_while_its_organization_is_deleted_loses_or_wins_but_never_hangs_loose() {
    let world = World::new().await;
    // The account comes first: deleting waits for it, and then finds it.
    let mut creating = world.tenant().await;
    creating
        .account_insert(&new_account(world.cell.id, "first"))
        .await
        .unwrap();
    let datastore = world.datastore.clone();
    let ours = world.ours;
    let deleting = tokio::spawn(async move {
        let mut tx = datastore.begin_system(&crate::fixture::platform()).await.unwrap();
        let deleted = tx.organization_delete(ours, now()).await;
        tx.commit().await.unwrap();
        deleted
    });
    wait_for_a_lock(&world).await;
    creating.commit().await.unwrap();
    let deleted = deleting.await.unwrap();
    assert!(
        matches!(deleted, Err(OrganizationDeleteError::HasAccounts { .. })),
        "{deleted:?}"
    );
}

/// Waits until some transaction of the database waits for another one.
async fn wait_for_a_lock(world: &World) {
    let mut superuser = world.database.superuser().await;
    for _ in 0..500 {
        let waiting: bool = sqlx::query_scalar(
            "SELECT EXISTS (
                 SELECT FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock')",
        )
        .fetch_one(&mut superuser)
        .await
        .unwrap();
        if waiting {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nobody waits for a lock");
}
