//! The configuration language of nats-server: a tree with positions, and typed options from it.
//!
//! (This page is completed with the options.)

pub mod bounds;
mod cursor;
mod date;
mod digest;
mod duration;
mod field;
mod located;
mod notice;
mod options;
mod position;
mod problem;
mod report;
mod scalar;
mod secret;
mod surroundings;
mod syntax_error;
mod tree;
mod value;
mod variables;

pub use date::Date;
pub use duration::InvalidDuration;
pub use located::Located;
pub use notice::{Notice, NoticeReason};
pub use options::ServerConfig;
pub use options::accounts::{Account, AccountLimits, GLOBAL_ACCOUNT, MessageTrace};
pub use options::authorization::{AuthCallout, Authorization, Login};
pub use options::exports::{Export, ExportKind, ResponseType};
pub use options::imports::{Import, ImportKind};
pub use options::jetstream::{
    AccountJetStream, AccountStorage, Cipher, JetStream, JetStreamBuffers, JetStreamLimits, Sync,
};
pub use options::latency::{Latency, Sampling};
pub use options::leafnodes::Leafnodes;
pub use options::limits::{Limits, WriteTimeout};
pub use options::listen::{Listen, Port};
pub use options::logging::Logging;
pub use options::mappings::{Destination, Mapping};
pub use options::operator::{PreloadedAccount, Resolver};
pub use options::proxies::Proxies;
pub use options::tls::{CertificateFiles, CipherSuite, Curve, HANDSHAKE_AUTO, Handshake, Tls, TlsVersion};
pub use options::users::{Identity, User};
pub use options::websocket::{Cookies, Websocket};
pub use position::Position;
pub use problem::{Problem, Problems, Reason};
pub use secret::Secret;
pub use surroundings::{Nothing, Surroundings};
pub use syntax_error::{Opened, SyntaxError, SyntaxReason};
pub use tollway_claims::{ConnectionType, Limit, Permissions, PublicKey, ResponsePermission, Rules};
pub use tree::Tree;
pub use value::{Entry, Kind, Map, Node, Value};
