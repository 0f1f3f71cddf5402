//! The threads that serve clients, apart from those of whoever runs the node.

use std::io;

use tokio::runtime::Runtime;

use crate::broker::runtime;

/// The runtime of the clients, which must not be dropped by a thread of another runtime.
#[derive(Debug)]
pub(crate) struct ClientThreads(Option<Runtime>);

impl ClientThreads {
    /// Starts them.
    pub(crate) fn start() -> io::Result<Self> {
        runtime().map(|runtime| Self(Some(runtime)))
    }

    /// To run something on them.
    pub(crate) fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("taken only when it is dropped")
    }
}

impl Drop for ClientThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
