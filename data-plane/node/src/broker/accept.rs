//! Accepting connections, and ending them all when the node stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bounds::{DRAIN, LAME_DUCK, LEAVING_PAUSE_MAX, REFUSED_MAX};
use super::card::Card;
use super::close_reason::{CloseReason, TLS_HANDSHAKE_FAILURE};
use super::closed::Ending;
use super::connection::Connection;
use super::desk;
use super::introduction::Introduction;
use super::settings::Leaving;
use super::shared::Shared;
use super::stats::Counters;
use super::system;
use crate::transport::{Transport, open};

/// How long to wait when the operating system cannot give us a connection. It
/// is short of descriptors or memory then, and asking at once makes that worse.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What clients of a listener begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The protocol, or TLS and then the protocol.
    Clients,
    /// The request of a websocket, or TLS and then that.
    Websocket,
}

/// Accepts until `stop`, then tells the clients and closes them.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    listeners: Vec<(TcpListener, Door)>,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    tokio::spawn(desk::work(shared.clone(), stop.clone()));
    tokio::spawn(system::work(shared.clone(), stop.clone()));
    tokio::spawn(system::account_numbers::work(shared.clone(), stop.clone()));
    let listening = listeners
        .into_iter()
        .map(|(listener, door)| accept(shared, &connections, listener, door, &stop));
    futures_util::future::join_all(listening).await;
    connections.close();
    if let Some(how) = shared.leaving_how.get() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = leave(shared, *how, &connections) => {}
        }
    }
    system::tell_of_node(shared, "SHUTDOWN").await;
    drain(shared, &connections).await;
}

/// Tells all clients to go elsewhere, and closes those that stay one by one: they come to the other
/// servers one by one then, too.
async fn leave(shared: &Shared, how: Leaving, connections: &TaskTracker) {
    system::tell_of_node(shared, "LAMEDUCK").await;
    tell_lame_duck(shared);
    if tokio::time::timeout(how.grace, connections.wait()).await.is_ok() {
        return;
    }
    let outbounds: Vec<_> = shared.outbounds.lock().values().cloned().collect();
    let rest = how.duration.saturating_sub(how.grace);
    let pause = pause_between(rest, outbounds.len());
    for outbound in outbounds {
        outbound.order_close(CloseReason::Shutdown);
        if tokio::time::timeout(pause, connections.wait()).await.is_ok() {
            return;
        }
    }
}

/// How long it takes until the next one is closed. Few clients do not keep the node for as long as many may.
fn pause_between(rest: Duration, clients: usize) -> Duration {
    let each = rest / u32::try_from(clients).unwrap_or(u32::MAX).max(1);
    each.min(LEAVING_PAUSE_MAX)
}

fn tell_lame_duck(shared: &Shared) {
    shared.lame_duck.store(true, Relaxed);
    for outbound in shared.outbounds.lock().values() {
        outbound.order_lame_duck();
    }
}

/// Accepts on one listener until `stop`.
async fn accept(
    shared: &Arc<Shared>,
    connections: &TaskTracker,
    listener: TcpListener,
    door: Door,
    stop: &CancellationToken,
) {
    let answers_at_once = inherits_nodelay(&listener);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            () = shared.leaving.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                let ready = if answers_at_once {
                    Ok(())
                } else {
                    socket.set_nodelay(true)
                };
                match ready {
                    Ok(()) => spawn(shared, connections, socket, peer, door, stop),
                    Err(error) => cannot_set_up(peer, &error),
                }
            }
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
}

/// Answers are small and someone waits for each of them: has the sockets of a listener send them at
/// once, which saves a call for each. False where a socket has to be told itself.
fn inherits_nodelay(listener: &TcpListener) -> bool {
    cfg!(target_os = "linux") && SockRef::from(listener).set_tcp_nodelay(true).is_ok()
}

fn cannot_set_up(peer: SocketAddr, error: &io::Error) {
    tracing::debug!(%error, %peer, "cannot set up a connection");
}

fn spawn(
    shared: &Arc<Shared>,
    connections: &TaskTracker,
    socket: TcpStream,
    peer: SocketAddr,
    door: Door,
    stop: &CancellationToken,
) {
    let open = shared.counters.connections.load(Relaxed) + shared.crowd.len() as u64;
    let connections_max = shared.settings.max_connections as u64;
    if open >= connections_max + REFUSED_MAX as u64 {
        return;
    }
    let full = open >= connections_max;
    let introduction = match Introduction::new(shared.next_id(), peer) {
        Ok(introduction) => introduction,
        Err(error) => return cannot_set_up(peer, &error),
    };
    if door == Door::Websocket || shared.settings.tls.is_some() {
        // There is no telling a client of these why, before the handshake that there is no room for.
        if !full {
            connections.spawn(open_and_run(
                shared.clone(),
                socket,
                peer,
                introduction,
                door,
                stop.clone(),
            ));
        }
        return;
    }
    let transport = Transport::Tcp(socket);
    let connection = Connection::new(shared.clone(), transport, peer, introduction, None);
    if full {
        connections.spawn(connection.refuse());
    } else {
        connections.spawn(connection.run());
    }
}

/// A connection with a handshake before it.
async fn open_and_run(
    shared: Arc<Shared>,
    socket: TcpStream,
    peer: SocketAddr,
    introduction: Introduction,
    door: Door,
    stop: CancellationToken,
) {
    let place = shared.crowd.enter(peer.ip());
    let settings = &shared.settings;
    let websocket = settings.websocket.as_ref().filter(|_| door == Door::Websocket);
    let greet = || introduction.greeting(&shared, None);
    // In a box: what runs afterwards must not carry what only the handshake needs.
    let opening = Box::pin(open(socket, settings.tls.as_ref(), websocket, &greet, &place));
    let opened = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        () = place.lost() => return,
        opened = opening => opened,
    };
    drop(place);
    match opened {
        Ok((transport, arrival)) => {
            let arrival = Some(Box::new(arrival));
            let connection = Connection::new(shared, transport, peer, introduction, arrival);
            connection.run().await;
        }
        Err(error) => {
            Counters::add(&shared.counters.handshakes_failed);
            if error.is_of_tls() {
                let card = Card::new(peer, None, door == Door::Websocket);
                let (mut view, _) = card.read(introduction.client_id);
                view.ending = Some(Ending::now(TLS_HANDSHAKE_FAILURE, None));
                shared.closed.remember(None, view);
            }
            tracing::debug!(client = introduction.client_id, %peer, %error, "handshake failed");
        }
    }
}

async fn drain(shared: &Shared, connections: &TaskTracker) {
    if connections.is_empty() {
        return;
    }
    tell_lame_duck(shared);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_of_a_listener_answer_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inherited = inherits_nodelay(&listener);
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        assert_eq!(accepted.unwrap().0.nodelay().unwrap(), inherited);
        drop(client);
    }

    #[test]
    fn a_leaving_node_closes_at_least_one_client_in_a_second() {
        let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));
        assert_eq!(pause_between(minute, 0), second);
        assert_eq!(pause_between(minute, 3), second);
        assert_eq!(pause_between(minute, 600), second / 10);
    }
}
