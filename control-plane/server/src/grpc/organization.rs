//! `tollway.v1.OrganizationService`

use tollway_api as api;
use tollway_proto::v1::{self, organization_service_server::OrganizationService};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Api, answer},
    message,
};
use crate::app::{PageParams, organization};

#[async_trait]
impl OrganizationService for Api {
    async fn create_organization(
        &self,
        request: Request<v1::CreateOrganizationRequest>,
    ) -> Result<Response<v1::Organization>, Status> {
        let (op, m) = self.enter(request).await?;
        let new = api::NewOrganization {
            name: m.name,
            display_name: message::text(m.display_name),
        };
        answer(
            &op,
            organization::create(&op, new).await.map(message::organization),
        )
    }

    async fn get_organization(
        &self,
        request: Request<v1::GetOrganizationRequest>,
    ) -> Result<Response<v1::Organization>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(
            &op,
            organization::get(&op, &m.organization)
                .await
                .map(message::organization),
        )
    }

    async fn list_organizations(
        &self,
        request: Request<v1::ListOrganizationsRequest>,
    ) -> Result<Response<v1::ListOrganizationsResponse>, Status> {
        let (op, m) = self.enter(request).await?;
        let page = organization::list(&op, PageParams::from_message(m.limit, m.cursor)).await;
        answer(
            &op,
            page.map(|page| v1::ListOrganizationsResponse {
                items: page.items.into_iter().map(message::organization).collect(),
                next_cursor: page.next_cursor.unwrap_or_default(),
            }),
        )
    }

    async fn update_organization(
        &self,
        request: Request<v1::UpdateOrganizationRequest>,
    ) -> Result<Response<v1::Organization>, Status> {
        let (op, m) = self.enter(request).await?;
        let quotas = m.quotas.unwrap_or_default();
        let change = api::UpdateOrganization {
            quotas: api::OrganizationQuotasChange {
                accounts: quotas.accounts,
                users: quotas.users,
                api_tokens: quotas.api_tokens,
            },
        };
        let updated = organization::update(&op, &m.organization, change).await;
        answer(&op, updated.map(message::organization))
    }

    async fn delete_organization(
        &self,
        request: Request<v1::DeleteOrganizationRequest>,
    ) -> Result<Response<()>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(&op, organization::delete(&op, &m.organization).await)
    }
}
