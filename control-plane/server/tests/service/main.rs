//! The control plane as a whole, over its ports: REST and gRPC with actors of
//! every kind, and nodes that speak the fleet protocol.
//!
//! Each test has a database and a control plane of its own, on free ports.
#![allow(
    clippy::unwrap_used,
    reason = "what a test relies on and does not find ends the test"
)]

mod accounts;
mod actor;
mod bootstrap;
mod catalogue;
mod cells;
mod clean_up;
mod credentials;
mod database_away;
mod denial;
mod fixture;
mod fleet;
mod gate;
mod grpc;
mod grpc_client;
mod lane;
mod node;
mod overtaken;
mod pages;
mod platform_organization;
mod quotas;
mod rejections;
mod request_ids;
mod restore;
mod secrets;
mod sign_in;
mod stop;
mod strangers;
mod tenancy;
mod usage;
mod world;
