//! Where most parts are played.

use tollway_tests::{Node, System, Tenant};

/// A system with one cell, and in it one tenant whose user may do everything.
pub(crate) async fn one_tenant() -> (System, Node, Tenant) {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    (system, node, tenant)
}
