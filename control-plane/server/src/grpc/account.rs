//! `tollway.v1.AccountService`

use tollway_api as api;
use tollway_proto::v1::{self, account_service_server::AccountService};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Api, answer},
    message,
};
use crate::app::{PageParams, Wait, account, request_lane};

#[async_trait]
impl AccountService for Api {
    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        let (op, m) = self.enter(request).await?;
        let new = message::new_account(m.name, m.cell, m.limits);
        let created = account::create(&op, &m.organization, new, Wait::applied(m.wait_applied)).await;
        answer(&op, created.map(message::account))
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(&op, account::get(&op, &m.account).await.map(message::account))
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Result<Response<v1::ListAccountsResponse>, Status> {
        let (op, m) = self.enter(request).await?;
        let page = account::list(&op, &m.organization, PageParams::from_message(m.limit, m.cursor)).await;
        answer(
            &op,
            page.map(|page| v1::ListAccountsResponse {
                items: page.items.into_iter().map(message::account).collect(),
                next_cursor: page.next_cursor.unwrap_or_default(),
            }),
        )
    }

    async fn update_account(
        &self,
        request: Request<v1::UpdateAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        let (op, m) = self.enter(request).await?;
        let change = message::update_account(m.limits);
        let updated = account::update(&op, &m.account, change, Wait::applied(m.wait_applied)).await;
        answer(&op, updated.map(message::account))
    }

    async fn suspend_account(
        &self,
        request: Request<v1::SuspendAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        let (op, m) = self.enter(request).await?;
        let suspend = api::SuspendAccount { reason: m.reason };
        let suspended = account::suspend(&op, &m.account, suspend, Wait::applied(m.wait_applied)).await;
        answer(&op, suspended.map(message::account))
    }

    async fn resume_account(
        &self,
        request: Request<v1::ResumeAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        let (op, m) = self.enter(request).await?;
        let resumed = account::resume(&op, &m.account, Wait::applied(m.wait_applied)).await;
        answer(&op, resumed.map(message::account))
    }

    async fn delete_account(
        &self,
        request: Request<v1::DeleteAccountRequest>,
    ) -> Result<Response<()>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(
            &op,
            account::delete(&op, &m.account, Wait::applied(m.wait_applied)).await,
        )
    }

    async fn get_account_rollout(
        &self,
        request: Request<v1::GetAccountRolloutRequest>,
    ) -> Result<Response<v1::AccountRollout>, Status> {
        let (op, m) = self.enter(request).await?;
        answer(&op, account::rollout(&op, &m.account).await.map(message::rollout))
    }

    async fn request_in_account(
        &self,
        request: Request<v1::RequestInAccountRequest>,
    ) -> Result<Response<v1::RequestInAccountResponse>, Status> {
        let (op, m) = self.enter(request).await?;
        let request = api::RequestInAccount {
            subject: m.subject,
            payload: m.payload,
            timeout_ms: Some(m.timeout_ms),
        };
        let reply = request_lane::request(&op, &m.account, request).await;
        answer(
            &op,
            reply.map(|reply| v1::RequestInAccountResponse {
                payload: reply.payload,
                headers: reply.headers,
            }),
        )
    }
}
