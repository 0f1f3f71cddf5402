//! Every route and every gRPC method, for every actor.

use std::collections::BTreeSet;

use prost::Message;
use prost_types::FileDescriptorSet;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    actor::ACTORS,
    fixture::{Answer, Service},
    grpc_client,
    world::{World, fresh_name},
};

/// What an actor meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    /// Anything but a denial.
    Allowed,
    /// Who are you?
    Unauthorized,
    /// You may not.
    Forbidden,
    /// There is nothing here.
    NotFound,
}

use Met::{Allowed as Y, Forbidden as F, NotFound as N, Unauthorized as U};

/// One operation: its name in both APIs, its REST form, and what each actor of [`ACTORS`] meets.
struct Row {
    operation: &'static str,
    method: Method,
    path: &'static str,
    body: fn() -> Value,
    /// Anonymous, Forger, PlatformAdmin, Owner, Admin, Developer, Viewer, OtherTenant.
    met: [Met; 8],
}

fn none() -> Value {
    Value::Null
}

fn named() -> Value {
    json!({ "name": fresh_name("new") })
}

const TABLE: &[Row] = &[
    Row {
        operation: "CreateOrganization",
        method: Method::POST,
        path: "/v1/organizations",
        body: named,
        met: [U, U, Y, F, F, F, F, F],
    },
    Row {
        operation: "ListOrganizations",
        method: Method::GET,
        path: "/v1/organizations",
        body: none,
        met: [U, U, Y, Y, Y, Y, Y, Y],
    },
    Row {
        operation: "GetOrganization",
        method: Method::GET,
        path: "/v1/organizations/{organization}",
        body: none,
        met: [U, U, Y, Y, Y, Y, Y, N],
    },
    Row {
        operation: "UpdateOrganization",
        method: Method::PATCH,
        path: "/v1/organizations/{organization}",
        body: || json!({ "quotas": { "accounts": 7 } }),
        met: [U, U, Y, F, F, F, F, F],
    },
    Row {
        operation: "DeleteOrganization",
        method: Method::DELETE,
        path: "/v1/organizations/{organization}",
        body: none,
        met: [U, U, Y, F, F, F, F, F],
    },
    Row {
        operation: "CreateAccount",
        method: Method::POST,
        path: "/v1/organizations/{organization}/accounts",
        body: named,
        met: [U, U, Y, Y, Y, F, F, N],
    },
    Row {
        operation: "ListAccounts",
        method: Method::GET,
        path: "/v1/organizations/{organization}/accounts",
        body: none,
        met: [U, U, Y, Y, Y, Y, Y, N],
    },
    Row {
        operation: "GetAccount",
        method: Method::GET,
        path: "/v1/accounts/{account}",
        body: none,
        met: [U, U, Y, Y, Y, Y, Y, N],
    },
    Row {
        operation: "UpdateAccount",
        method: Method::PATCH,
        path: "/v1/accounts/{account}",
        body: || json!({ "limits": { "connections": 5 } }),
        met: [U, U, Y, Y, Y, F, F, N],
    },
    Row {
        operation: "DeleteAccount",
        method: Method::DELETE,
        path: "/v1/accounts/{account}",
        body: none,
        met: [U, U, Y, Y, Y, F, F, N],
    },
    Row {
        operation: "SuspendAccount",
        method: Method::POST,
        path: "/v1/accounts/{account}/suspend",
        body: || json!({ "reason": "unpaid" }),
        met: [U, U, Y, Y, Y, F, F, N],
    },
    Row {
        operation: "ResumeAccount",
        method: Method::POST,
        path: "/v1/accounts/{account}/resume",
        body: none,
        met: [U, U, Y, Y, Y, F, F, N],
    },
    Row {
        operation: "GetAccountRollout",
        method: Method::GET,
        path: "/v1/accounts/{account}/rollout",
        body: none,
        met: [U, U, Y, Y, Y, Y, Y, N],
    },
    Row {
        operation: "RequestInAccount",
        method: Method::POST,
        path: "/v1/accounts/{account}/request",
        body: || json!({ "subject": "a.b" }),
        met: [U, U, Y, Y, Y, Y, F, N],
    },
    Row {
        operation: "GetAccountUsage",
        method: Method::GET,
        path: "/v1/accounts/{account}/usage",
        body: none,
        met: [U, U, Y, Y, Y, Y, Y, N],
    },
    Row {
        operation: "CreateUser",
        method: Method::POST,
        path: "/v1/accounts/{account}/users",
        body: named,
        met: [U, U, Y, Y, Y, Y, F, N],
    },
    Row {
        operation: "ListUsers",
        method: Method::GET,
        path: "/v1/accounts/{account}/users",
        body: none,
        met: [U, U, Y, Y, Y, Y, Y, N],
    },
    Row {
        operation: "GetUser",
        method: Method::GET,
        path: "/v1/accounts/{account}/users/{user}",
        body: none,
        met: [U, U, Y, Y, Y, Y, Y, N],
    },
    Row {
        operation: "DeleteUser",
        method: Method::DELETE,
        path: "/v1/accounts/{account}/users/{user}",
        body: none,
        met: [U, U, Y, Y, Y, Y, F, N],
    },
    Row {
        operation: "IssueCredentials",
        method: Method::POST,
        path: "/v1/accounts/{account}/users/{user}/issuances",
        body: none,
        met: [U, U, Y, Y, Y, Y, F, N],
    },
    Row {
        operation: "ListIssuances",
        method: Method::GET,
        path: "/v1/accounts/{account}/users/{user}/issuances",
        body: none,
        met: [U, U, Y, Y, Y, Y, Y, N],
    },
    Row {
        operation: "RevokeIssuance",
        method: Method::POST,
        path: "/v1/accounts/{account}/users/{user}/issuances/{issuance}/revoke",
        body: none,
        met: [U, U, Y, Y, Y, Y, F, N],
    },
    Row {
        operation: "CreateApiToken",
        method: Method::POST,
        path: "/v1/organizations/{organization}/api-tokens",
        body: || json!({ "name": "new", "role": "viewer" }),
        met: [U, U, Y, Y, F, F, F, N],
    },
    Row {
        operation: "ListApiTokens",
        method: Method::GET,
        path: "/v1/organizations/{organization}/api-tokens",
        body: none,
        met: [U, U, Y, Y, Y, F, F, N],
    },
    Row {
        operation: "DeleteApiToken",
        method: Method::DELETE,
        path: "/v1/organizations/{organization}/api-tokens/{api_token}",
        body: none,
        met: [U, U, Y, Y, F, F, F, N],
    },
    Row {
        operation: "CreateCell",
        method: Method::POST,
        path: "/v1/cells",
        body: named,
        met: [U, U, Y, F, F, F, F, F],
    },
    Row {
        operation: "ListCells",
        method: Method::GET,
        path: "/v1/cells",
        body: none,
        met: [U, U, Y, F, F, F, F, F],
    },
    Row {
        operation: "GetCell",
        method: Method::GET,
        path: "/v1/cells/{cell}",
        body: none,
        met: [U, U, Y, F, F, F, F, F],
    },
    Row {
        operation: "DeleteCell",
        method: Method::DELETE,
        path: "/v1/cells/{cell}",
        body: none,
        met: [U, U, Y, F, F, F, F, F],
    },
    Row {
        operation: "CreateEnrolmentToken",
        method: Method::POST,
        path: "/v1/cells/{cell}/enrolment-tokens",
        body: none,
        met: [U, U, Y, F, F, F, F, F],
    },
];

/// Operations that everybody may call.
const PUBLIC: &[&str] = &["ListErrorCodes"];

fn path(row: &Row, world: &World) -> String {
    row.path
        .replace("{organization}", &world.organization)
        .replace("{account}", &world.account)
        .replace("{user}", &world.user)
        .replace("{issuance}", &world.issuance)
        .replace("{api_token}", &world.spare_token)
        .replace("{cell}", &world.cell)
}

/// Operation, method and path of every route in the OpenAPI document.
fn routes() -> BTreeSet<(String, String, String)> {
    let document = serde_json::to_value(tollway::http::openapi_document()).unwrap();
    let mut routes = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let operation = operation["operationId"].as_str().unwrap().to_owned();
            routes.insert((operation, method.to_uppercase(), path.clone()));
        }
    }
    routes
}

/// Every method of the public gRPC services.
fn methods() -> BTreeSet<String> {
    let descriptors = FileDescriptorSet::decode(tollway_proto::DESCRIPTORS).unwrap();
    let public = descriptors
        .file
        .into_iter()
        .filter(|file| file.package() == "tollway.v1");
    public
        .flat_map(|file| file.service)
        .flat_map(|service| service.method)
        .map(|method| method.name().to_owned())
        .collect()
}

#[test]
fn every_route_and_every_method_stands_in_the_table() {
    let mut rows: BTreeSet<_> = TABLE
        .iter()
        .map(|row| {
            (
                row.operation.to_owned(),
                row.method.to_string(),
                row.path.to_owned(),
            )
        })
        .collect();
    let operations: BTreeSet<_> = TABLE.iter().map(|row| row.operation.to_owned()).collect();
    assert_eq!(methods(), operations, "both APIs have the same operations");
    let public = routes()
        .into_iter()
        .filter(|(operation, ..)| PUBLIC.contains(&operation.as_str()));
    rows.extend(public);
    assert_eq!(routes(), rows);
}

fn met_over_rest(answer: &Answer) -> Met {
    let expected = match answer.status {
        StatusCode::UNAUTHORIZED => (Met::Unauthorized, "unauthorized"),
        StatusCode::FORBIDDEN => (Met::Forbidden, "forbidden"),
        StatusCode::NOT_FOUND => (Met::NotFound, "not_found"),
        status => {
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{answer:?}");
            return Met::Allowed;
        }
    };
    assert_eq!(answer.code(), expected.1);
    if expected.0 == Met::Unauthorized {
        assert!(
            answer.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Bearer")
        );
    }
    expected.0
}

fn met_over_grpc(outcome: Result<(), tonic::Status>) -> Met {
    let Err(status) = outcome else {
        return Met::Allowed;
    };
    let code = status
        .metadata()
        .get(tollway::grpc::CODE_KEY)
        .unwrap_or_else(|| panic!("{status:?}"));
    match status.code() {
        tonic::Code::Unauthenticated => {
            assert_eq!(code, "unauthorized");
            Met::Unauthorized
        }
        tonic::Code::PermissionDenied => {
            assert_eq!(code, "forbidden");
            Met::Forbidden
        }
        tonic::Code::NotFound => {
            assert_eq!(code, "not_found");
            Met::NotFound
        }
        other => {
            assert!(
                !matches!(other, tonic::Code::Internal | tonic::Code::Unknown),
                "{status:?}"
            );
            Met::Allowed
        }
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_the_table_says() {
    let service = Service::start().await;
    for row in TABLE {
        let mut world = World::make(&service).await;
        for (actor, expected) in ACTORS.iter().zip(row.met) {
            let token = actor.token(&world);
            let answer = service
                .call(token, row.method.clone(), &path(row, &world), (row.body)())
                .await;
            let met = met_over_rest(&answer);
            assert_eq!(met, expected, "{} as {}: {answer:?}", row.operation, actor.name());
            // What was allowed may have deleted what the next actor asks about.
            if met == Met::Allowed && row.method == Method::DELETE {
                world = World::make(&service).await;
            }
        }
    }
    service.control_plane.unwrap().stop().await;
}

#[tokio::test]
async fn every_method_lets_in_whom_the_table_says() {
    let service = Service::start().await;
    for row in TABLE {
        let mut world = World::make(&service).await;
        for (actor, expected) in ACTORS.iter().zip(row.met) {
            let token = actor.token(&world).map(str::to_owned);
            let outcome = grpc_client::call(&service, token.as_deref(), row.operation, &world).await;
            let met = met_over_grpc(outcome);
            assert_eq!(met, expected, "{} as {}", row.operation, actor.name());
            if met == Met::Allowed && row.method == Method::DELETE {
                world = World::make(&service).await;
            }
        }
    }
    service.control_plane.unwrap().stop().await;
}
