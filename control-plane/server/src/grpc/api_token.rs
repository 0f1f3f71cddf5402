//! `tollway.v1.ApiTokenService`

use tollway_api as api;
use tollway_proto::v1::{self, api_token_service_server::ApiTokenService};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Api, answer},
    message,
};
use crate::app::{PageParams, api_token};

#[async_trait]
impl ApiTokenService for Api {
    async fn create_api_token(
        &self,
        request: Request<v1::CreateApiTokenRequest>,
    ) -> Result<Response<v1::CreateApiTokenResponse>, Status> {
        let (op, m) = self.enter(request).await?;
        let new = api::NewApiToken {
            name: m.name,
            role: m.role,
            lifetime_seconds: Some(m.lifetime_seconds),
        };
        let created = api_token::create(&op, &m.organization, new).await;
        answer(
            &op,
            created.map(|created| v1::CreateApiTokenResponse {
                api_token: Some(message::api_token(created.api_token)),
                secret: created.secret,
            }),
        )
    }

    async fn list_api_tokens(
        &self,
        request: Request<v1::ListApiTokensRequest>,
    ) -> Result<Response<v1::ListApiTokensResponse>, Status> {
        let (op, m) = self.enter(request).await?;
        let page = api_token::list(&op, &m.organization, PageParams::from_message(m.limit, m.cursor)).await;
        answer(
            &op,
            page.map(|page| v1::ListApiTokensResponse {
                items: page.items.into_iter().map(message::api_token).collect(),
                next_cursor: page.next_cursor.unwrap_or_default(),
            }),
        )
    }

    async fn delete_api_token(
        &self,
        request: Request<v1::DeleteApiTokenRequest>,
    ) -> Result<Response<()>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(&op, api_token::delete(&op, &m.organization, &m.api_token).await)
    }
}
