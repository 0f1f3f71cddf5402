//! The tokio runtime that the routing path was measured on.

/// Builds the runtime of the node.
///
/// `event_interval(1)`: a worker looks at the sockets after each task it ran.
/// With tokio's default of 61 a client beside a flooding neighbour waited up to
/// 4 ms; the cost of looking each time could not be measured.
///
/// # Errors
/// When the operating system refuses threads or the event queue.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("tollway-node")
        .event_interval(1)
        .enable_all()
        .build()
}
