//! Listeners, and the loop that serves HTTP/1.1 and HTTP/2 without TLS on one port.
//!
//! Anybody may connect, so a connection costs little and lasts only while it is used: places are
//! counted, also by peer; a connection without an open call is closed after a while, and every
//! connection at some time, which clients of either protocol are told in order.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    body_room::BodyRooms,
    bounds::{
        CONNECTION_AGE_MAX, CONNECTION_CLOSE_WAIT, CONNECTION_IDLE_MAX, CONNECTION_STREAMS_MAX,
        CONNECTION_WINDOW_BYTES, HEADER_LIST_BYTES_MAX, HEADER_WAIT, HTTP1_BUFFER_BYTES_MAX, LISTEN_BACKLOG,
        PUBLIC_CONNECTIONS_MAX, STOP_WAIT, STREAM_BUFFER_BYTES_MAX,
    },
    http2_frames::FrameGuard,
    open_calls::{OpenCalls, serve_call},
    opening::Opening,
    peers::{Peer, Peers},
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

impl ListenError {
    /// The same for a command that has other names for the options.
    pub(crate) fn with_flags(mut self, names: &[(&str, &'static str)]) -> Self {
        if let Some((_, other)) = names.iter().find(|(flag, _)| *flag == self.flag) {
            self.flag = other;
        }
        self
    }
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
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Small answers must not wait for an acknowledgement; a socket that refuses the option still works.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
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
        // Also the time that a connection waits for its next call.
        .header_read_timeout(HEADER_WAIT)
        .max_buf_size(HTTP1_BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONNECTION_STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .initial_stream_window_size(STREAM_BUFFER_BYTES_MAX)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(STREAM_BUFFER_BYTES_MAX as usize)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let connections = Arc::new(Semaphore::new(PUBLIC_CONNECTIONS_MAX));
    let rooms = BodyRooms::new();
    let peers = Peers::default();
    async move {
        let (served, cut) = (TaskTracker::new(), CancellationToken::new());
        loop {
            let permit = tokio::select! {
                permit = Arc::clone(&connections).acquire_owned() => permit.expect("the semaphore is never closed"),
                () = stop.cancelled() => break,
            };
            let (stream, peer) = tokio::select! {
                accepted = accept(&listener) => accepted,
                () = stop.cancelled() => break,
            };
            let Some(place) = peers.take(Peer::of(peer.ip())) else {
                tracing::debug!(%peer, "closed a connection: its peer has enough of them");
                continue;
            };
            let calls = OpenCalls::new();
            let (place, enough) = (Arc::new(place), Arc::new(Notify::new()));
            let service = service_fn({
                let (router, calls, rooms) = (router.clone(), calls.clone(), rooms.clone());
                let (place, enough) = (Arc::clone(&place), Arc::clone(&enough));
                move |request| {
                    let (place, enough) = (Arc::clone(&place), Arc::clone(&enough));
                    let call = serve_call(
                        router.clone(),
                        calls.clone(),
                        rooms.clone(),
                        place,
                        enough,
                        request,
                    );
                    async { Ok::<_, Infallible>(call.await) }
                }
            });
            let stream = TokioIo::new(FrameGuard::new(Opening::new(stream, HEADER_WAIT)));
            let connection = builder.serve_connection(stream, service).into_owned();
            let (stop, cut) = (stop.clone(), cut.clone());
            served.spawn(async move {
                let mut connection = pin!(connection);
                let old = Instant::now() + CONNECTION_AGE_MAX;
                // When it is cut, once it was told to end.
                let mut ends: Option<Instant> = None;
                loop {
                    let look = ends.unwrap_or_else(|| calls.idle_until(CONNECTION_IDLE_MAX).min(old));
                    tokio::select! {
                        // What ends a client's connection is the client's business; nothing is lost on our side.
                        ended = connection.as_mut() => {
                            if let Err(error) = ended {
                                tracing::debug!(%error, "a connection ended early");
                            }
                            break;
                        }
                        () = sleep_until(look) => {
                            let now = Instant::now();
                            if ends.is_some() {
                                break;
                            }
                            if now >= old || calls.idle_until(CONNECTION_IDLE_MAX) <= now {
                                connection.as_mut().graceful_shutdown();
                                ends = Some(now + CONNECTION_CLOSE_WAIT);
                            }
                        }
                        () = enough.notified(), if ends.is_none() => {
                            connection.as_mut().graceful_shutdown();
                            ends = Some(Instant::now() + CONNECTION_CLOSE_WAIT);
                        }
                        () = stop.cancelled(), if ends.is_none() => {
                            connection.as_mut().graceful_shutdown();
                            ends = Some(Instant::now() + CONNECTION_CLOSE_WAIT);
                        }
                        () = cut.cancelled() => break,
                    }
                }
                drop((permit, place));
            });
        }
        // New connections are refused from here on, by the kernel.
        drop(listener);
        served.close();
        if tokio::time::timeout(STOP_WAIT, served.wait()).await.is_err() {
            tracing::warn!("some calls did not finish in time and were cut");
            cut.cancel();
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

    async fn echo() -> (SocketAddr, CancellationToken) {
        let listener = bind("127.0.0.1:0".parse().unwrap(), "a test", "--listen").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new()
            .route(
                "/refuse",
                axum::routing::post(async || http::StatusCode::UNAUTHORIZED),
            )
            .route("/echo", axum::routing::post(async |body: String| body));
        tokio::spawn(serve(listener, router, stop.clone()));
        (address, stop)
    }

    /// A connection that speaks HTTP/2, has no call open and answers every ping.
    async fn idle_http2(address: SocketAddr) -> io::Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            stream.read_exact(&mut payload).await?;
            let (ping, settings, is_answer) = (head[3] == 6, head[3] == 4, head[4] & 1 == 1);
            if ping && !is_answer {
                stream.write_all(&[0, 0, 8, 6, 1, 0, 0, 0, 0]).await?;
                stream.write_all(&payload).await?;
            } else if settings && !is_answer {
                stream.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).await?;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connection_without_a_call_is_closed_although_it_answers_pings() {
        let (address, _stop) = echo().await;
        let ended = tokio::time::timeout(CONNECTION_IDLE_MAX * 4, idle_http2(address)).await;
        assert!(ended.is_ok(), "it keeps its place");
    }

    #[tokio::test]
    async fn refusal_before_the_body_was_read_keeps_the_connection_or_says_that_it_does_not() {
        let (address, _stop) = echo().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut answer = vec![0; 4_096];
        // The small body comes after the headers, as many clients send it, and is taken.
        for _ in 0..2 {
            stream
                .write_all(b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
                .await
                .unwrap();
            tokio::task::yield_now().await;
            stream.write_all(b"hello").await.unwrap();
            let read = stream.read(&mut answer).await.unwrap();
            let text = String::from_utf8_lossy(&answer[..read]).to_lowercase();
            assert!(
                text.starts_with("http/1.1 401") && !text.contains("connection: close"),
                "{text}"
            );
        }
        // A large one is not waited for.
        stream
            .write_all(b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            .await
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.to_lowercase().contains("connection: close"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_of_one_address_that_are_all_refused_again_and_again_come_to_an_end() {
        let (address, _stop) = echo().await;
        let call = b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
        let mut connections = Vec::new();
        for _ in 0..300 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // One after the other, without waiting for the answers.
            stream.write_all(&call.repeat(100)).await.unwrap();
            connections.push(stream);
        }
        let mut ended = 0;
        for mut stream in connections {
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            ended += usize::from(text.to_lowercase().contains("connection: close"));
        }
        // What is left keeps to the pace.
        assert!(ended >= 100, "{ended} of 300");
    }

    #[tokio::test]
    async fn connection_that_sends_pings_alone_is_cut() {
        let (address, _stop) = echo().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let flood = tokio::spawn(async move {
            let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(64);
            while write.write_all(&ping).await.is_ok() {}
        });
        let mut taken = [0; 4_096];
        while read.read(&mut taken).await.is_ok_and(|read| read > 0) {}
        flood.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_does_not_come_ends_its_call() {
        let (address, _stop) = echo().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
            .await
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 400"), "{text}");
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
