//! The first start: several control planes may begin together, and one makes the rows.

use tollway_datastore::{CertificateAuthorityRecord, OperatorRecord};

use crate::fixture::{World, fresh, now, operator_key, platform};

fn operator() -> OperatorRecord {
    OperatorRecord {
        id: fresh(),
        name: "demo".into(),
        public_key: operator_key(),
        signing_public_key: operator_key(),
        identity_seed: b"sealed identity".to_vec(),
        signing_seed: b"sealed signing".to_vec(),
        jwt: "operator jwt".into(),
        created_at: now(),
    }
}

#[tokio::test]
async fn the_operator_and_the_authority_are_read_back_and_cannot_be_made_twice() {
    let world = World::new().await;
    let operator = operator();
    let authority = CertificateAuthorityRecord {
        id: fresh(),
        certificate: vec![1, 2, 3],
        private_key: vec![4, 5, 6],
        created_at: now(),
    };
    let mut tx = world.system().await;
    assert_eq!(tx.operator_get().await.unwrap(), None);
    assert_eq!(tx.certificate_authority_get().await.unwrap(), None);
    tx.operator_insert(&operator).await.unwrap();
    tx.certificate_authority_insert(&authority).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = world.system().await;
    assert_eq!(tx.operator_get().await.unwrap(), Some(operator));
    assert_eq!(
        tx.certificate_authority_get().await.unwrap(),
        Some(authority.clone())
    );
    assert!(tx.operator_insert(&self::operator()).await.is_err());
    let another = CertificateAuthorityRecord {
        id: fresh(),
        ..authority
    };
    assert!(
        world
            .system()
            .await
            .certificate_authority_insert(&another)
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_first_starts_one_makes_the_operator() {
    let world = World::new().await;
    let starts: Vec<_> = (0..6)
        .map(|_| {
            let (datastore, operator) = (world.datastore.clone(), operator());
            tokio::spawn(async move {
                let mut tx = datastore.begin_system(&platform()).await.unwrap();
                tx.bootstrap_lock().await.unwrap();
                let made = tx.operator_get().await.unwrap().is_none();
                if made {
                    tx.operator_insert(&operator).await.unwrap();
                }
                tx.commit().await.unwrap();
                made
            })
        })
        .collect();
    let mut made = 0;
    for start in starts {
        made += usize::from(start.await.unwrap());
    }
    assert_eq!(made, 1);
}
