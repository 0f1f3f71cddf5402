//! The fleet port.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use http_body_util::Limited;
use tokio::{
    net::TcpListener,
    time::{interval, sleep},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tollway_proto::fleet::fleet_service_server::FleetServiceServer;
use tonic::{service::Routes, transport::Server};

use super::{Fleet, FleetPeer, FleetTls, connections};
use crate::{
    app::{App, chain},
    bounds::{
        FLEET_CERTIFICATE_RENEW_INTERVAL, FLEET_MESSAGE_BYTES_MAX, FLEET_STRANGER_BODY_BYTES_MAX,
        FLEET_STREAMS_MAX, STOP_WAIT,
    },
    clock,
};

/// Serves nodes until `stop`; their streams then end, and they attach elsewhere or later.
pub(crate) async fn serve(listener: TcpListener, tls: Arc<FleetTls>, app: App, stop: CancellationToken) {
    let service = FleetServiceServer::new(Fleet::new(app, stop.clone()))
        .max_decoding_message_size(FLEET_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(FLEET_MESSAGE_BYTES_MAX);
    let incoming = ReceiverStream::new(connections(listener, Arc::clone(&tls), stop.clone()));
    let routes = Routes::new(service)
        .into_axum_router()
        .layer(from_fn(short_unless_known));
    let server = Server::builder()
        // A node whose machine is gone says nothing; this finds out within half a minute.
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .max_concurrent_streams(FLEET_STREAMS_MAX)
        .add_routes(Routes::from(routes))
        .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
    let bounded = async {
        stop.cancelled().await;
        sleep(STOP_WAIT).await;
    };
    tokio::select! {
        served = server => {
            if let Err(error) = served {
                tracing::error!(error = chain(&error), "the fleet port failed");
            }
        }
        () = bounded => tracing::warn!("some fleet streams did not end in time and were cut"),
        () = renew(&tls) => {}
    }
}

/// Reads only so much of somebody without a certificate: a request to enrol is short.
async fn short_unless_known(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<FleetPeer>();
    if peer.is_some_and(|peer| peer.certificate.is_some()) {
        return next.run(request).await;
    }
    let short = |body| Body::new(Limited::new(body, FLEET_STRANGER_BODY_BYTES_MAX));
    next.run(request.map(short)).await
}

/// Gives the listener a new certificate every day, long before the last one ends.
async fn renew(tls: &FleetTls) {
    let mut tick = interval(FLEET_CERTIFICATE_RENEW_INTERVAL);
    // The first tick is at once, and the certificate is fresh.
    tick.tick().await;
    loop {
        tick.tick().await;
        if let Err(error) = tls.renew(clock::now()) {
            tracing::error!(
                error = chain(&error),
                "the fleet certificate could not be renewed"
            );
        }
    }
}
