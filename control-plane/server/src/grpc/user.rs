//! `tollway.v1.UserService`

use tollway_api as api;
use tollway_proto::v1::{self, user_service_server::UserService};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Api, answer},
    message,
};
use crate::app::{PageParams, Wait, issuance, user};

#[async_trait]
impl UserService for Api {
    async fn create_user(
        &self,
        request: Request<v1::CreateUserRequest>,
    ) -> Result<Response<v1::User>, Status> {
        let (op, m) = self.enter(request).await?;
        let new = api::NewUser {
            name: m.name,
            permissions: m.permissions.map(message::permissions),
        };
        answer(&op, user::create(&op, &m.account, new).await.map(message::user))
    }

    async fn get_user(&self, request: Request<v1::GetUserRequest>) -> Result<Response<v1::User>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(&op, user::get(&op, &m.account, &m.user).await.map(message::user))
    }

    async fn list_users(
        &self,
        request: Request<v1::ListUsersRequest>,
    ) -> Result<Response<v1::ListUsersResponse>, Status> {
        let (op, m) = self.enter(request).await?;
        let page = user::list(&op, &m.account, PageParams::from_message(m.limit, m.cursor)).await;
        answer(
            &op,
            page.map(|page| v1::ListUsersResponse {
                items: page.items.into_iter().map(message::user).collect(),
                next_cursor: page.next_cursor.unwrap_or_default(),
            }),
        )
    }

    async fn delete_user(&self, request: Request<v1::DeleteUserRequest>) -> Result<Response<()>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(
            &op,
            user::delete(&op, &m.account, &m.user, Wait::applied(m.wait_applied)).await,
        )
    }

    async fn issue_credentials(
        &self,
        request: Request<v1::IssueCredentialsRequest>,
    ) -> Result<Response<v1::IssueCredentialsResponse>, Status> {
        let (op, m) = self.enter(request).await?;
        let issue = api::IssueCredentials {
            lifetime_seconds: Some(m.lifetime_seconds),
        };
        let issued = issuance::create(&op, &m.account, &m.user, issue).await;
        answer(
            &op,
            issued.map(|issued| v1::IssueCredentialsResponse {
                issuance: Some(message::issuance(issued.issuance)),
                creds: issued.creds,
            }),
        )
    }

    async fn list_issuances(
        &self,
        request: Request<v1::ListIssuancesRequest>,
    ) -> Result<Response<v1::ListIssuancesResponse>, Status> {
        let (op, m) = self.enter(request).await?;
        let page = issuance::list(
            &op,
            &m.account,
            &m.user,
            PageParams::from_message(m.limit, m.cursor),
        )
        .await;
        answer(
            &op,
            page.map(|page| v1::ListIssuancesResponse {
                items: page.items.into_iter().map(message::issuance).collect(),
                next_cursor: page.next_cursor.unwrap_or_default(),
            }),
        )
    }

    async fn revoke_issuance(
        &self,
        request: Request<v1::RevokeIssuanceRequest>,
    ) -> Result<Response<v1::Issuance>, Status> {
        let (op, m) = self.enter(request).await?;
        let wait = Wait::applied(m.wait_applied);
        let revoked = issuance::revoke(&op, &m.account, &m.user, &m.issuance, wait).await;
        answer(&op, revoked.map(message::issuance))
    }
}
