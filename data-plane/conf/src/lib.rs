//! The configuration language of nats-server: a tree with positions, and typed options from it.
//!
//! (This page is completed with the options.)

pub mod bounds;
mod cursor;
mod date;
mod digest;
mod notice;
mod position;
mod scalar;
mod secret;
mod surroundings;
mod syntax_error;
mod tree;
mod value;
mod variables;

pub use date::Date;
pub use notice::{Notice, NoticeReason};
pub use position::Position;
pub use secret::Secret;
pub use surroundings::{Nothing, Surroundings};
pub use syntax_error::{Opened, SyntaxError, SyntaxReason};
pub use tree::Tree;
pub use value::{Entry, Kind, Map, Node, Value};
