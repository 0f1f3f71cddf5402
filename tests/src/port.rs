//! Ports that stay ours while nobody listens on them.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

/// A free loopback port that no other process is given as long as this value lives, so that a program
/// can be stopped and started on the same one while other tests run.
///
/// A socket that is bound and does not listen keeps the kernel from handing the port out. Our programs
/// set `SO_REUSEADDR`, and may therefore listen beside it.
#[derive(Debug)]
pub(crate) struct ReservedPort {
    address: SocketAddr,
    _socket: Socket,
}

impl ReservedPort {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        socket.set_reuse_address(true).expect("an option of sockets");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).expect("a free port");
        let address = socket.local_addr().expect("the socket is bound");
        Self {
            address: address.as_socket().expect("an internet address"),
            _socket: socket,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
