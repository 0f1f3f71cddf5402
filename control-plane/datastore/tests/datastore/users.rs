//! Users and what was issued for them.

use tollway_datastore::{IssuanceInsertError, UserInsertError};
use tollway_model::{PageRequest, PermissionLists, Permissions};

use crate::fixture::{World, name, new_issuance, new_user, now, seconds};

#[tokio::test]
async fn a_user_is_read_back_with_its_permissions_and_only_at_home() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let other = world.account("billing").await;
    let permissions = Permissions::new(PermissionLists {
        publish_allow: vec!["orders.>".into()],
        subscribe_allow: vec!["orders.* workers".into()],
        allow_responses: true,
        ..Default::default()
    })
    .unwrap();
    let mut new = new_user(account.id, "worker");
    new.permissions = permissions.clone();
    let mut tx = world.tenant().await;
    let user = tx.user_insert(&new).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = world.tenant().await;
    assert_eq!(
        tx.user_get(account.id, user.id)
            .await
            .unwrap()
            .unwrap()
            .permissions,
        permissions
    );
    assert_eq!(tx.user_get(other.id, user.id).await.unwrap(), None);
    assert_eq!(
        tx.user_list(account.id, &PageRequest::first())
            .await
            .unwrap()
            .items,
        std::slice::from_ref(&user)
    );
    let mut tx = world.stranger().await;
    assert_eq!(tx.user_get(account.id, user.id).await.unwrap(), None);
    assert_eq!(
        tx.user_list(account.id, &PageRequest::first())
            .await
            .unwrap()
            .items,
        []
    );
    assert!(!tx.user_delete(account.id, user.id, now()).await.unwrap());
}

#[tokio::test]
async fn a_name_is_taken_in_its_account_alone_and_free_after_deletion() {
    let world = World::new().await;
    let (account, other) = (world.account("orders").await, world.account("billing").await);
    let user = world.user(account.id, "worker").await;
    world.user(other.id, "worker").await;
    let mut tx = world.tenant().await;
    let error = tx.user_insert(&new_user(account.id, "worker")).await.unwrap_err();
    assert!(matches!(error, UserInsertError::NameTaken { name: taken } if taken == name("worker")));
    assert!(tx.user_delete(account.id, user.id, now()).await.unwrap());
    assert!(!tx.user_delete(account.id, user.id, now()).await.unwrap());
    tx.user_insert(&new_user(account.id, "worker")).await.unwrap();
}

#[tokio::test]
async fn nobody_gets_a_user_in_an_account_of_another_organization() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let error = world
        .stranger()
        .await
        .user_insert(&new_user(account.id, "spy"))
        .await
        .unwrap_err();
    assert!(matches!(error, UserInsertError::AccountNotFound));
}

#[tokio::test]
async fn issuances_are_listed_in_order_and_revoked_once() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let user = world.user(account.id, "worker").await;
    let first = world.issuance(&user, None).await;
    let second = world.issuance(&user, Some(now() + seconds(60))).await;
    let mut tx = world.tenant().await;
    let listed = tx
        .issuance_list(account.id, user.id, &PageRequest::first())
        .await
        .unwrap();
    assert_eq!(listed.items, [first.clone(), second.clone()]);

    let at = now() + seconds(1);
    let revoked = tx
        .issuance_revoke(account.id, user.id, first.id, at)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(revoked.revoked_at, Some(at));
    let again = tx
        .issuance_revoke(account.id, user.id, first.id, at + seconds(9))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.revoked_at, Some(at));
    assert_eq!(tx.issuance_revoke_all(account.id, user.id, at).await.unwrap(), 1);
    tx.commit().await.unwrap();

    let mut tx = world.stranger().await;
    assert_eq!(
        tx.issuance_revoke(account.id, user.id, second.id, at)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        tx.issuance_list(account.id, user.id, &PageRequest::first())
            .await
            .unwrap()
            .items,
        []
    );
    assert_eq!(tx.issuance_revoke_all(account.id, user.id, at).await.unwrap(), 0);
}

#[tokio::test]
async fn nothing_is_issued_for_a_user_or_an_account_that_was_deleted() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let (user, gone) = (
        world.user(account.id, "worker").await,
        world.user(account.id, "gone").await,
    );
    let mut tx = world.tenant().await;
    tx.user_delete(account.id, gone.id, now()).await.unwrap();
    let error = tx.issuance_insert(&new_issuance(&gone, None)).await.unwrap_err();
    assert!(matches!(error, IssuanceInsertError::UserNotFound));
    tx.account_stage_set(account.id, &account.stage.delete(now()).unwrap())
        .await
        .unwrap();
    let error = tx.issuance_insert(&new_issuance(&user, None)).await.unwrap_err();
    assert!(matches!(error, IssuanceInsertError::UserNotFound));
    let error = world
        .stranger()
        .await
        .issuance_insert(&new_issuance(&user, None))
        .await
        .unwrap_err();
    assert!(matches!(error, IssuanceInsertError::UserNotFound));
}
