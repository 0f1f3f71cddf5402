//! Two organizations, a cell, and short ways to fill them.

use std::sync::atomic::{AtomicU64, Ordering};

use time::{Duration, OffsetDateTime};
use tollway_authz::{Action, Platform, Principal, Scope, authorize};
use tollway_datastore::testing::{self, TestDatabase};
use tollway_datastore::{
    AccountSeeds, Acknowledged, Acknowledgement, Datastore, Hello, NewAccount, NewCell, NewDocument,
    NewEpoch, NewIssuance, NewNode, NewOrganization, NewUser, SystemTx, TenantTx, WrappedDataKey,
};
use tollway_model::{
    Account, AccountId, AccountKey, AccountLimits, AttachmentId, BootId, Cell, CellId, Cursor, Id, Issuance,
    Mark, Name, Node, NodeId, OperatorKey, OrganizationId, Permissions, User, UserKey,
};

pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) datastore: Datastore,
    pub(crate) cell: Cell,
    /// The organization that things are put into.
    pub(crate) ours: OrganizationId,
    /// The organization that must see nothing of them.
    pub(crate) theirs: OrganizationId,
}

/// A moment that all tests begin at; nothing here looks at the clock.
pub(crate) fn now() -> OffsetDateTime {
    time::macros::datetime!(2026-11-20 10:30 UTC)
}

pub(crate) fn seconds(seconds: i64) -> Duration {
    Duration::seconds(seconds)
}

fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An id that is greater than all before.
pub(crate) fn fresh<I: Id>() -> I {
    I::from_uuid(uuid::Builder::from_unix_timestamp_millis(next_number(), &[7; 10]).into_uuid())
}

pub(crate) fn fresh_boot() -> BootId {
    BootId::from_uuid(uuid::Uuid::from_u128(u128::from(next_number())))
}

/// 56 characters that look like a public key of the kind.
fn key_text(letter: char) -> String {
    let digits: String = format!("{:018o}", next_number())
        .chars()
        .map(|digit| (b'A' + digit as u8 - b'0') as char)
        .collect();
    format!("{letter}{digits:A>55}")
}

pub(crate) fn account_key() -> AccountKey {
    key_text('A').parse().unwrap()
}

pub(crate) fn operator_key() -> OperatorKey {
    key_text('O').parse().unwrap()
}

pub(crate) fn user_key() -> UserKey {
    key_text('U').parse().unwrap()
}

/// A hash that no other call gives.
pub(crate) fn hash() -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&next_number().to_be_bytes());
    hash
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn seeds() -> AccountSeeds {
    AccountSeeds {
        identity: b"sealed identity".to_vec(),
        signing: b"sealed signing".to_vec(),
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let database = testing::database().await;
        let datastore = database.datastore().await;
        let (ours, theirs) = (fresh(), fresh());
        let mut tx = datastore.begin_system(&platform()).await.unwrap();
        for (id, text) in [(ours, "ours"), (theirs, "theirs")] {
            organization_insert(&mut tx, id, text).await;
        }
        let cell = tx.cell_insert(&new_cell("cell-1")).await.unwrap();
        tx.commit().await.unwrap();
        Self {
            database,
            datastore,
            cell,
            ours,
            theirs,
        }
    }

    /// A transaction in our organization.
    pub(crate) async fn tenant(&self) -> TenantTx {
        self.datastore.begin(&scope(self.ours)).await.unwrap()
    }

    /// A transaction in the other organization.
    pub(crate) async fn stranger(&self) -> TenantTx {
        self.datastore.begin(&scope(self.theirs)).await.unwrap()
    }

    pub(crate) async fn system(&self) -> SystemTx {
        self.datastore.begin_system(&platform()).await.unwrap()
    }

    /// What a node says back with a revision of our cell; nothing that is right when there is none.
    pub(crate) async fn mark(&self, revision: u64) -> Mark {
        let mut tx = self.system().await;
        let mark = tx.cell_mark(self.cell.id, revision).await.unwrap();
        mark.unwrap_or(Mark(0))
    }

    pub(crate) async fn second_cell(&self) -> Cell {
        self.cell_named("cell-2").await
    }

    pub(crate) async fn cell_named(&self, text: &str) -> Cell {
        let mut tx = self.system().await;
        let cell = tx.cell_insert(&new_cell(text)).await.unwrap();
        tx.commit().await.unwrap();
        cell
    }

    /// An account of ours with its first document.
    pub(crate) async fn account(&self, text: &str) -> Account {
        self.account_in(self.ours, self.cell.id, text).await
    }

    pub(crate) async fn account_in(&self, organization: OrganizationId, cell: CellId, text: &str) -> Account {
        let mut tx = self.datastore.begin(&scope(organization)).await.unwrap();
        let account = tx.account_insert(&new_account(cell, text)).await.unwrap();
        publish(&mut tx, account.id, 1, false).await;
        let account = tx.account_get(&account.id.into()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        account
    }

    pub(crate) async fn user(&self, account: AccountId, text: &str) -> User {
        let mut tx = self.tenant().await;
        let user = tx.user_insert(&new_user(account, text)).await.unwrap();
        tx.commit().await.unwrap();
        user
    }

    pub(crate) async fn issuance(&self, user: &User, expires_at: Option<OffsetDateTime>) -> Issuance {
        let mut tx = self.tenant().await;
        let issuance = tx.issuance_insert(&new_issuance(user, expires_at)).await.unwrap();
        tx.commit().await.unwrap();
        issuance
    }

    /// A node that serves the cell.
    pub(crate) async fn node(&self, cell: CellId) -> Node {
        let mut tx = self.system().await;
        let node = tx.node_admit(cell, &new_node("node-1")).await.unwrap();
        tx.commit().await.unwrap();
        node
    }
}

impl World {
    /// Lets a node of the cell attach, as a fleet stream does.
    pub(crate) async fn attach(&self, node: &Node) -> AttachmentId {
        let attachment = fresh();
        let mut tx = self.system().await;
        let certificate = hash();
        tx.node_certificate_replace(node.id, &certificate).await.unwrap();
        tx.node_connected(node.id, &certificate, &hello(attachment))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        attachment
    }

    /// Lets the cell's node acknowledge what the cell should hold now.
    pub(crate) async fn acknowledge(&self, cell: CellId) {
        let mut tx = self.system().await;
        let cursor = tx.cell_cursor(cell).await.unwrap().unwrap();
        let acknowledgement = Acknowledgement {
            cursor,
            mark: tx.cell_mark(cell, cursor.revision).await.unwrap().unwrap(),
            refused: Vec::new(),
            snapshot: true,
        };
        let noted = tx.cell_acknowledge(cell, &acknowledgement, now()).await.unwrap();
        assert_eq!(noted, Acknowledged::Noted);
        tx.commit().await.unwrap();
    }
}

pub(crate) fn scope(organization: OrganizationId) -> Scope<OrganizationId> {
    authorize(&Principal::system("test"), Action::AccountRead, organization).unwrap()
}

pub(crate) fn platform() -> Scope<Platform> {
    Scope::system("test")
}

pub(crate) async fn organization_insert(tx: &mut SystemTx, id: OrganizationId, text: &str) {
    let name = name(text);
    let display_name = (&name).into();
    let new = NewOrganization {
        id,
        name,
        display_name,
        is_platform: false,
        created_at: now(),
    };
    tx.organization_insert(&new).await.unwrap();
    let key = WrappedDataKey {
        kek_id: "kek-1".into(),
        wrapped: vec![1, 2, 3],
    };
    tx.data_key_insert(id, &key, now()).await.unwrap();
}

pub(crate) fn new_cell(text: &str) -> NewCell {
    NewCell {
        id: fresh(),
        name: name(text),
        epoch: new_epoch(1_000),
        created_at: now(),
    }
}

/// The database believes what it is told; the token is for nodes.
pub(crate) fn new_epoch(epoch: u64) -> NewEpoch {
    NewEpoch {
        epoch,
        statement: format!("epoch {epoch}"),
    }
}

pub(crate) fn new_account(cell_id: CellId, text: &str) -> NewAccount {
    NewAccount {
        id: fresh(),
        name: name(text),
        cell_id,
        public_key: account_key(),
        signing_public_key: account_key(),
        seeds: seeds(),
        limits: AccountLimits::default(),
        limits_granted: AccountLimits::default(),
        created_at: now(),
    }
}

pub(crate) fn new_user(account_id: AccountId, text: &str) -> NewUser {
    NewUser {
        id: fresh(),
        account_id,
        name: name(text),
        permissions: Permissions::default(),
        created_at: now(),
    }
}

pub(crate) fn new_issuance(user: &User, expires_at: Option<OffsetDateTime>) -> NewIssuance {
    NewIssuance {
        id: fresh(),
        account_id: user.account_id,
        user_id: user.id,
        public_key: user_key(),
        issued_at: now(),
        expires_at,
    }
}

pub(crate) fn new_node(text: &str) -> NewNode {
    NewNode {
        id: fresh::<NodeId>(),
        name: text.parse().unwrap(),
        enrolled_at: now(),
    }
}

pub(crate) fn hello(attachment_id: AttachmentId) -> Hello {
    Hello {
        attachment_id,
        boot_id: fresh_boot(),
        software_version: "0.1.0".into(),
        client_url: Some("nats://127.0.0.1:4222".parse().unwrap()),
    }
}

pub(crate) fn new_document(version: u64, removed: bool) -> NewDocument {
    NewDocument {
        version,
        account_jwt: format!("account jwt {version}"),
        statement_jwt: format!("statement jwt {version}"),
        removed,
        request_id: format!("request-{version}"),
    }
}

pub(crate) async fn publish(tx: &mut TenantTx, account: AccountId, version: u64, removed: bool) -> Cursor {
    tx.account_document_publish(account, &new_document(version, removed))
        .await
        .unwrap()
}
