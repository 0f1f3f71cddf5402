//! What cells should hold, and what their nodes acknowledge.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tollway_datastore::{
    Acknowledged, Acknowledgement, CellDeleteError, CellInsertError, CellPlaceError, NewEnrolmentToken,
};
use tollway_model::{Account, CellRef, Cursor, PageRequest, Refusal};

use crate::fixture::{
    World, account_key, hash, name, new_account, new_cell, new_epoch, now, platform, publish, scope, seconds,
};

#[tokio::test]
async fn a_cell_is_found_by_id_and_by_name_and_its_name_is_unique() {
    let world = World::new().await;
    let mut tx = world.system().await;
    for reference in [CellRef::Id(world.cell.id), CellRef::Name(name("cell-1"))] {
        assert_eq!(tx.cell_get(&reference).await.unwrap().as_ref(), Some(&world.cell));
    }
    let error = tx.cell_insert(&new_cell("cell-1")).await.unwrap_err();
    assert!(matches!(error, CellInsertError::NameTaken { .. }));
    assert!(world.cell.cursor.epoch > 0);
    assert_eq!((world.cell.cursor.revision, world.cell.applied), (0, None));
}

#[tokio::test]
async fn cells_are_listed_with_their_accounts_nodes_and_refusals() {
    let world = World::new().await;
    let second = world.second_cell().await;
    let account = world.account("orders").await;
    world.account_in(world.theirs, world.cell.id, "orders").await;
    let node = world.node(second.id).await;
    let refusal = Refusal {
        account: account.public_key,
        code: "malformed".into(),
        reason: "why".into(),
    };
    let cursor = Cursor {
        epoch: world.cell.cursor.epoch,
        revision: 2,
    };
    let mut tx = world.system().await;
    let acknowledgement = Acknowledgement {
        cursor,
        mark: world.mark(2).await,
        refused: vec![refusal.clone()],
        snapshot: true,
    };
    tx.cell_acknowledge(world.cell.id, &acknowledgement, now())
        .await
        .unwrap();

    let page = tx.cell_list(&PageRequest::new(1, "").unwrap()).await.unwrap();
    assert_eq!(
        (page.items[0].accounts, &page.items[0].refused),
        (2, &vec![refusal])
    );
    assert_eq!(
        (page.items[0].cell.applied, page.items[0].cell.applied_revision()),
        (Some(cursor), 2)
    );
    let rest = tx
        .cell_list(&PageRequest::following(page.next_cursor.unwrap()))
        .await
        .unwrap();
    assert_eq!((rest.items[0].accounts, &rest.items[0].nodes), (0, &vec![node]));
    let summary = tx.cell_summary(&second.id.into()).await.unwrap().unwrap();
    assert_eq!(summary, rest.items[0]);
}

#[tokio::test]
async fn a_deleted_cell_lets_nobody_in_and_leaves_its_name_and_the_ledger() {
    let world = World::new().await;
    let account = world.account("orders").await;
    let node = world.node(world.cell.id).await;
    let certificate = hash();
    let mut tx = world.system().await;
    tx.node_certificate_replace(node.id, &certificate).await.unwrap();
    tx.commit().await.unwrap();
    world.attach(&node).await;
    let secret = enrolment_token(&world).await;
    let reference = CellRef::Name(name("cell-1"));

    let refused = world
        .system()
        .await
        .cell_delete(&reference, now())
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the cell cell-1 is in use by 1 account: orders of ours"
    );
    // The refusal changed nothing: its token is good yet.
    let mut tx = world.tenant().await;
    let deleted = account.stage.delete(now()).unwrap();
    tx.account_stage_set(account.id, &deleted).await.unwrap();
    publish(&mut tx, account.id, 2, true).await;
    tx.commit().await.unwrap();

    let mut tx = world.system().await;
    let gone = tx.cell_delete(&reference, now()).await.unwrap();
    assert_eq!((gone.id, gone.nodes), (world.cell.id, vec![node.id]));
    tx.commit().await.unwrap();
    let mut tx = world.system().await;
    assert_eq!(tx.cell_get(&reference).await.unwrap(), None);
    assert_eq!(tx.cell_count().await.unwrap(), 0);
    assert_eq!(tx.cell_list(&PageRequest::first()).await.unwrap().items, []);
    assert_eq!(tx.node_authenticate(node.id, &certificate).await.unwrap(), None);
    assert!(tx.enrolment_token_consume(&secret, now()).await.is_err());
    let again = tx.cell_delete(&reference, now()).await.unwrap_err();
    assert!(matches!(again, CellDeleteError::NotFound));
    drop(tx);
    let place = world.tenant().await.cell_place(Some(&name("cell-1"))).await;
    assert!(matches!(place, Err(CellPlaceError::NoSuchCell { .. })));

    let second = world.cell_named("cell-1").await;
    assert_ne!(second.id, world.cell.id);
}

#[tokio::test]
async fn a_cell_is_not_deleted_under_an_account_that_is_being_placed() {
    let world = World::new().await;
    let mut placing = world.tenant().await;
    let cell = placing.cell_place(Some(&name("cell-1"))).await.unwrap();
    let deleting = tokio::spawn({
        let datastore = world.datastore.clone();
        async move {
            let mut tx = datastore.begin_system(&platform()).await.unwrap();
            tx.cell_delete(&CellRef::Name(name("cell-1")), now()).await
        }
    });
    let mut superuser = world.database.superuser().await;
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waits)
        .fetch_one(&mut superuser)
        .await
        .unwrap()
    {
        tokio::task::yield_now().await;
    }
    placing
        .account_insert(&new_account(cell.id, "orders"))
        .await
        .unwrap();
    placing.commit().await.unwrap();
    let outcome = deleting.await.unwrap();
    assert!(
        matches!(outcome, Err(CellDeleteError::HasAccounts { count: 1, .. })),
        "{outcome:?}"
    );
}

async fn enrolment_token(world: &World) -> [u8; 32] {
    let secret_hash = hash();
    let token = NewEnrolmentToken {
        secret_hash,
        cell_id: world.cell.id,
        created_at: now(),
        expires_at: now() + seconds(60),
    };
    let mut tx = world.system().await;
    tx.enrolment_token_insert(&token).await.unwrap();
    tx.commit().await.unwrap();
    secret_hash
}

#[tokio::test]
async fn a_delta_holds_the_newest_of_each_account_in_the_order_of_revisions() {
    let world = World::new().await;
    let (a, b) = (world.account("a").await, world.account("b").await);
    let mut tx = world.tenant().await;
    publish(&mut tx, a.id, 2, false).await;
    publish(&mut tx, b.id, 2, true).await;
    tx.commit().await.unwrap();

    let mut tx = world.datastore.begin_system_snapshot(&platform()).await.unwrap();
    let delta = tx.cell_delta(world.cell.id, 0, 10).await.unwrap();
    let seen: Vec<_> = delta
        .iter()
        .map(|document| (document.revision, &document.account))
        .collect();
    assert_eq!(seen, [(3, &a.public_key), (4, &b.public_key)]);
    assert_eq!((delta[0].removed, delta[1].removed), (false, true));
    assert_eq!(delta[0].account_jwt, "account jwt 2");
    assert_eq!(tx.cell_delta(world.cell.id, 3, 10).await.unwrap(), delta[1..]);
    assert_eq!(tx.cell_delta(world.cell.id, 0, 1).await.unwrap(), delta[..1]);
    assert_eq!(tx.cell_delta(world.cell.id, u64::MAX, 10).await.unwrap(), []);
    let other = world.second_cell().await;
    assert_eq!(tx.cell_delta(other.id, 0, 10).await.unwrap(), []);

    let snapshot = tx.cell_snapshot(world.cell.id, None, 10).await.unwrap();
    assert_eq!(snapshot, delta[..1]);
}

#[tokio::test]
async fn the_parts_of_a_snapshot_are_of_one_moment() {
    let world = World::new().await;
    let mut keys = Vec::new();
    for number in 0..5 {
        keys.push(world.account(&format!("account-{number}")).await.public_key);
    }
    keys.sort();
    let mut tx = world.datastore.begin_system_snapshot(&platform()).await.unwrap();
    let cursor = tx.cell_cursor(world.cell.id).await.unwrap().unwrap();
    let mut read = tx.cell_snapshot(world.cell.id, None, 2).await.unwrap();
    // What is created meanwhile belongs to the next delta, wherever its key stands in the order.
    world.account("late").await;
    loop {
        let last = read.last().unwrap().account.clone();
        let part = tx.cell_snapshot(world.cell.id, Some(&last), 2).await.unwrap();
        let more = part.len() == 2;
        read.extend(part);
        if !more {
            break;
        }
    }
    let accounts: Vec<_> = read.iter().map(|document| document.account.clone()).collect();
    assert_eq!(accounts, keys);
    assert_eq!(tx.cell_cursor(world.cell.id).await.unwrap(), Some(cursor));
    let later = world
        .system()
        .await
        .cell_delta(world.cell.id, cursor.revision, 10)
        .await
        .unwrap();
    assert_eq!(later.len(), 1);
}

/// The cell's row lock makes the order of commits the order of revisions. A reader that follows the
/// cursor while many publish must therefore end up with every account's last document.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_follows_the_cursor_misses_nothing_of_concurrent_publishers() {
    const PUBLISHERS: usize = 6;
    const VERSIONS: u64 = 25;
    let world = World::new().await;
    let mut accounts = Vec::new();
    for number in 0..PUBLISHERS {
        let organization = if number % 2 == 0 { world.ours } else { world.theirs };
        accounts.push((
            organization,
            world
                .account_in(organization, world.cell.id, &format!("a{number}"))
                .await,
        ));
    }
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (datastore, cell, done) = (world.datastore.clone(), world.cell.id, Arc::clone(&done));
        tokio::spawn(async move {
            let mut held = BTreeMap::new();
            let mut revision = 0;
            loop {
                let last_round = done.load(Ordering::SeqCst);
                let mut tx = datastore.begin_system_snapshot(&platform()).await.unwrap();
                let cursor = tx.cell_cursor(cell).await.unwrap().unwrap();
                let delta = tx.cell_delta(cell, revision, 1_000).await.unwrap();
                assert!(delta.windows(2).all(|pair| pair[0].revision < pair[1].revision));
                assert!(delta.iter().all(|document| document.revision <= cursor.revision));
                held.extend(
                    delta
                        .into_iter()
                        .map(|document| (document.account, document.account_jwt)),
                );
                revision = cursor.revision;
                if last_round {
                    return (held, revision);
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let publishers: Vec<_> = accounts
        .iter()
        .map(|(organization, account)| {
            let (datastore, organization, id) = (world.datastore.clone(), *organization, account.id);
            tokio::spawn(async move {
                for version in 2..=VERSIONS {
                    let mut tx = datastore.begin(&scope(organization)).await.unwrap();
                    let locked = tx.account_lock(&id.into()).await.unwrap().unwrap();
                    assert_eq!(locked.version + 1, version);
                    publish(&mut tx, id, version, false).await;
                    // The cell stays locked while others wait; who commits first had the lower revision.
                    tokio::task::yield_now().await;
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let (held, revision) = reader.await.unwrap();
    assert_eq!(revision, PUBLISHERS as u64 * VERSIONS);
    for (_, account) in accounts {
        assert_eq!(held[&account.public_key], format!("account jwt {VERSIONS}"));
    }
}

#[tokio::test]
async fn acknowledgements_only_grow_and_are_about_this_history() {
    let world = World::new().await;
    world.account("a").await;
    world.account("b").await;
    let epoch = world.cell.cursor.epoch;
    let acknowledge = async |epoch, revision| {
        let mut tx = world.system().await;
        let acknowledgement = Acknowledgement {
            cursor: Cursor { epoch, revision },
            mark: world.mark(revision).await,
            refused: vec![],
            snapshot: false,
        };
        let outcome = tx
            .cell_acknowledge(world.cell.id, &acknowledgement, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        outcome
    };
    let applied = async || {
        world
            .system()
            .await
            .cell_get(&world.cell.id.into())
            .await
            .unwrap()
            .unwrap()
            .applied
    };
    assert_eq!(acknowledge(epoch, 3).await, Acknowledged::Foreign);
    assert_eq!(acknowledge(epoch + 1, 1).await, Acknowledged::Foreign);
    assert_eq!(applied().await, None);
    assert_eq!(acknowledge(epoch, 2).await, Acknowledged::Noted);
    assert_eq!(acknowledge(epoch, 1).await, Acknowledged::Outdated);
    assert_eq!(acknowledge(epoch, 2).await, Acknowledged::Noted);
    assert_eq!(applied().await, Some(Cursor { epoch, revision: 2 }));

    // After a restore: the node's old cursor counts no more, and a lower revision of the new epoch does.
    let mut tx = world.system().await;
    let renewed = tx
        .cell_epoch_advance(world.cell.id, epoch, &new_epoch(epoch + 1_000))
        .await
        .unwrap()
        .unwrap();
    tx.commit().await.unwrap();
    assert!(renewed.epoch > epoch && renewed.revision == 2);
    let cell = world
        .system()
        .await
        .cell_get(&world.cell.id.into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(cell.applied_revision(), 0);
    assert_eq!(cell.epoch_statement, new_epoch(renewed.epoch).statement);
    assert_eq!(acknowledge(epoch, 2).await, Acknowledged::Foreign);
    assert_eq!(acknowledge(renewed.epoch, 1).await, Acknowledged::Noted);
    assert_eq!(
        applied().await,
        Some(Cursor {
            epoch: renewed.epoch,
            revision: 1
        })
    );
}

#[tokio::test]
async fn an_epoch_only_grows_and_begins_once() {
    let world = World::new().await;
    let epoch = world.cell.cursor.epoch;
    assert_eq!(world.cell.epoch_statement, new_epoch(epoch).statement);
    let mut tx = world.system().await;
    for not_greater in [epoch - 1, epoch] {
        let begun = tx
            .cell_epoch_advance(world.cell.id, epoch, &new_epoch(not_greater))
            .await
            .unwrap();
        assert_eq!(begun, None);
    }
    let renewed = tx
        .cell_epoch_advance(world.cell.id, epoch, &new_epoch(epoch + 1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(renewed.epoch, epoch + 1);
    let again = tx
        .cell_epoch_advance(world.cell.id, epoch, &new_epoch(epoch + 2))
        .await
        .unwrap();
    assert_eq!(again, None, "of two that saw the same, one begins it");
}

#[tokio::test]
async fn what_was_published_is_listed_beside_what_the_account_says() {
    let world = World::new().await;
    let (a, b) = (world.account("a").await, world.account("b").await);
    world.account_in(world.theirs, world.cell.id, "c").await;
    let mut superuser = world.database.superuser().await;
    sqlx::query("UPDATE account SET suspended_at = now(), suspended_reason = 'x', suspended_by = 'platform' WHERE id = $1")
        .bind(b.id.uuid())
        .execute(&mut superuser)
        .await
        .unwrap();
    let mut tx = world.system().await;
    let all = tx.cell_publications(world.cell.id, None, 10).await.unwrap();
    let of = |account: &Account| {
        let found = all.iter().find(|one| one.account == account.public_key).unwrap();
        (found.version, found.suspended)
    };
    assert_eq!(all.len(), 3);
    assert!(all.is_sorted_by_key(|one| one.account.as_str()));
    assert_eq!((of(&a), of(&b)), ((1, false), (1, true)));
    let rest = tx
        .cell_publications(world.cell.id, Some(&all[0].account), 1)
        .await
        .unwrap();
    assert_eq!(rest, all[1..2]);
}

#[tokio::test]
async fn a_refusal_stays_until_a_newer_document_or_a_snapshot_was_taken() {
    let world = World::new().await;
    let (a, b) = (world.account("a").await, world.account("b").await);
    let epoch = world.cell.cursor.epoch;
    let refusal = |account: &tollway_model::Account| Refusal {
        account: account.public_key.clone(),
        code: "malformed".into(),
        reason: "bad\0 limits".into(),
    };
    let acknowledge = async |revision, refused: Vec<Refusal>, snapshot| {
        let mut tx = world.system().await;
        let acknowledgement = Acknowledgement {
            cursor: Cursor { epoch, revision },
            mark: world.mark(revision).await,
            refused,
            snapshot,
        };
        tx.cell_acknowledge(world.cell.id, &acknowledgement, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    let refused = async || {
        let summary = world
            .system()
            .await
            .cell_summary(&world.cell.id.into())
            .await
            .unwrap()
            .unwrap();
        summary
            .refused
            .into_iter()
            .map(|refusal| refusal.account)
            .collect::<Vec<_>>()
    };
    let unknown = Refusal {
        account: account_key(),
        code: "x".into(),
        reason: "invented".into(),
    };
    acknowledge(2, vec![refusal(&a), refusal(&b), refusal(&b), unknown], false).await;
    assert_eq!(refused().await, [a.public_key.clone(), b.public_key.clone()]);

    // Only b has a newer document; a is not mentioned and still not held.
    let mut tx = world.tenant().await;
    publish(&mut tx, b.id, 2, false).await;
    tx.commit().await.unwrap();
    acknowledge(2, vec![], false).await;
    assert_eq!(
        refused().await.len(),
        2,
        "the newer document was not acknowledged yet"
    );
    acknowledge(3, vec![], false).await;
    assert_eq!(refused().await, std::slice::from_ref(&a.public_key));

    // A snapshot tells everything that is not held.
    acknowledge(3, vec![], true).await;
    assert_eq!(refused().await, []);
}

#[tokio::test]
async fn each_revision_has_a_mark_of_its_own_and_an_acknowledgement_without_it_is_foreign() {
    let world = World::new().await;
    world.account("a").await;
    world.account("b").await;
    let marks = [world.mark(0).await, world.mark(1).await, world.mark(2).await];
    assert_ne!(marks[0], marks[1]);
    assert_ne!(marks[1], marks[2]);
    let mut tx = world.system().await;
    assert_eq!(tx.cell_mark(world.cell.id, 3).await.unwrap(), None);
    let cell = tx.cell_get(&world.cell.id.into()).await.unwrap().unwrap();
    assert_eq!(cell.mark, marks[2]);
    for (mark, expected) in [(marks[1], Acknowledged::Foreign), (marks[2], Acknowledged::Noted)] {
        let acknowledgement = Acknowledgement {
            cursor: cell.cursor,
            mark,
            refused: vec![],
            snapshot: false,
        };
        let outcome = tx
            .cell_acknowledge(world.cell.id, &acknowledgement, now())
            .await
            .unwrap();
        assert_eq!(outcome, expected);
    }
}

#[tokio::test]
async fn an_update_that_was_refused_whole_is_shown_until_one_is_taken() {
    let world = World::new().await;
    world.account("a").await;
    let mut tx = world.system().await;
    for reason in ["first", "second\n"] {
        tx.cell_update_refuse(world.cell.id, "snapshot_empty", reason, now())
            .await
            .unwrap();
    }
    let refused = tx
        .cell_summary(&world.cell.id.into())
        .await
        .unwrap()
        .unwrap()
        .update_refused
        .unwrap();
    assert_eq!(
        (refused.code.as_str(), refused.reason.as_str()),
        ("snapshot_empty", "second")
    );
    let acknowledgement = Acknowledgement {
        cursor: Cursor {
            revision: 1,
            ..world.cell.cursor
        },
        mark: world.mark(1).await,
        refused: vec![],
        snapshot: true,
    };
    tx.cell_acknowledge(world.cell.id, &acknowledgement, now())
        .await
        .unwrap();
    let summary = tx.cell_summary(&world.cell.id.into()).await.unwrap().unwrap();
    assert_eq!(summary.update_refused, None);
}
