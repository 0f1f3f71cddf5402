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

use crate::{
    bounds::{
        CONNECTION_STREAMS_MAX, HEADER_LIST_BYTES_MAX, HEADER_WAIT, LISTEN_BACKLOG, PUBLIC_CONNECTIONS_MAX,
        STOP_WAIT,
    },
    opening::Opening,
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
            let stream = TokioIo::new(Opening::new(stream, HEADER_WAIT));
            let connection = builder.serve_connection(stream, service).into_owned();
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn serving() -> (SocketAddr, CancellationToken) {
        let listener = bind("127.0.0.1:0".parse().unwrap(), "a test", "--listen").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let slow = axum::routing::get(async || tokio::time::sleep(HEADER_WAIT * 2).await);
        tokio::spawn(serve(listener, Router::new().route("/", slow), stop.clone()));
        (address, stop)
    }

    /// The clock is the test's: it jumps to the next deadline whenever everybody waits.
    #[tokio::test(start_paused = true)]
    async fn connection_that_does_not_say_what_it_wants_is_closed() {
        let (address, _stop) = serving().await;
        let beginnings: [&[u8]; 5] = [
            b"",
            b"G",
            b"PRI * HT",
            b"GET / HTTP/1.1\r\nHost:",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
        ];
        for beginning in beginnings {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(beginning).await.unwrap();
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(HEADER_WAIT * 10, stream.read_to_end(&mut answer)).await;
            assert!(
                ended.is_ok(),
                "{:?} keeps its place",
                beginning.escape_ascii().to_string()
            );
        }
    }

    /// Shorter than the beginning of HTTP/2, so it must not be waited for more of it.
    #[tokio::test(start_paused = true)]
    async fn short_request_may_take_longer_than_its_headers_might() {
        let (address, _stop) = serving().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer:?}");
    }
}
