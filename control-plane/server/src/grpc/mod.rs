//! The public port's gRPC side: the same application layer as REST, in protobuf.

mod account;
mod api_token;
mod call;
mod cell;
mod message;
mod organization;
mod status;
mod usage;
mod user;

pub use status::{CODE_KEY, PROBLEM_KEY, RESOURCE_KEY};

use axum::{
    Router,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use tollway_api::{Problem, ProblemCode};
use tollway_proto::v1::{
    account_service_server::AccountServiceServer, api_token_service_server::ApiTokenServiceServer,
    cell_service_server::CellServiceServer, organization_service_server::OrganizationServiceServer,
    usage_service_server::UsageServiceServer, user_service_server::UserServiceServer,
};
use tonic::{server::NamedService, service::Routes};

use self::call::Api;
use crate::{
    app::App,
    bounds::{ANONYMOUS_BODY_BYTES_MAX, REQUEST_BODY_BYTES_MAX},
    call_origin::CallOrigin,
    http::{ProblemResponse, anonymous, bearer},
    peers::Peer,
    request_id::RequestId,
};

/// What the paths of our own services begin with; others (health, reflection) are anybody's.
const OUR_SERVICES: &str = "/tollway.v1.";

/// Every gRPC service, each under its own path, with reflection and health.
pub(crate) async fn router(app: App) -> Router {
    let api = Api;
    // Anybody may ask these, and they are asked little.
    let small = ANONYMOUS_BODY_BYTES_MAX;
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<AccountServiceServer<Api>>().await;
    let reflection = |builder: tonic_reflection::server::Builder<'static>| {
        builder
            .register_encoded_file_descriptor_set(tollway_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // The fleet's services are on another port, which only nodes may use.
            .with_service_name(AccountServiceServer::<Api>::NAME)
            .with_service_name(ApiTokenServiceServer::<Api>::NAME)
            .with_service_name(CellServiceServer::<Api>::NAME)
            .with_service_name(OrganizationServiceServer::<Api>::NAME)
            .with_service_name(UsageServiceServer::<Api>::NAME)
            .with_service_name(UserServiceServer::<Api>::NAME)
            .with_service_name("grpc.health.v1.Health")
    };
    Routes::default()
        .add_service(AccountServiceServer::new(api.clone()).max_decoding_message_size(REQUEST_BODY_BYTES_MAX))
        .add_service(
            ApiTokenServiceServer::new(api.clone()).max_decoding_message_size(REQUEST_BODY_BYTES_MAX),
        )
        .add_service(CellServiceServer::new(api.clone()).max_decoding_message_size(REQUEST_BODY_BYTES_MAX))
        .add_service(
            OrganizationServiceServer::new(api.clone()).max_decoding_message_size(REQUEST_BODY_BYTES_MAX),
        )
        .add_service(UsageServiceServer::new(api.clone()).max_decoding_message_size(REQUEST_BODY_BYTES_MAX))
        .add_service(UserServiceServer::new(api).max_decoding_message_size(REQUEST_BODY_BYTES_MAX))
        .add_service(health_service.max_decoding_message_size(small))
        .add_service(
            reflection(tonic_reflection::server::Builder::configure())
                .build_v1()
                .expect("the descriptors were made by the same build")
                .max_decoding_message_size(small),
        )
        .add_service(
            // grpcurl and others still ask for the older version.
            reflection(tonic_reflection::server::Builder::configure())
                .build_v1alpha()
                .expect("the descriptors were made by the same build")
                .max_decoding_message_size(small),
        )
        .into_axum_router()
        // tonic's own fallback would answer every unknown path of the port, also to browsers.
        .reset_fallback()
        .layer(axum::middleware::from_fn_with_state(app, door))
}

/// Whether the caller speaks gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Lets calls of our own services in when it is known who calls, before anything of the message is
/// read. A call of another protocol to a service's path is told so in its own protocol.
async fn door(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if !is_grpc(request.headers()) {
        let problem = Problem::new(ProblemCode::UnsupportedMediaType)
            .with_detail("this path is a gRPC method; the REST routes are in /openapi.json");
        return ProblemResponse::from(problem).into_response();
    }
    if !request.uri().path().starts_with(OUR_SERVICES) {
        return anonymous(next.run(request).await);
    }
    let request_id = request
        .extensions()
        .get::<RequestId>()
        .cloned()
        .unwrap_or_else(RequestId::generate);
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(bearer)
        .map(str::to_owned);
    let peer = Peer::of_call(request.extensions());
    let entered = match token {
        Some(token) => app.authenticate(&token, peer, request_id.clone()).await,
        None => Err(ProblemCode::Unauthorized.into()),
    };
    match entered {
        Ok(op) => {
            CallOrigin::note(request.extensions(), op.principal());
            let method = request.uri().path().rsplit('/').next().unwrap_or_default();
            if let Err(error) = op.check_role(method) {
                return status::status(error.into(), &request_id).into_http();
            }
            request.extensions_mut().insert(op);
            next.run(request).await
        }
        Err(error) => anonymous(status::status(error.into(), &request_id).into_http()),
    }
}
