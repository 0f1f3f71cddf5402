//! The OpenAPI document: made from the routes, so that it cannot tell of others.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::route;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tollway",
        description = "Isolated messaging accounts on the NATS protocol. Failures are problem+json; their codes are at /v1/error-codes.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "organizations", description = "Tenants"),
        (name = "accounts", description = "Isolated messaging accounts of an organization"),
        (name = "users", description = "Users of an account, and the credentials issued for them"),
        (name = "usage", description = "What accounts used"),
        (name = "api-tokens", description = "Tokens for this API"),
        (name = "cells", description = "Where accounts are served; for platform admins"),
        (name = "errors", description = "What can go wrong"),
    ),
    // Every route may fail with them; the derived answer only refers to them.
    components(schemas(tollway_api::Problem, tollway_api::FieldError)),
    modifiers(&BearerToken)
)]
pub(super) struct ApiDoc;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API token, `tlw_...`"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
}

/// The whole document.
pub fn document() -> Document {
    utoipa_axum::router::OpenApiRouter::with_openapi(ApiDoc::openapi())
        .merge(route::api())
        .into_openapi()
}
