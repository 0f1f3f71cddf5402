//! `tollway.v1.UsageService`

use prost_types::Timestamp;
use time::OffsetDateTime;
use tollway_api::Problem;
use tollway_proto::v1::{self, usage_service_server::UsageService};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Api, answer},
    message,
};
use crate::app::{AppError, usage};

#[async_trait]
impl UsageService for Api {
    async fn get_account_usage(
        &self,
        request: Request<v1::GetAccountUsageRequest>,
    ) -> Result<Response<v1::GetAccountUsageResponse>, Status> {
        let (op, m) = self.enter(request).await?;
        let used = match (time("from", m.from), time("to", m.to)) {
            (Ok(from), Ok(to)) => usage::read(&op, &m.account, from, to).await,
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        answer(&op, used.map(message::usage))
    }
}

fn time(field: &str, timestamp: Option<Timestamp>) -> Result<Option<OffsetDateTime>, AppError> {
    let Some(timestamp) = timestamp else {
        return Ok(None);
    };
    match message::time(timestamp) {
        Some(time) => Ok(Some(time)),
        None => {
            Err(Problem::invalid_field(field, "invalid_time", "must be a time from year 1 to 9999").into())
        }
    }
}
