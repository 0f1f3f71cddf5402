//! What operators rely on: changes are live at once, nothing of the control plane is needed to serve,
//! usage is never counted twice, and everything can be followed in the logs.

mod bill;
mod cells;
mod expiry;
mod live;
mod metrics;
mod outage;
mod request_ids;
mod request_lane;
mod restore;
mod rounds;
mod smuggling;
mod usage;
mod usage_after_a_kill;
