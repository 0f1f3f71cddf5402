//! The tokio runtimes of a node: one for tenants, one for who runs them.
//!
//! The operator's work (fleet link, signals, monitor, usage) has threads of its own, so that a
//! suspension, a revocation, SIGTERM and `/metrics` wait for the kernel's scheduler and for no
//! tenant, whatever tenants find to keep the broker's threads busy with.

use super::bounds::OPERATOR_THREADS;

/// Builds the runtime that serves clients.
///
/// `event_interval(1)`: a worker looks at the sockets after each task it ran.
/// With tokio's default of 61 a client beside a flooding neighbour waited up to
/// 4 ms; the cost of looking each time could not be measured. It makes
/// `tokio::task::yield_now` useless, see [`super::behind_others`].
///
/// # Errors
/// When the operating system refuses threads or the event queue.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("tollway-clients")
        .event_interval(1)
        .enable_all()
        .build()
}

/// Builds the runtime for everything else in a node.
///
/// # Errors
/// When the operating system refuses threads or the event queue.
pub fn operator_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("tollway-node")
        .worker_threads(OPERATOR_THREADS)
        .enable_all()
        .build()
}
