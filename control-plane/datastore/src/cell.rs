//! Cells, for platform admins; and where a new account goes.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use tollway_model::{
    AccountCell, Cell, CellEngine, CellId, CellRef, CellSummary, Cursor, Mark, Name, Node, NodeId, Page,
    PageRequest, Refusal, UpdateRefusal,
};
use uuid::Uuid;

use crate::bounds::{ACCOUNTS_NAMED_MAX, CELL_REFUSALS_SHOWN_MAX};
use crate::error::{DatastoreError, failed_to};
use crate::node::node_from_row;
use crate::row::{Reader, to_bigint};
use crate::{NODE_SILENCE_MAX, SystemTx, TenantTx};

/// A cell to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCell {
    /// Its id.
    pub id: CellId,
    /// Its name, unique in the installation.
    pub name: Name,
    /// Its first one.
    pub epoch: NewEpoch,
    /// Now.
    pub created_at: OffsetDateTime,
}

/// An epoch to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEpoch {
    /// Its number, greater than all before.
    pub epoch: u64,
    /// The token in which the operator says that it has begun.
    pub statement: String,
}

/// Why a cell was not created.
#[derive(Debug, thiserror::Error)]
pub enum CellInsertError {
    /// Another cell has the name.
    #[error("the name {name} is taken by another cell")]
    NameTaken {
        /// The name.
        name: Name,
    },
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

/// Why no cell was found for an account.
#[derive(Debug, thiserror::Error)]
pub enum CellPlaceError {
    /// No cell has this name.
    #[error("there is no cell named {name}")]
    NoSuchCell {
        /// The name.
        name: Name,
    },
    /// No cell has a node that serves: create one and let a node join it.
    #[error("there is no cell with a node yet: let a node join one first")]
    NoCells,
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

/// Why a cell was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum CellDeleteError {
    /// There is none with this id or name.
    #[error("there is no such cell")]
    NotFound,
    /// Accounts live in it: delete them first.
    #[error("the cell {cell} is in use by {}", listed(.accounts, *.count))]
    HasAccounts {
        /// The cell.
        cell: Name,
        /// How many there are.
        count: u64,
        /// The first of them, up to ten.
        accounts: Vec<CellTenant>,
    },
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

/// An account that lives in a cell, as people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellTenant {
    /// The account.
    pub account: Name,
    /// Its organization.
    pub organization: Name,
}

/// A cell that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedCell {
    /// Its id.
    pub id: CellId,
    /// What it was called.
    pub name: Name,
    /// Its nodes, which may not attach any more.
    pub nodes: Vec<NodeId>,
}

fn listed(accounts: &[CellTenant], count: u64) -> String {
    let mut names: Vec<_> = accounts
        .iter()
        .map(|tenant| format!("{} of {}", tenant.account, tenant.organization))
        .collect();
    if count > accounts.len() as u64 {
        names.push(String::from("..."));
    }
    let noun = if count == 1 { "account" } else { "accounts" };
    format!("{count} {noun}: {}", names.join(", "))
}

pub(crate) fn cursor_from_columns(
    row: &Reader<'_>,
    epoch: &str,
    revision: &str,
) -> Result<Cursor, DatastoreError> {
    Ok(Cursor {
        epoch: row.count(epoch)?,
        revision: row.count(revision)?,
    })
}

/// All 64 bits mean something, the sign among them.
pub(crate) fn mark_from_bigint(mark: i64) -> Mark {
    Mark(mark.cast_unsigned())
}

fn cell_from_row(row: &PgRow) -> Result<Cell, DatastoreError> {
    let row = Reader::new(row, "cell", "id");
    let engine: &str = row.get("engine")?;
    let applied_at: Option<OffsetDateTime> = row.get("applied_at")?;
    let applied = cursor_from_columns(&row, "applied_epoch", "applied_revision")?;
    Ok(Cell {
        id: CellId::from_uuid(row.get("id")?),
        name: row.parse("name")?,
        engine: CellEngine::from_word(engine).ok_or_else(|| row.inconsistent("unknown engine"))?,
        cursor: cursor_from_columns(&row, "epoch", "revision")?,
        mark: mark_from_bigint(row.get("mark")?),
        epoch_statement: row.get("epoch_statement")?,
        applied: applied_at.map(|_| applied),
        applied_at,
        created_at: row.get("created_at")?,
    })
}

impl TenantTx {
    /// The cell for a new account: the named one, or the one with the fewest accounts of those whose node is
    /// attached; when none is, of those whose node has served before. It is not deleted until this
    /// transaction ends.
    pub async fn cell_place(&mut self, wanted: Option<&Name>) -> Result<AccountCell, CellPlaceError> {
        let row = sqlx::query("SELECT id, name FROM app_cell_place($1)")
            .bind(wanted.map(Name::as_str))
            .fetch_optional(self.connection())
            .await
            .map_err(failed_to("find a cell for the account"))?;
        match (row, wanted) {
            (Some(row), _) => {
                let row = Reader::new(&row, "cell", "id");
                Ok(AccountCell {
                    id: CellId::from_uuid(row.get("id")?),
                    name: row.parse("name")?,
                })
            }
            (None, Some(name)) => Err(CellPlaceError::NoSuchCell { name: name.clone() }),
            (None, None) => Err(CellPlaceError::NoCells),
        }
    }
}

impl SystemTx {
    /// Creates a cell that should hold nothing yet.
    pub async fn cell_insert(&mut self, new: &NewCell) -> Result<Cell, CellInsertError> {
        let row = sqlx::query(
            "WITH new AS (
                 INSERT INTO cell (id, name, engine, epoch, epoch_statement, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING
                 RETURNING
                     id, name, engine, epoch, revision, applied_epoch, applied_revision, applied_at, created_at,
                     epoch_statement
             ), first AS (
                 INSERT INTO cell_revision (cell_id, revision)
                 SELECT id, revision FROM new
                 RETURNING cell_id, mark
             )
             SELECT
                 id, name, engine, epoch, revision, applied_epoch, applied_revision, applied_at, created_at, mark, epoch_statement
             FROM new
             JOIN first ON first.cell_id = new.id",
        )
        .bind(new.id.uuid())
        .bind(new.name.as_str())
        .bind(CellEngine::Tollway.as_str())
        .bind(to_bigint(new.epoch.epoch))
        .bind(&new.epoch.statement)
        .bind(new.created_at)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("insert the cell"))?;
        match row {
            Some(row) => Ok(cell_from_row(&row)?),
            None => Err(CellInsertError::NameTaken {
                name: new.name.clone(),
            }),
        }
    }

    /// A cell by id or name.
    pub async fn cell_get(&mut self, cell: &CellRef) -> Result<Option<Cell>, DatastoreError> {
        let (id, name) = id_and_name(cell);
        sqlx::query(
            "SELECT
                 id, name, engine, epoch, cell.revision, applied_epoch, applied_revision, applied_at, created_at, mark, epoch_statement
             FROM cell
             JOIN cell_revision ON cell_id = id AND cell_revision.revision = cell.revision
             WHERE (id = $1 OR name = $2)
               AND deleted_at IS NULL",
        )
        .bind(id)
        .bind(name)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the cell"))?
        .map(|row| cell_from_row(&row))
        .transpose()
    }

    /// A cell by id or name, with its accounts counted, its nodes and what they refused.
    pub async fn cell_summary(&mut self, cell: &CellRef) -> Result<Option<CellSummary>, DatastoreError> {
        let Some(cell) = self.cell_get(cell).await? else {
            return Ok(None);
        };
        Ok(self.cell_summaries(vec![cell]).await?.pop())
    }

    /// Cells in the order of their creation, with their accounts counted, their nodes and what they refused.
    pub async fn cell_list(
        &mut self,
        page: &PageRequest<CellId>,
    ) -> Result<Page<CellSummary, CellId>, DatastoreError> {
        let rows = sqlx::query(
            "SELECT
                 id, name, engine, epoch, cell.revision, applied_epoch, applied_revision, applied_at, created_at, mark, epoch_statement
             FROM cell
             JOIN cell_revision ON cell_id = id AND cell_revision.revision = cell.revision
             WHERE deleted_at IS NULL
               AND ($1::uuid IS NULL OR id > $1)
             ORDER BY id
             LIMIT $2",
        )
        .bind(page.after().map(CellId::uuid))
        .bind(i64::from(page.limit()) + 1)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("list cells"))?;
        let cells = rows.iter().map(cell_from_row).collect::<Result<Vec<_>, _>>()?;
        let page = Page::from_rows(cells, page, |cell| cell.id);
        Ok(Page {
            items: self.cell_summaries(page.items).await?,
            next_cursor: page.next_cursor,
        })
    }

    /// How many cells there are.
    pub async fn cell_count(&mut self) -> Result<u64, DatastoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM cell WHERE deleted_at IS NULL")
            .fetch_one(self.connection())
            .await
            .map_err(failed_to("count cells"))?;
        Ok(count.unsigned_abs())
    }

    /// Deletes a cell that no account lives in. Its enrolment tokens go, its nodes may not attach any more,
    /// and its name is free again. What was used in it stays in the ledger.
    pub async fn cell_delete(
        &mut self,
        cell: &CellRef,
        now: OffsetDateTime,
    ) -> Result<DeletedCell, CellDeleteError> {
        let Some(found) = self.cell_get(cell).await? else {
            return Err(CellDeleteError::NotFound);
        };
        // Before the cell is locked, as a node that enrols does it: each would wait for the other.
        sqlx::query("DELETE FROM enrolment_token WHERE cell_id = $1")
            .bind(found.id.uuid())
            .execute(self.connection())
            .await
            .map_err(failed_to("delete enrolment tokens of the cell"))?;
        // Waits for accounts that are being placed in it: those hold the row.
        let locked = sqlx::query(
            "SELECT id
             FROM cell
             WHERE id = $1
               AND deleted_at IS NULL
             FOR UPDATE",
        )
        .bind(found.id.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("lock the cell"))?;
        if locked.is_none() {
            return Err(CellDeleteError::NotFound);
        }
        let count = self.cell_account_count(found.id).await?;
        if count > 0 {
            return Err(CellDeleteError::HasAccounts {
                accounts: self.cell_tenants(found.id).await?,
                cell: found.name,
                count,
            });
        }
        sqlx::query("UPDATE cell SET deleted_at = $2 WHERE id = $1")
            .bind(found.id.uuid())
            .bind(now)
            .execute(self.connection())
            .await
            .map_err(failed_to("delete the cell"))?;
        let nodes: Vec<Uuid> = sqlx::query_scalar(
            "UPDATE node
             SET certificate_sha256 = NULL,
                 certificate_sha256_previous = NULL,
                 attachment_id = NULL
             WHERE cell_id = $1
             RETURNING id",
        )
        .bind(found.id.uuid())
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("end the certificates of the cell's nodes"))?;
        Ok(DeletedCell {
            id: found.id,
            name: found.name,
            nodes: nodes.into_iter().map(NodeId::from_uuid).collect(),
        })
    }

    /// The first accounts that live in a cell.
    async fn cell_tenants(&mut self, cell: CellId) -> Result<Vec<CellTenant>, DatastoreError> {
        let rows = sqlx::query(
            "SELECT account.name, organization.name AS organization_name
             FROM account
             JOIN organization ON organization.id = account.organization_id
             WHERE account.cell_id = $1
               AND account.deleted_at IS NULL
             ORDER BY organization.name, account.name
             LIMIT $2",
        )
        .bind(cell.uuid())
        .bind(ACCOUNTS_NAMED_MAX)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("look for accounts of the cell"))?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "account", "name");
                Ok(CellTenant {
                    account: row.parse("name")?,
                    organization: row.parse("organization_name")?,
                })
            })
            .collect()
    }

    /// The mark that the database gave to a revision; `None` when it did not give the revision out, or
    /// has cleared its mark away.
    pub async fn cell_mark(&mut self, cell: CellId, revision: u64) -> Result<Option<Mark>, DatastoreError> {
        let mark: Option<i64> = sqlx::query_scalar(
            "SELECT mark
             FROM cell_revision
             WHERE cell_id = $1
               AND revision = $2",
        )
        .bind(cell.uuid())
        .bind(to_bigint(revision))
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the mark of a revision"))?;
        Ok(mark.map(mark_from_bigint))
    }

    /// How many accounts live in a cell, counted without a look at its documents.
    pub async fn cell_account_count(&mut self, cell: CellId) -> Result<u64, DatastoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*)
             FROM account
             WHERE cell_id = $1
               AND deleted_at IS NULL",
        )
        .bind(cell.uuid())
        .fetch_one(self.connection())
        .await
        .map_err(failed_to("count the cell's accounts"))?;
        Ok(count.unsigned_abs())
    }

    /// Begins a new history of the cell: its node will take revisions and versions that run backwards,
    /// once. For when the node holds what this database never gave out, because the database was restored
    /// from a backup. `None` when another epoch than `seen` has begun meanwhile, or the new one is not greater.
    pub async fn cell_epoch_advance(
        &mut self,
        cell: CellId,
        seen: u64,
        new: &NewEpoch,
    ) -> Result<Option<Cursor>, DatastoreError> {
        sqlx::query(
            "UPDATE cell
             SET epoch = $3,
                 epoch_statement = $4
             WHERE id = $1
               AND epoch = $2
               AND epoch < $3
             RETURNING id, epoch, revision",
        )
        .bind(cell.uuid())
        .bind(to_bigint(seen))
        .bind(to_bigint(new.epoch))
        .bind(&new.statement)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("begin a new epoch of the cell"))?
        .map(|row| cursor_from_columns(&Reader::new(&row, "cell", "id"), "epoch", "revision"))
        .transpose()
    }

    async fn cell_summaries(&mut self, cells: Vec<Cell>) -> Result<Vec<CellSummary>, DatastoreError> {
        let ids: Vec<Uuid> = cells.iter().map(|cell| cell.id.uuid()).collect();
        let mut accounts = self.account_counts(&ids).await?;
        let mut nodes = self.nodes_of(&ids).await?;
        let mut refused = self.refusals_of(&ids).await?;
        let mut updates_refused = self.update_refusals_of(&ids).await?;
        Ok(cells
            .into_iter()
            .map(|cell| CellSummary {
                accounts: accounts.remove(&cell.id).unwrap_or_default(),
                nodes: nodes.remove(&cell.id).unwrap_or_default(),
                refused: refused.remove(&cell.id).unwrap_or_default(),
                update_refused: updates_refused.remove(&cell.id),
                cell,
            })
            .collect())
    }

    async fn account_counts(&mut self, cells: &[Uuid]) -> Result<HashMap<CellId, u32>, DatastoreError> {
        let rows = sqlx::query(
            "SELECT cell_id, count(*) AS accounts
             FROM account
             WHERE cell_id = ANY ($1)
               AND deleted_at IS NULL
             GROUP BY cell_id",
        )
        .bind(cells)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("count accounts of cells"))?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "account", "cell_id");
                Ok((
                    CellId::from_uuid(row.get("cell_id")?),
                    row.small_count("accounts")?,
                ))
            })
            .collect()
    }

    async fn nodes_of(&mut self, cells: &[Uuid]) -> Result<HashMap<CellId, Vec<Node>>, DatastoreError> {
        let rows = sqlx::query(
            "SELECT
                 id, cell_id, name, client_url, software_version, boot_id, last_seen_at, enrolled_at,
                 attachment_id IS NOT NULL
                     AND coalesce(last_seen_at > now() - make_interval(secs => $2), false) AS connected
             FROM node
             WHERE cell_id = ANY ($1)
             ORDER BY name",
        )
        .bind(cells)
        .bind(NODE_SILENCE_MAX.as_secs_f64())
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("list nodes of cells"))?;
        let mut nodes: HashMap<CellId, Vec<Node>> = HashMap::new();
        for row in &rows {
            let node = node_from_row(row)?;
            nodes.entry(node.cell_id).or_default().push(node);
        }
        Ok(nodes)
    }

    async fn update_refusals_of(
        &mut self,
        cells: &[Uuid],
    ) -> Result<HashMap<CellId, UpdateRefusal>, DatastoreError> {
        let rows = sqlx::query(
            "SELECT cell_id, code, reason, refused_at
             FROM cell_update_refusal
             WHERE cell_id = ANY ($1)",
        )
        .bind(cells)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("list updates that nodes refused"))?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "cell_update_refusal", "cell_id");
                let refusal = UpdateRefusal {
                    code: row.get("code")?,
                    reason: row.get("reason")?,
                    refused_at: row.get("refused_at")?,
                };
                Ok((CellId::from_uuid(row.get("cell_id")?), refusal))
            })
            .collect()
    }

    async fn refusals_of(&mut self, cells: &[Uuid]) -> Result<HashMap<CellId, Vec<Refusal>>, DatastoreError> {
        let rows = sqlx::query(
            "SELECT cell_id, account_key, code, reason
             FROM (
                 SELECT
                     cell_id, account_key, code, reason,
                     row_number() OVER (PARTITION BY cell_id ORDER BY account_key) AS place
                 FROM cell_refusal
                 WHERE cell_id = ANY ($1)
             ) AS refusal
             WHERE place <= $2
             ORDER BY cell_id, account_key",
        )
        .bind(cells)
        .bind(CELL_REFUSALS_SHOWN_MAX)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("list what nodes refused"))?;
        let mut refusals: HashMap<CellId, Vec<Refusal>> = HashMap::new();
        for row in &rows {
            let row = Reader::new(row, "cell_refusal", "account_key");
            let refusal = Refusal {
                account: row.parse("account_key")?,
                code: row.get("code")?,
                reason: row.get("reason")?,
            };
            refusals
                .entry(CellId::from_uuid(row.get("cell_id")?))
                .or_default()
                .push(refusal);
        }
        Ok(refusals)
    }
}

fn id_and_name(cell: &CellRef) -> (Option<Uuid>, Option<&str>) {
    match cell {
        CellRef::Id(id) => (Some(id.uuid()), None),
        CellRef::Name(name) => (None, Some(name.as_str())),
    }
}
