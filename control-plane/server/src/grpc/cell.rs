//! `tollway.v1.CellService`

use tollway_api as api;
use tollway_proto::v1::{self, cell_service_server::CellService};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Api, answer},
    message,
};
use crate::app::{PageParams, cell};

#[async_trait]
impl CellService for Api {
    async fn create_cell(
        &self,
        request: Request<v1::CreateCellRequest>,
    ) -> Result<Response<v1::Cell>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(
            &op,
            cell::create(&op, api::NewCell { name: m.name })
                .await
                .map(message::cell),
        )
    }

    async fn get_cell(&self, request: Request<v1::GetCellRequest>) -> Result<Response<v1::Cell>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(&op, cell::get(&op, &m.cell).await.map(message::cell))
    }

    async fn delete_cell(&self, request: Request<v1::DeleteCellRequest>) -> Result<Response<()>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(&op, cell::delete(&op, &m.cell).await)
    }

    async fn list_cells(
        &self,
        request: Request<v1::ListCellsRequest>,
    ) -> Result<Response<v1::ListCellsResponse>, Status> {
        let (op, m) = self.enter(request).await?;
        let page = cell::list(&op, PageParams::from_message(m.limit, m.cursor)).await;
        answer(
            &op,
            page.map(|page| v1::ListCellsResponse {
                items: page.items.into_iter().map(message::cell).collect(),
                next_cursor: page.next_cursor.unwrap_or_default(),
            }),
        )
    }

    async fn create_enrolment_token(
        &self,
        request: Request<v1::CreateEnrolmentTokenRequest>,
    ) -> Result<Response<v1::EnrolmentToken>, Status> {
        let (op, m) = self.enter(request).await?;
        let new = api::NewEnrolmentToken {
            lifetime_seconds: Some(m.lifetime_seconds),
        };
        let token = cell::create_enrolment_token(&op, &m.cell, new).await;
        answer(
            &op,
            token.map(|token| v1::EnrolmentToken {
                token: token.token,
                expires_at: Some(message::timestamp(token.expires_at)),
            }),
        )
    }
}
