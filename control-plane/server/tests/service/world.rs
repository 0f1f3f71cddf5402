//! Two organizations, one with everything in it.

use reqwest::Method;
use serde_json::json;
use tollway::secrets::random_array;

use crate::fixture::{Service, text};

/// One organization with an account, a user, an issuance and tokens of every role; and the owner of another.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) admin: String,
    pub(crate) owner: String,
    pub(crate) organization_admin: String,
    pub(crate) developer: String,
    pub(crate) viewer: String,
    pub(crate) other_tenant: String,
    pub(crate) organization: String,
    pub(crate) other_organization: String,
    pub(crate) account: String,
    pub(crate) account_key: String,
    pub(crate) user: String,
    pub(crate) issuance: String,
    /// A token that nobody calls with.
    pub(crate) spare_token: String,
    pub(crate) cell: String,
}

/// A name that no other world has.
pub(crate) fn fresh_name(prefix: &str) -> String {
    let number = u64::from_ne_bytes(random_array());
    format!("{prefix}-{number:016x}")
}

impl World {
    pub(crate) async fn make(service: &Service) -> Self {
        let cell = fresh_name("cell");
        service
            .admin(Method::POST, "/v1/cells", json!({ "name": cell }))
            .await;
        let organization = Self::organization(service).await;
        let other_organization = Self::organization(service).await;
        let accounts = format!("/v1/organizations/{organization}/accounts");
        let account = service
            .admin(
                Method::POST,
                &accounts,
                json!({ "name": fresh_name("account"), "cell": cell }),
            )
            .await;
        let (account, account_key) = (
            text(&account, "id").to_owned(),
            text(&account, "public_key").to_owned(),
        );
        let users = format!("/v1/accounts/{account}/users");
        let user = service
            .admin(Method::POST, &users, json!({ "name": "worker" }))
            .await;
        let user = text(&user, "id").to_owned();
        let issued = service
            .admin(Method::POST, &format!("{users}/{user}/issuances"), json!({}))
            .await;
        let issuance = text(&issued["issuance"], "id").to_owned();
        let (_, owner) = Self::token(service, &organization, "owner").await;
        let (_, organization_admin) = Self::token(service, &organization, "admin").await;
        let (_, developer) = Self::token(service, &organization, "developer").await;
        let (_, viewer) = Self::token(service, &organization, "viewer").await;
        let (spare_token, _) = Self::token(service, &organization, "viewer").await;
        let (_, other_tenant) = Self::token(service, &other_organization, "owner").await;
        Self {
            admin: service.admin_token.clone(),
            owner,
            organization_admin,
            developer,
            viewer,
            other_tenant,
            organization,
            other_organization,
            account,
            account_key,
            user,
            issuance,
            spare_token,
            cell,
        }
    }

    async fn organization(service: &Service) -> String {
        let organization = service
            .admin(
                Method::POST,
                "/v1/organizations",
                json!({ "name": fresh_name("org") }),
            )
            .await;
        text(&organization, "id").to_owned()
    }

    /// Id and secret of a new token.
    async fn token(service: &Service, organization: &str, role: &str) -> (String, String) {
        let path = format!("/v1/organizations/{organization}/api-tokens");
        let made = service
            .admin(Method::POST, &path, json!({ "name": role, "role": role }))
            .await;
        (
            text(&made["api_token"], "id").to_owned(),
            text(&made, "secret").to_owned(),
        )
    }
}
