//! What operators rely on: changes are live at once, nothing of the control plane is needed to serve,
//! usage is never counted twice, and everything can be followed in the logs.

mod expiry;
mod live;
mod request_ids;
mod rounds;
