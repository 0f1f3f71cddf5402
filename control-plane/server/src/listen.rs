//! Listeners, and the loop that serves HTTP/1.1 and HTTP/2 without TLS on one port.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use crate::bounds::{
    CONNECTION_STREAMS_MAX, HEADER_LIST_BYTES_MAX, HEADER_WAIT, LISTEN_BACKLOG, PUBLIC_CONNECTIONS_MAX,
    STOP_WAIT,
};

/// A port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for {purpose}: stop the program that has the port, or choose another with {flag}"
)]
pub struct ListenError {
    address: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
    #[source]
    source: io::Error,
}

/// Opens a port; 0 means any free one. `flag` is the option that chooses it, for the error's advice.
pub fn bind(
    address: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
) -> Result<TcpListener, ListenError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted process must not wait until the kernel has forgotten the last one's connections.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(LISTEN_BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|source| ListenError {
        address,
        purpose,
        flag,
        source,
    })
}

/// The address that a listener got; the one that was asked for, should the kernel not say.
pub fn address(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

/// The next connection. Errors of one connection, or a moment without file descriptors, end no listener.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Small answers must not wait for an acknowledgement; a socket that refuses the option still works.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Serves `router` until `stop`, then lets open calls finish for at most [`STOP_WAIT`].
pub fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WAIT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONNECTION_STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let connections = Arc::new(Semaphore::new(PUBLIC_CONNECTIONS_MAX));
    async move {
        let graceful = GracefulShutdown::new();
        loop {
            let permit = tokio::select! {
                permit = Arc::clone(&connections).acquire_owned() => permit.expect("the semaphore is never closed"),
                () = stop.cancelled() => break,
            };
            let stream = tokio::select! {
                stream = accept(&listener) => stream,
                () = stop.cancelled() => break,
            };
            let service = TowerToHyperService::new(router.clone());
            let connection = builder
                .serve_connection(TokioIo::new(stream), service)
                .into_owned();
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                // What ends a client's connection is the client's business; nothing is lost on our side.
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(permit);
            });
        }
        // New connections are refused from here on, by the kernel.
        drop(listener);
        if tokio::time::timeout(STOP_WAIT, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("some calls did not finish in time and were cut");
        }
    }
}
