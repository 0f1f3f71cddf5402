//! Questions into an account, over the fleet stream of its cell.

use serde_json::json;
use tokio::time::Duration;
use tollway_api::{self as api, Problem, ProblemCode};
use tollway_authz::{Action, Scope};
use tollway_model::Permissions;
use tollway_proto::fleet;
use tollway_subject::Subject;

use super::{AppError, OpContext, document::public_key};
use crate::{
    bounds::{REQUEST_JWT_SECONDS, REQUEST_LANE_SLACK, REQUEST_TIMEOUT_MS_DEFAULT, REQUEST_TIMEOUT_MS_MAX},
    compile::{IN_PROCESS, UserTokenSource},
    fleet::LaneError,
};

/// Sends a message into the account and waits for the first reply.
pub async fn request(
    op: &OpContext,
    account: &str,
    request: api::RequestInAccount,
) -> Result<api::RequestInAccountReply, AppError> {
    let (scope, account) = op.authorize_account(Action::AccountRequest, account).await?;
    Subject::new(request.subject.as_bytes())
        .map_err(|error| Problem::invalid_field("subject", "invalid_subject", error.to_string()))?;
    let deadline_ms = match request.timeout_ms {
        None | Some(0) => REQUEST_TIMEOUT_MS_DEFAULT,
        Some(ms) if ms <= REQUEST_TIMEOUT_MS_MAX => ms,
        Some(_) => {
            let detail = format!("must be 1 to {REQUEST_TIMEOUT_MS_MAX}");
            return Err(Problem::invalid_field("timeout_ms", "out_of_range", detail).into());
        }
    };

    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = tx.account_get(&account).await?.ok_or(ProblemCode::NotFound)?;
    let cell = account.cell.as_ref().ok_or(ProblemCode::NotFound)?.id;
    let signer = op.account_signer(&mut tx, &account).await?;
    let token = UserTokenSource {
        account: public_key(account.public_key.as_str())?,
        name: format!("tollway {}", op.principal().actor()),
        user: None,
        permissions: Permissions::default(),
        expires_at: Some(op.now().unix_timestamp() + REQUEST_JWT_SECONDS),
        connection_types: vec![IN_PROCESS.to_owned()],
    };
    let creds = token
        .issue(&signer, op.now().unix_timestamp())
        .map_err(AppError::internal("sign the user JWT"))?;
    // Noted before it is done: a message into a tenant's account never goes unrecorded.
    let detail = json!({ "subject": request.subject, "payload_bytes": request.payload.len() });
    tx.audit_append(&op.audit(Action::AccountRequest, account.id, detail))
        .await?;
    tx.commit().await?;

    let wait = Duration::from_millis(deadline_ms.into()) + REQUEST_LANE_SLACK;
    let question = fleet::Request {
        id: 0,
        request_id: op.request_id().to_string(),
        account: account.public_key.into(),
        user_jwt: creds.jwt,
        subject: request.subject,
        headers: Vec::new(),
        payload: request.payload,
        deadline_ms,
        replies_max: 1,
    };
    // Looked up now, in the database: an overtaken stream to a stolen key must not hear the question.
    let mut tx = op
        .app()
        .datastore()
        .begin_system(&Scope::system("request lane"))
        .await?;
    let stream = tx.cell_attachment(cell).await?.ok_or(LaneError::Away)?;
    drop(tx);
    let replies = op
        .app()
        .hub()
        .request(stream, scope.organization(), question, wait)
        .await?;
    let reply = replies.into_iter().next().ok_or(ProblemCode::DeadlineExceeded)?;
    Ok(api::RequestInAccountReply {
        payload: reply.payload,
        headers: reply.headers,
    })
}

impl From<LaneError> for AppError {
    fn from(error: LaneError) -> Self {
        match error {
            LaneError::Away => ProblemCode::CellAway.into(),
            LaneError::Overloaded => ProblemCode::Overloaded.into(),
            LaneError::AccountBusy => Problem::new(ProblemCode::Overloaded)
                .with_detail(error.to_string())
                .into(),
            LaneError::OrganizationBusy => Problem::new(ProblemCode::TooManyCalls)
                .with_detail(error.to_string())
                .into(),
            LaneError::DeadlineExceeded => ProblemCode::DeadlineExceeded.into(),
            LaneError::Failed { code, .. } if code == "no_responders" => ProblemCode::NoResponders.into(),
            LaneError::Failed { code, reason } => Problem::new(ProblemCode::RequestRefused)
                .with_detail(format!("{reason} ({code})"))
                .into(),
        }
    }
}
