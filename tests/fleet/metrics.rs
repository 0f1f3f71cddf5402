//! Numbers that a program shows about itself.

use tollway_tests::{Node, eventually};

/// The value of a metric without labels, `None` when the program does not answer or has no such metric.
pub(crate) async fn read(metrics_url: &str, name: &str) -> Option<f64> {
    let answer = reqwest::get(format!("{metrics_url}/metrics")).await.ok()?;
    let text = answer.text().await.ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.parse().ok()
}

/// Waits until the node itself says that it is on the line with the control plane.
pub(crate) async fn connected(node: &Node) {
    let url = node.metrics_url();
    let what = format!("the node of {} is connected", node.cell());
    eventually(&what, async || {
        (read(&url, "tollway_node_fleet_connected").await == Some(1.0)).then_some(())
    })
    .await;
}

/// Waits until the control plane has stored all usage that the node ever counted.
pub(crate) async fn usage_acknowledged(node: &Node) {
    let url = node.metrics_url();
    let what = format!("the usage of the node of {} is stored", node.cell());
    eventually(&what, async || {
        (read(&url, "tollway_node_usage_acknowledged").await == Some(1.0)).then_some(())
    })
    .await;
}
