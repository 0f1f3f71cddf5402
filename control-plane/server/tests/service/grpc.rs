//! What gRPC clients expect beside the methods: health, reflection, limits.

use tollway_proto::v1;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{
    fixture::Service,
    grpc_client::{channel, with_token},
    world::World,
};

#[tokio::test]
async fn health_and_reflection_answer_and_do_not_show_the_fleet() {
    let service = Service::start().await;
    let channel = channel(&service).await;
    let health = HealthClient::new(channel.clone())
        .check(HealthCheckRequest::default())
        .await
        .unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);

    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let MessageResponse::ListServicesResponse(services) = answer else {
        panic!("not a list: {answer:?}");
    };
    let names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    assert!(
        names.contains(&"tollway.v1.AccountService".to_owned()),
        "{names:?}"
    );
    assert!(!names.iter().any(|name| name.contains("fleet")), "{names:?}");
}

#[tokio::test]
async fn messages_that_are_too_large_are_refused() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let message = v1::RequestInAccountRequest {
        account: world.account.clone(),
        subject: "a".into(),
        payload: vec![0; 1024 * 1024],
        timeout_ms: 0,
    };
    let mut client = v1::account_service_client::AccountServiceClient::new(channel(&service).await);
    let status = client
        .request_in_account(with_token(Some(&world.owner), message))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
}
