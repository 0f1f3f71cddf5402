//! Quotas of organizations: counted where rows are inserted, whoever inserts at the same time.

use tollway_datastore::{
    AccountInsertError, ApiTokenInsertError, NewApiToken, QuotaExceeded, UserInsertError,
};
use tollway_model::{OrganizationQuotas, OrganizationQuotasChange, Quota, Role};

use crate::fixture::{World, fresh, hash, new_account, new_user, now};

fn new_token() -> NewApiToken {
    NewApiToken {
        id: fresh(),
        role: Role::Viewer,
        name: "a token".parse().unwrap(),
        secret_hash: hash(),
        created_at: now(),
        expires_at: None,
    }
}

async fn grant(world: &World, accounts: u32, users: u32, api_tokens: u32) {
    let change = OrganizationQuotasChange {
        accounts: Some(accounts),
        users: Some(users),
        api_tokens: Some(api_tokens),
    };
    let mut tx = world.system().await;
    let changed = tx.organization_quotas_set(world.ours, &change).await.unwrap();
    assert_eq!(changed.unwrap().quotas.users, users);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn organization_has_the_usual_quotas_until_others_are_granted() {
    let world = World::new().await;
    let mut tx = world.tenant().await;
    let quotas = tx.organization_get().await.unwrap().unwrap().quotas;
    assert_eq!(quotas, OrganizationQuotas::default());
    drop(tx);
    let change = OrganizationQuotasChange {
        users: Some(3),
        ..Default::default()
    };
    let mut tx = world.system().await;
    let changed = tx.organization_quotas_set(world.ours, &change).await.unwrap();
    let expected = OrganizationQuotas { users: 3, ..quotas };
    assert_eq!(changed.unwrap().quotas, expected);
    let other = tx.organization_get(world.theirs).await.unwrap().unwrap();
    assert_eq!(other.quotas, OrganizationQuotas::default());
    assert_eq!(tx.organization_quotas_set(fresh(), &change).await.unwrap(), None);
}

#[tokio::test]
async fn one_beyond_a_quota_is_refused_until_room_was_made() {
    let world = World::new().await;
    let account = world.account("first").await;
    let user = world.user(account.id, "first").await;
    grant(&world, 1, 1, 1).await;
    let exceeded = |quota| QuotaExceeded {
        quota,
        used: 1,
        limit: 1,
    };

    let mut tx = world.tenant().await;
    let refused = tx.account_insert(&new_account(world.cell.id, "second")).await;
    assert!(
        matches!(refused, Err(AccountInsertError::QuotaExceeded(why)) if why == exceeded(Quota::Accounts)),
        "{refused:?}"
    );
    let refused = tx.user_insert(&new_user(account.id, "second")).await;
    assert!(
        matches!(refused, Err(UserInsertError::QuotaExceeded(why)) if why == exceeded(Quota::Users)),
        "{refused:?}"
    );
    let token = tx.api_token_insert(&new_token()).await.unwrap();
    let refused = tx.api_token_insert(&new_token()).await;
    assert!(
        matches!(refused, Err(ApiTokenInsertError::QuotaExceeded(why)) if why == exceeded(Quota::ApiTokens)),
        "{refused:?}"
    );

    // What was deleted is not counted.
    assert!(tx.user_delete(account.id, user.id, now()).await.unwrap());
    tx.user_insert(&new_user(account.id, "second")).await.unwrap();
    assert!(tx.api_token_delete(token.id).await.unwrap());
    tx.api_token_insert(&new_token()).await.unwrap();
    drop(tx);
    // And everybody counts alone.
    let mut tx = world.stranger().await;
    tx.account_insert(&new_account(world.cell.id, "theirs"))
        .await
        .unwrap();
}

#[tokio::test]
async fn transactions_at_the_same_time_exceed_no_quota_together() {
    let world = World::new().await;
    grant(&world, 3, 0, 0).await;
    let inserts = (0..8).map(|number| {
        let datastore = world.datastore.clone();
        let (ours, cell) = (world.ours, world.cell.id);
        tokio::spawn(async move {
            let mut tx = datastore.begin(&crate::fixture::scope(ours)).await.unwrap();
            let inserted = tx
                .account_insert(&new_account(cell, &format!("account-{number}")))
                .await;
            tokio::task::yield_now().await;
            tx.commit().await.unwrap();
            inserted.is_ok()
        })
    });
    let mut there = 0;
    for insert in inserts.collect::<Vec<_>>() {
        there += usize::from(insert.await.unwrap());
    }
    assert_eq!(there, 3);
}
