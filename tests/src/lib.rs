//! The whole system through its real programs and ordinary clients.
//!
//! Each suite is a folder beside `src/` with a `main.rs`; this crate is what they share.
//!
//! ```no_run
//! # async fn example() {
//! use tollway_tests::System;
//!
//! let system = System::start().await; // Postgres, control plane
//! let node = system.start_node("cell-a").await; // a cell and its node
//! let orders = system.api().tenant("cell-a").await; // organization, account, user, creds
//! // Now any NATS client: node.url() and orders.creds.path
//! # }
//! ```
//!
//! Every test has a database, a control plane and nodes of its own, on free loopback ports and in a
//! temporary folder; all of it ends with the test, however that ends. A test that fails prints the end
//! of each program's log.

mod api;
mod control_plane;
mod eventually;
mod node;
mod port;
mod program;
mod random;
mod raw;
mod script;
mod steady;
mod system;
mod tool;

pub use api::{Account, Answer, Api, Creds, Tenant, User};
pub use control_plane::ControlPlane;
pub use eventually::{PATIENCE, eventually, in_time};
pub use node::Node;
pub use program::built;
pub use random::Random;
pub use raw::Raw;
pub use script::Script;
pub use steady::Steady;
pub use system::System;
pub use tool::Tool;
