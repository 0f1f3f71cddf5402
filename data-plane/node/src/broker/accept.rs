//! Accepting connections, and ending them all when the node stops.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bounds::{DRAIN, LAME_DUCK, REFUSED_MAX};
use super::close_reason::CloseReason;
use super::connection::Connection;
use super::desk;
use super::shared::Shared;

/// How long to wait when the operating system cannot give us a connection. It
/// is short of descriptors or memory then, and asking at once makes that worse.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `stop`, then tells the clients and closes them.
pub(crate) async fn serve(shared: &Arc<Shared>, listener: TcpListener, stop: CancellationToken) {
    let connections = TaskTracker::new();
    tokio::spawn(desk::work(shared.clone(), stop.clone()));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => spawn(shared, &connections, socket, peer),
            // The client gave up before we came to it.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections; check the limit of open files (ulimit -n)");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // From now on new clients are refused by the kernel and go elsewhere at once.
    drop(listener);
    connections.close();
    drain(shared, &connections).await;
}

fn spawn(shared: &Arc<Shared>, connections: &TaskTracker, socket: TcpStream, peer: std::net::SocketAddr) {
    let open = shared.counters.connections.load(Relaxed);
    let connections_max = shared.settings.max_connections as u64;
    if open >= connections_max + REFUSED_MAX as u64 {
        return;
    }
    let full = open >= connections_max;
    let connection = match Connection::new(shared.clone(), socket, peer) {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%error, %peer, "cannot set up a connection");
            return;
        }
    };
    if full {
        connections.spawn(connection.refuse());
    } else {
        connections.spawn(connection.run());
    }
}

async fn drain(shared: &Shared, connections: &TaskTracker) {
    if connections.is_empty() {
        return;
    }
    shared.lame_duck.store(true, Relaxed);
    for outbound in shared.outbounds.lock().values() {
        outbound.order_lame_duck();
    }
    let _ = tokio::time::timeout(LAME_DUCK, connections.wait()).await;
    for outbound in shared.outbounds.lock().values() {
        outbound.order_close(CloseReason::Shutdown);
    }
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections did not end in time and are dropped"
        );
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
