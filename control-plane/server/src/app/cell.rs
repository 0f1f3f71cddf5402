//! Cells, and tokens with which nodes join them. For platform admins.

use serde_json::json;
use time::Duration;
use tollway_api::{self as api, Problem, ProblemCode};
use tollway_authz::Action;
use tollway_datastore::{CellDeleteError, CellInsertError, NewCell, NewEnrolmentToken, NewEpoch};
use tollway_model::{CellId, CellRef, Name};

use super::{AppError, OpContext, PageParams, error::invalid_name};
use crate::{
    authn::ENROLMENT_TOKEN_PREFIX,
    compile::epoch_statement,
    secrets::{random_array, random_text, secret_hash},
};

const ENROLMENT_SECONDS_MIN: u32 = 60;
const ENROLMENT_SECONDS_DEFAULT: u32 = 900;
const ENROLMENT_SECONDS_MAX: u32 = 86_400;

/// Creates a cell.
pub async fn create(op: &OpContext, new: api::NewCell) -> Result<api::Cell, AppError> {
    let scope = op.authorize_platform(Action::CellCreate)?;
    let name: Name = new.name.parse().map_err(invalid_name("name"))?;
    let id = CellId::new(op.unix_ms(), random_array());
    // The time, so that a cell which is created again after a restore is further than the one that was lost.
    let epoch = op.unix_ms();
    let statement = epoch_statement(id, epoch, &op.app().operator().signer, op.now().unix_timestamp())
        .map_err(AppError::internal("sign the cell's first epoch"))?;
    let mut tx = op.app().datastore().begin_system(&scope).await?;
    let cell = tx
        .cell_insert(&NewCell {
            id,
            name,
            epoch: NewEpoch { epoch, statement },
            created_at: op.now(),
        })
        .await?;
    tx.audit_append(
        None,
        &op.audit(Action::CellCreate, id, json!({ "name": cell.name })),
    )
    .await?;
    let summary = tx.cell_summary(&id.into()).await?.ok_or(ProblemCode::NotFound)?;
    tx.commit().await?;
    Ok(summary.into())
}

/// Reads a cell, its nodes and what they refused.
pub async fn get(op: &OpContext, cell: &str) -> Result<api::Cell, AppError> {
    let scope = op.authorize_platform(Action::CellRead)?;
    let cell: CellRef = cell.parse().map_err(|_| ProblemCode::NotFound)?;
    let mut tx = op.app().datastore().begin_system(&scope).await?;
    Ok(tx.cell_summary(&cell).await?.ok_or(ProblemCode::NotFound)?.into())
}

/// Lists cells.
pub async fn list(op: &OpContext, page: PageParams) -> Result<api::Page<api::Cell>, AppError> {
    let scope = op.authorize_platform(Action::CellList)?;
    let page = page.check()?;
    let mut tx = op.app().datastore().begin_system(&scope).await?;
    Ok(tx.cell_list(&page).await?.into())
}

/// Deletes a cell without accounts, and with it the right of its node to attach. What the node holds on its
/// own disk, it serves until somebody stops it.
pub async fn delete(op: &OpContext, cell: &str) -> Result<(), AppError> {
    let scope = op.authorize_platform(Action::CellDelete)?;
    let cell: CellRef = cell.parse().map_err(|_| ProblemCode::NotFound)?;
    let mut tx = op.app().datastore().begin_system(&scope).await?;
    let deleted = tx.cell_delete(&cell, op.now()).await?;
    let detail = json!({ "name": deleted.name, "nodes": deleted.nodes });
    tx.audit_append(None, &op.audit(Action::CellDelete, deleted.id, detail))
        .await?;
    tx.commit().await?;
    for node in deleted.nodes {
        op.app().hub().detach(node);
    }
    // A stream to another control plane ends when that one looks for the cell.
    op.cell_changed(deleted.id).await;
    Ok(())
}

/// Makes a one-time token with which a node joins the cell. Shown once.
pub async fn create_enrolment_token(
    op: &OpContext,
    cell: &str,
    new: api::NewEnrolmentToken,
) -> Result<api::EnrolmentToken, AppError> {
    let scope = op.authorize_platform(Action::EnrolmentTokenCreate)?;
    let cell: CellRef = cell.parse().map_err(|_| ProblemCode::NotFound)?;
    let lifetime = match new.lifetime_seconds {
        None | Some(0) => ENROLMENT_SECONDS_DEFAULT,
        Some(seconds @ ENROLMENT_SECONDS_MIN..=ENROLMENT_SECONDS_MAX) => seconds,
        Some(_) => {
            let detail = format!("must be {ENROLMENT_SECONDS_MIN} to {ENROLMENT_SECONDS_MAX}");
            return Err(Problem::invalid_field("lifetime_seconds", "out_of_range", detail).into());
        }
    };
    let secret = random_text(ENROLMENT_TOKEN_PREFIX);
    let expires_at = op.now() + Duration::seconds(lifetime.into());

    let mut tx = op.app().datastore().begin_system(&scope).await?;
    let cell = tx.cell_get(&cell).await?.ok_or(ProblemCode::NotFound)?;
    let token = NewEnrolmentToken {
        secret_hash: secret_hash(&secret),
        cell_id: cell.id,
        created_at: op.now(),
        expires_at,
    };
    tx.enrolment_token_insert(&token).await?;
    tx.audit_append(
        None,
        &op.audit(
            Action::EnrolmentTokenCreate,
            cell.id,
            json!({ "cell": cell.name }),
        ),
    )
    .await?;
    tx.commit().await?;
    let token = format!("{}.{}", secret.as_str(), op.app().authority().fingerprint());
    Ok(api::EnrolmentToken { token, expires_at })
}

impl From<CellInsertError> for AppError {
    fn from(error: CellInsertError) -> Self {
        match error {
            CellInsertError::NameTaken { .. } => Problem::new(ProblemCode::NameTaken)
                .with_detail(error.to_string())
                .into(),
            CellInsertError::Datastore(error) => error.into(),
        }
    }
}

impl From<CellDeleteError> for AppError {
    fn from(error: CellDeleteError) -> Self {
        match error {
            CellDeleteError::NotFound => ProblemCode::NotFound.into(),
            CellDeleteError::HasAccounts { .. } => Problem::new(ProblemCode::CellNotEmpty)
                .with_detail(format!("{error}; delete them first"))
                .into(),
            CellDeleteError::Datastore(error) => error.into(),
        }
    }
}
