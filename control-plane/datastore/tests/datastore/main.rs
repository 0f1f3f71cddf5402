//! The datastore against a real Postgres. Every test has a database of its own, and always two
//! organizations: the second one sees nothing of the first.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod accounts;
mod auth;
mod bootstrap;
mod cells;
mod clean_up;
mod fixture;
mod migrate;
mod nodes;
mod organizations;
mod overview;
mod quotas;
mod signals;
mod tenancy;
mod usage;
mod users;
