//! What is cleared away, and what has to stay.

use tollway_datastore::{Acknowledgement, CleanedUp, NewEnrolmentToken, REVISION_MARK_KEEP};
use tollway_model::Cursor;

use crate::fixture::{World, hash, new_epoch, now, publish, seconds};

async fn acknowledge(world: &World, revision: u64) {
    let acknowledgement = Acknowledgement {
        cursor: Cursor {
            revision,
            ..world.cell.cursor
        },
        mark: world.mark(revision).await,
        refused: vec![],
        snapshot: false,
    };
    let mut tx = world.system().await;
    tx.cell_acknowledge(world.cell.id, &acknowledgement, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn clean_up(world: &World, after: std::time::Duration) -> CleanedUp {
    let mut tx = world.system().await;
    // The clock of the rows is the database's, and this machine's is the same.
    let cleaned = tx
        .clean_up(time::OffsetDateTime::now_utc() + after)
        .await
        .unwrap()
        .expect("nobody else cleans up here");
    tx.commit().await.unwrap();
    cleaned
}

#[tokio::test]
async fn a_tombstone_goes_with_the_marks_before_it_and_not_while_a_node_may_need_it() {
    let world = World::new().await;
    let (gone, stays) = (world.account("gone").await, world.account("stays").await);
    let mut tx = world.tenant().await;
    publish(&mut tx, gone.id, 2, true).await;
    tx.commit().await.unwrap();
    let late = REVISION_MARK_KEEP + std::time::Duration::from_secs(60);
    let tombstones = async || {
        let mut tx = world.system().await;
        let delta = tx.cell_delta(world.cell.id, 0, 10).await.unwrap();
        delta.iter().filter(|document| document.removed).count()
    };

    // Nobody acknowledged anything.
    assert!(clean_up(&world, late).await.is_nothing());
    acknowledge(&world, 2).await;
    let cleaned = clean_up(&world, late).await;
    assert_eq!((cleaned.revision_marks, cleaned.tombstones), (2, 0));
    assert_eq!(
        tombstones().await,
        1,
        "revision 2 does not know of the removal yet"
    );

    acknowledge(&world, 3).await;
    assert!(
        clean_up(&world, std::time::Duration::ZERO).await.is_nothing(),
        "an open stream may still say the mark"
    );
    let cleaned = clean_up(&world, late).await;
    assert_eq!((cleaned.revision_marks, cleaned.tombstones), (1, 1));
    assert_eq!(tombstones().await, 0);
    let mut tx = world.system().await;
    assert_eq!(
        tx.cell_mark(world.cell.id, 2).await.unwrap(),
        None,
        "a node at revision 2 gets no delta"
    );
    assert!(tx.cell_mark(world.cell.id, 3).await.unwrap().is_some());
    let left = tx.cell_snapshot(world.cell.id, None, 10).await.unwrap();
    assert_eq!(left[0].account, stays.public_key);
    drop(tx);
    assert!(clean_up(&world, late).await.is_nothing());
}

#[tokio::test]
async fn marks_of_an_epoch_that_was_not_acknowledged_stay() {
    let world = World::new().await;
    world.account("a").await;
    acknowledge(&world, 1).await;
    let mut tx = world.system().await;
    let epoch = world.cell.cursor.epoch;
    tx.cell_epoch_advance(world.cell.id, epoch, &new_epoch(epoch + 1))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(clean_up(&world, 2 * REVISION_MARK_KEEP).await.is_nothing());
}

#[tokio::test]
async fn what_has_ended_goes_and_one_control_plane_at_a_time_does_it() {
    let world = World::new().await;
    let mut tx = world.system().await;
    let token = |expires_at| NewEnrolmentToken {
        secret_hash: hash(),
        cell_id: world.cell.id,
        created_at: now(),
        expires_at,
    };
    for end in [now() + seconds(60), now() + seconds(900)] {
        tx.enrolment_token_insert(&token(end)).await.unwrap();
    }
    tx.commit().await.unwrap();

    let mut first = world.system().await;
    let cleaned = first.clean_up(now() + seconds(60)).await.unwrap().unwrap();
    assert_eq!(cleaned.enrolment_tokens, 1);
    let mut second = world.system().await;
    assert_eq!(second.clean_up(now() + seconds(60)).await.unwrap(), None);
    drop(second);
    first.commit().await.unwrap();
    let mut third = world.system().await;
    assert!(
        third
            .clean_up(now() + seconds(60))
            .await
            .unwrap()
            .unwrap()
            .is_nothing()
    );
}
