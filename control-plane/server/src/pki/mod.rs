//! The built-in certificate authority of the fleet.
//!
//! Nodes and the fleet listener know each other by certificates of one
//! authority, made at the first start and sealed in Postgres. A node pins the
//! authority (its enrolment token carries the fingerprint); the control plane
//! knows a node by the URI in its certificate and by the certificate's hash.

mod authority;
mod fleet_certificate;
mod node_certificate;

pub use authority::{Authority, AuthorityError, NewAuthority};
pub use fleet_certificate::{FLEET_SERVER_NAME, FleetCertificate};
pub use node_certificate::{NODE_CERTIFICATE_DAYS, NodeCertificate, NodeCertificateError};
