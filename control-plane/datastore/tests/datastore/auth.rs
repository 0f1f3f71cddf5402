//! Finding out who somebody is.

use time::OffsetDateTime;
use tollway_authz::Actor;
use tollway_datastore::{ApiTokenInsertError, NewApiToken, NewSession, NewSignInLink, SessionEntry};
use tollway_model::{ApiToken, OrganizationId, PageRequest, Role, SignInLinkId};

use crate::fixture::{World, fresh, hash, now, seconds};

fn new_token(role: Role, secret_hash: [u8; 32], expires_at: Option<OffsetDateTime>) -> NewApiToken {
    NewApiToken {
        id: fresh(),
        role,
        name: "ci".parse().unwrap(),
        secret_hash,
        created_at: now(),
        expires_at,
    }
}

async fn token(world: &World, secret_hash: [u8; 32], expires_at: Option<OffsetDateTime>) -> ApiToken {
    let mut tx = world.tenant().await;
    let token = tx
        .api_token_insert(&new_token(Role::Developer, secret_hash, expires_at))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    token
}

async fn link(world: &World, role: Role, organization_id: Option<OrganizationId>) -> [u8; 32] {
    let secret_hash = hash();
    let mut tx = world.system().await;
    let new = NewSignInLink {
        id: fresh(),
        secret_hash,
        role,
        organization_id,
        created_at: now(),
        expires_at: now() + seconds(600),
    };
    tx.sign_in_link_insert(&new).await.unwrap();
    tx.commit().await.unwrap();
    secret_hash
}

fn new_session(secret_hash: [u8; 32]) -> NewSession {
    NewSession {
        id: fresh(),
        secret_hash,
        created_at: now(),
        expires_at: now() + seconds(12 * 3600),
        user_agent: "Browser\r\n\0".into(),
        entry: entry(),
    }
}

fn entry() -> SessionEntry {
    SessionEntry {
        id: fresh(),
        request_id: "request-1".into(),
    }
}

#[tokio::test]
async fn a_token_says_who_holds_it_until_it_ends_or_is_deleted() {
    let world = World::new().await;
    let (secret, ending) = (hash(), hash());
    let kept = token(&world, secret, None).await;
    token(&world, ending, Some(now() + seconds(60))).await;

    let mut auth = world.datastore.begin_auth().await.unwrap();
    let principal = auth.api_token_lookup(&secret, now()).await.unwrap().unwrap();
    assert_eq!(
        (principal.role(), principal.organization()),
        (Role::Developer, Some(world.ours))
    );
    assert_eq!(principal.actor(), Actor::ApiToken(kept.id));
    assert!(
        auth.api_token_lookup(&ending, now() + seconds(59))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        auth.api_token_lookup(&ending, now() + seconds(60)).await.unwrap(),
        None
    );
    assert_eq!(auth.api_token_lookup(&hash(), now()).await.unwrap(), None);
    auth.commit().await.unwrap();

    assert!(!world.stranger().await.api_token_delete(kept.id).await.unwrap());
    let mut tx = world.tenant().await;
    assert!(tx.api_token_delete(kept.id).await.unwrap());
    tx.commit().await.unwrap();
    let mut auth = world.datastore.begin_auth().await.unwrap();
    assert_eq!(auth.api_token_lookup(&secret, now()).await.unwrap(), None);
}

#[tokio::test]
async fn the_use_of_a_token_is_noted_once_a_minute() {
    let world = World::new().await;
    let secret = hash();
    token(&world, secret, None).await;
    for (after, noted) in [(0, 0), (59, 0), (60, 60), (61, 60)] {
        let mut auth = world.datastore.begin_auth().await.unwrap();
        auth.api_token_lookup(&secret, now() + seconds(after))
            .await
            .unwrap()
            .unwrap();
        auth.commit().await.unwrap();
        let mut tx = world.tenant().await;
        let listed = tx.api_token_list(&PageRequest::first()).await.unwrap();
        assert_eq!(
            listed.items[0].last_used_at,
            Some(now() + seconds(noted)),
            "{after}"
        );
    }
}

#[tokio::test]
async fn tokens_are_listed_at_home_and_the_platform_has_its_own() {
    let world = World::new().await;
    let ours = token(&world, hash(), None).await;
    let admin = hash();
    let mut tx = world.system().await;
    assert!(!tx.platform_api_token_exists().await.unwrap());
    tx.platform_api_token_insert(&new_token(Role::PlatformAdmin, admin, None))
        .await
        .unwrap();
    assert!(tx.platform_api_token_exists().await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(
        world
            .tenant()
            .await
            .api_token_list(&PageRequest::first())
            .await
            .unwrap()
            .items,
        [ours]
    );
    assert_eq!(
        world
            .stranger()
            .await
            .api_token_list(&PageRequest::first())
            .await
            .unwrap()
            .items,
        []
    );
    let mut auth = world.datastore.begin_auth().await.unwrap();
    let principal = auth.api_token_lookup(&admin, now()).await.unwrap().unwrap();
    assert_eq!(
        (principal.role(), principal.organization()),
        (Role::PlatformAdmin, None)
    );
}

#[tokio::test]
async fn a_token_cannot_have_a_role_of_the_other_kind() {
    let world = World::new().await;
    assert!(
        world
            .tenant()
            .await
            .api_token_insert(&new_token(Role::PlatformAdmin, hash(), None))
            .await
            .is_err()
    );
    assert!(
        world
            .system()
            .await
            .platform_api_token_insert(&new_token(Role::Owner, hash(), None))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let world = World::new().await;
    let link = link(&world, Role::Owner, Some(world.ours)).await;
    let cookie = hash();
    let mut auth = world.datastore.begin_auth().await.unwrap();
    let open = auth.sign_in(&link, &new_session(cookie)).await.unwrap().unwrap();
    assert_eq!(
        (open.principal.role(), open.principal.organization()),
        (Role::Owner, Some(world.ours))
    );
    assert_eq!(auth.sign_in(&link, &new_session(hash())).await.unwrap(), None);
    assert_eq!(auth.sign_in(&hash(), &new_session(hash())).await.unwrap(), None);
    auth.commit().await.unwrap();
    let mut auth = world.datastore.begin_auth().await.unwrap();
    let found = auth
        .session_lookup(&cookie, now(), seconds(3600))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found, open);
    assert_eq!(found.principal.actor(), Actor::Session(open.session.id));
}

#[tokio::test]
async fn the_audit_log_says_with_which_link_a_session_began_and_when_it_was_signed_out() {
    let world = World::new().await;
    for organization in [Some(world.ours), None] {
        let role = organization.map_or(Role::PlatformAdmin, |_| Role::Owner);
        let (link, cookie) = (link(&world, role, organization).await, hash());
        let mut auth = world.datastore.begin_auth().await.unwrap();
        let new = new_session(cookie);
        let session = auth.sign_in(&link, &new).await.unwrap().unwrap().session.id;
        assert_eq!(auth.sign_in(&link, &new_session(hash())).await.unwrap(), None);
        let end = entry();
        auth.session_delete(&cookie, now() + seconds(9), &end)
            .await
            .unwrap();
        auth.session_delete(&cookie, now() + seconds(9), &entry())
            .await
            .unwrap();
        auth.commit().await.unwrap();

        let mut superuser = world.database.superuser().await;
        let link: uuid::Uuid = sqlx::query_scalar("SELECT id FROM sign_in_link WHERE secret_hash = $1")
            .bind(&link[..])
            .fetch_one(&mut superuser)
            .await
            .unwrap();
        type Row = (
            uuid::Uuid,
            Option<uuid::Uuid>,
            String,
            String,
            Option<String>,
            String,
            OffsetDateTime,
        );
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, organization_id, action, target, detail ->> 'link', request_id, at
             FROM audit_event
             WHERE actor = $1
             ORDER BY at",
        )
        .bind(session.to_string())
        .fetch_all(&mut superuser)
        .await
        .unwrap();
        let row = |id: tollway_model::AuditEventId, action: &str, link: Option<String>, at| {
            let home = organization.map(OrganizationId::uuid);
            let request = "request-1".to_owned();
            (
                id.uuid(),
                home,
                action.to_owned(),
                session.to_string(),
                link,
                request,
                at,
            )
        };
        let link = Some(SignInLinkId::from_uuid(link).to_string());
        assert_eq!(
            rows,
            [
                row(new.entry.id, "session.create", link, now()),
                row(end.id, "session.delete", None, now() + seconds(9)),
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_browsers_with_one_link_one_signs_in() {
    let world = World::new().await;
    let link = link(&world, Role::PlatformAdmin, None).await;
    let tries: Vec<_> = (0..6)
        .map(|_| {
            let datastore = world.datastore.clone();
            tokio::spawn(async move {
                let mut auth = datastore.begin_auth().await.unwrap();
                let open = auth.sign_in(&link, &new_session(hash())).await.unwrap();
                auth.commit().await.unwrap();
                open.is_some()
            })
        })
        .collect();
    let mut signed_in = 0;
    for one in tries {
        signed_in += usize::from(one.await.unwrap());
    }
    assert_eq!(signed_in, 1);
}

#[tokio::test]
async fn a_link_that_has_ended_signs_nobody_in() {
    let world = World::new().await;
    let link = link(&world, Role::Viewer, Some(world.ours)).await;
    let mut late = new_session(hash());
    late.created_at = now() + seconds(600);
    let mut auth = world.datastore.begin_auth().await.unwrap();
    assert_eq!(auth.sign_in(&link, &late).await.unwrap(), None);
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_old_or_signed_out() {
    let world = World::new().await;
    let link = link(&world, Role::Viewer, Some(world.ours)).await;
    let cookie = hash();
    let mut auth = world.datastore.begin_auth().await.unwrap();
    auth.sign_in(&link, &new_session(cookie)).await.unwrap().unwrap();
    let idle = seconds(3600);
    let found = async |auth: &mut tollway_datastore::AuthTx, after| {
        let session = auth
            .session_lookup(&cookie, now() + seconds(after), idle)
            .await
            .unwrap();
        session.map(|session| session.session.last_seen_at - now())
    };
    assert_eq!(found(&mut auth, 59).await, Some(seconds(0)));
    assert_eq!(found(&mut auth, 3599).await, Some(seconds(3599)));
    assert_eq!(found(&mut auth, 3599 + 3600).await, None, "idle");
    for step in 1..=12 {
        found(&mut auth, step * 3599).await;
    }
    assert_eq!(found(&mut auth, 12 * 3600).await, None, "old");
    assert!(auth.session_delete(&cookie, now(), &entry()).await.unwrap());
    assert!(!auth.session_delete(&cookie, now(), &entry()).await.unwrap());
    assert_eq!(found(&mut auth, 59).await, None, "signed out");
}

#[tokio::test]
async fn signing_in_clears_away_what_ended() {
    let world = World::new().await;
    let (first, second) = (
        link(&world, Role::Viewer, Some(world.ours)).await,
        link(&world, Role::Viewer, Some(world.ours)).await,
    );
    let mut auth = world.datastore.begin_auth().await.unwrap();
    let mut short = new_session(hash());
    short.expires_at = now() + seconds(1);
    auth.sign_in(&first, &short).await.unwrap().unwrap();
    let mut later = new_session(hash());
    later.created_at = now() + seconds(2);
    auth.sign_in(&second, &later).await.unwrap().unwrap();
    auth.commit().await.unwrap();
    let mut superuser = world.database.superuser().await;
    let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM session")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(sessions, 1);
}

#[tokio::test]
async fn nobody_is_let_in_for_an_organization_that_was_deleted_in_the_same_moment() {
    let world = World::new().await;
    let mut tx = world.system().await;
    tx.organization_delete(world.ours, now()).await.unwrap();
    tx.commit().await.unwrap();
    // What was being made while the organization went away.
    let link = link(&world, Role::Owner, Some(world.ours)).await;
    let mut tx = world.tenant().await;
    let made = tx.api_token_insert(&new_token(Role::Owner, hash(), None)).await;
    assert!(
        matches!(made, Err(ApiTokenInsertError::OrganizationGone)),
        "{made:?}"
    );
    let mut auth = world.datastore.begin_auth().await.unwrap();
    assert_eq!(auth.sign_in(&link, &new_session(hash())).await.unwrap(), None);
}
