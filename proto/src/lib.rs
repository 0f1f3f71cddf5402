//! The messages of Tollway, generated from the .proto files beside this crate.
//!
//! [`fleet`] is what a node and the control plane say to each other; [`v1`] is the
//! public API, whose REST form has the same fields (snake_case JSON).
#![allow(missing_docs, clippy::all, unreachable_pub)]

/// `tollway.fleet.v1`: the stream between a node and the control plane.
pub mod fleet {
    tonic::include_proto!("tollway.fleet.v1");
}

/// `tollway.v1`: the public API.
pub mod v1 {
    tonic::include_proto!("tollway.v1");
}

/// All services and messages as an encoded `FileDescriptorSet`, for reflection
/// and for the test that compares them with the OpenAPI document.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tollway.bin"));
