//! The configuration language of nats-server: a tree with positions, and typed options from it.
//!
//! A node that runs alone takes the files people have. Two steps lead from bytes to options, and each one
//! says exactly where it stops:
//!
//! ```text
//!  bytes ──Tree::parse──▶ Tree ──ServerConfig::from_tree──▶ ServerConfig
//!            │    ▲        values and their places            options; texts that are no secret,
//!            │    └─ Surroundings: included files,            secrets that do not print, notices
//!            │       variables of the environment         │
//!            ▼                                            ▼
//!        SyntaxError: the first place                 Problems: all of them,
//!        that makes no sense                          file by file, line by line
//! ```
//!
//! The crate opens nothing: files and variables come from [`Surroundings`], and what options name (certificates,
//! operator JWTs, folders) stays a name with its place. The same input always gives the same answer, and nothing
//! in an input can make it panic or grow without bounds ([`bounds`]).
//!
//! ```
//! use tollway_conf::{Port, ServerConfig, Surroundings, Tree};
//!
//! struct Here;
//!
//! impl Surroundings for Here {
//!     fn include(&mut self, path: &str) -> Result<Vec<u8>, String> {
//!         match path {
//!             "/etc/nats/users.conf" => Ok(b"users: [ { user: app, password: $APP_PASSWORD } ]".to_vec()),
//!             _ => Err("no such file".into()),
//!         }
//!     }
//!     fn variable(&self, name: &str) -> Option<String> {
//!         (name == "APP_PASSWORD").then(|| "hunter2".into())
//!     }
//! }
//!
//! let text = b"listen: 0.0.0.0:4222\nmax_payload: 4MB\nauthorization { include users.conf }\n";
//! let tree = Tree::parse("/etc/nats/nats.conf", text, &mut Here)?;
//! let config = ServerConfig::from_tree(&tree)?;
//! assert_eq!(config.listen.port.expect("it is set").value, Port::Number(4222));
//! assert_eq!(config.limits.max_payload.expect("it is set").value, 4 * 1024 * 1024);
//!
//! // All problems are told at once, each with its place.
//! let tree = Tree::parse("nats.conf", b"prot: 4222\nmax_payload: lots\n", &mut Here)?;
//! let problems = ServerConfig::from_tree(&tree).expect_err("it is wrong twice");
//! assert_eq!(
//!     problems.to_string(),
//!     "nats.conf:1:1: unknown key \"prot\" in the configuration\n\
//!      nats.conf:2:14: max_payload has to be a whole number, not a text"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The language
//!
//! ```text
//! # a comment      // another one
//! key: value       key = value       key value       key { inner: value }
//! list: [a, b]     a value ends with its line, or with , or ;
//! include other.conf                the keys of another file, in the same folder or below
//! NAME: x          v: $NAME         what is set above in an open block, else in the environment
//! ```
//!
//! How single values are written stands in `scalar.rs`. Wherever a stock server accepts a file, this crate reads
//! the same values from it (the digest is the proof, see [`Map::digest`]) or refuses it:
//!
//! | stock server | here | why |
//! |---|---|---|
//! | `port:` at the end of a file, `password: ,` | refused | a password must not become empty by a slip |
//! | `{ port: 4222` without its end | refused | a file that was cut is not a configuration |
//! | a key with `{`, `}`, `[`, `]`, `,` or `;` in it | needs quotes | `authorization{` is a slip |
//! | zero bytes, bytes that are no UTF-8 | refused | they separate here and end the file there |
//! | `10e`, `1kbb` | refused | numbers that overflow, sizes that do not exist |
//! | text behind the first value in an environment variable | refused | it would be dropped |
//! | endless includes and references | typed errors | they end the process |
//! | `[1]`, `[1, 2]` | accepted | a stock server wants a blank before the bracket |
//! | `$2b$…`, `$2y$…` without quotes | accepted as `$2a$…` is | they are hashes too |
//! | a byte order mark | accepted | editors write it |
//!
//! The options differ in the same spirit: negative sizes and times, ports above 65535 and other values that leave
//! a server unusable are refused, and what a stock server only finds when it starts (a `no_auth_user` that nobody
//! is, a websocket without TLS) is found here. One option under two names has to say the same. Blocks for things a
//! node does not do are passed over with a [`Notice`] where a node without them is still what the file asks for
//! (`cluster`, `gateway`, `leafnodes`), and refused where it is not (`mqtt`, resolvers that ask others).

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
