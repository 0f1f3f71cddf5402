//! gRPC calls by the name of their operation.

use tollway_proto::v1::{
    self, account_service_client::AccountServiceClient, api_token_service_client::ApiTokenServiceClient,
    cell_service_client::CellServiceClient, organization_service_client::OrganizationServiceClient,
    usage_service_client::UsageServiceClient, user_service_client::UserServiceClient,
};
use tonic::{Request, Status, transport::Channel};

use crate::{
    fixture::Service,
    world::{World, fresh_name},
};

pub(crate) async fn channel(service: &Service) -> Channel {
    let address = format!("http://{}", service.control_plane().ports().api);
    Channel::from_shared(address).unwrap().connect().await.unwrap()
}

/// A message with the caller's token.
pub(crate) fn with_token<M>(token: Option<&str>, message: M) -> Request<M> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    request
}

/// Calls an operation with what the world has; the answer is not looked at.
pub(crate) async fn call(
    service: &Service,
    token: Option<&str>,
    operation: &str,
    world: &World,
) -> Result<(), Status> {
    let channel = channel(service).await;
    let organization = world.organization.clone();
    let account = world.account.clone();
    let user = world.user.clone();
    macro_rules! call {
        ($client:ident . $method:ident ( $message:expr )) => {
            $client::new(channel)
                .$method(with_token(token, $message))
                .await
                .map(drop)
        };
    }
    match operation {
        "CreateOrganization" => call!(OrganizationServiceClient.create_organization(
            v1::CreateOrganizationRequest {
                name: fresh_name("org"),
                ..Default::default()
            }
        )),
        "ListOrganizations" => {
            call!(OrganizationServiceClient.list_organizations(v1::ListOrganizationsRequest::default()))
        }
        "GetOrganization" => {
            call!(OrganizationServiceClient.get_organization(v1::GetOrganizationRequest { organization }))
        }
        "UpdateOrganization" => call!(OrganizationServiceClient.update_organization(
            v1::UpdateOrganizationRequest {
                organization,
                quotas: Some(v1::OrganizationQuotasChange {
                    users: Some(7),
                    ..Default::default()
                }),
            }
        )),
        "DeleteOrganization" => {
            call!(
                OrganizationServiceClient.delete_organization(v1::DeleteOrganizationRequest { organization })
            )
        }
        "CreateAccount" => call!(AccountServiceClient.create_account(v1::CreateAccountRequest {
            organization,
            name: fresh_name("account"),
            ..Default::default()
        })),
        "ListAccounts" => call!(AccountServiceClient.list_accounts(v1::ListAccountsRequest {
            organization,
            ..Default::default()
        })),
        "GetAccount" => call!(AccountServiceClient.get_account(v1::GetAccountRequest { account })),
        "UpdateAccount" => call!(AccountServiceClient.update_account(v1::UpdateAccountRequest {
            account,
            limits: Some(v1::AccountLimitsChange {
                connections: Some(5),
                ..Default::default()
            }),
            wait_applied: false,
        })),
        "DeleteAccount" => {
            call!(AccountServiceClient.delete_account(v1::DeleteAccountRequest {
                account,
                wait_applied: false
            }))
        }
        "SuspendAccount" => call!(AccountServiceClient.suspend_account(v1::SuspendAccountRequest {
            account,
            reason: "unpaid".into(),
            wait_applied: false,
        })),
        "ResumeAccount" => {
            call!(AccountServiceClient.resume_account(v1::ResumeAccountRequest {
                account,
                wait_applied: false
            }))
        }
        "GetAccountRollout" => {
            call!(AccountServiceClient.get_account_rollout(v1::GetAccountRolloutRequest { account }))
        }
        "RequestInAccount" => call!(
            AccountServiceClient.request_in_account(v1::RequestInAccountRequest {
                account,
                subject: "a.b".into(),
                ..Default::default()
            })
        ),
        "GetAccountUsage" => call!(UsageServiceClient.get_account_usage(v1::GetAccountUsageRequest {
            account,
            ..Default::default()
        })),
        "CreateUser" => call!(UserServiceClient.create_user(v1::CreateUserRequest {
            account,
            name: fresh_name("user"),
            permissions: None,
        })),
        "ListUsers" => {
            call!(UserServiceClient.list_users(v1::ListUsersRequest {
                account,
                ..Default::default()
            }))
        }
        "GetUser" => call!(UserServiceClient.get_user(v1::GetUserRequest { account, user })),
        "DeleteUser" => {
            call!(UserServiceClient.delete_user(v1::DeleteUserRequest {
                account,
                user,
                wait_applied: false
            }))
        }
        "IssueCredentials" => call!(UserServiceClient.issue_credentials(v1::IssueCredentialsRequest {
            account,
            user,
            lifetime_seconds: 0,
        })),
        "ListIssuances" => call!(UserServiceClient.list_issuances(v1::ListIssuancesRequest {
            account,
            user,
            ..Default::default()
        })),
        "RevokeIssuance" => call!(UserServiceClient.revoke_issuance(v1::RevokeIssuanceRequest {
            account,
            user,
            issuance: world.issuance.clone(),
            wait_applied: false,
        })),
        "CreateApiToken" => call!(ApiTokenServiceClient.create_api_token(v1::CreateApiTokenRequest {
            organization,
            name: "new".into(),
            role: "viewer".into(),
            lifetime_seconds: 0,
        })),
        "ListApiTokens" => call!(ApiTokenServiceClient.list_api_tokens(v1::ListApiTokensRequest {
            organization,
            ..Default::default()
        })),
        "DeleteApiToken" => call!(ApiTokenServiceClient.delete_api_token(v1::DeleteApiTokenRequest {
            organization,
            api_token: world.spare_token.clone(),
        })),
        "CreateCell" => {
            call!(CellServiceClient.create_cell(v1::CreateCellRequest {
                name: fresh_name("cell")
            }))
        }
        "ListCells" => call!(CellServiceClient.list_cells(v1::ListCellsRequest::default())),
        "GetCell" => call!(CellServiceClient.get_cell(v1::GetCellRequest {
            cell: world.cell.clone()
        })),
        "DeleteCell" => call!(CellServiceClient.delete_cell(v1::DeleteCellRequest {
            cell: world.cell.clone()
        })),
        "CreateEnrolmentToken" => call!(CellServiceClient.create_enrolment_token(
            v1::CreateEnrolmentTokenRequest {
                cell: world.cell.clone(),
                lifetime_seconds: 0,
            }
        )),
        other => panic!("the operation {other} is not known to the test client: add it"),
    }
}
