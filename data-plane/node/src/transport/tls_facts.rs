//! What there is to tell of the TLS of one connection, in the words of other tools.

use rustls::{ProtocolVersion, ServerConnection};

use super::certificate::ClientCertificate;
use super::tls::suite_name;

/// What was agreed on in the handshake, and who the client showed itself as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// As the registry of TLS calls it.
    pub cipher_suite: String,
    /// The client began before it had read INFO.
    pub first: bool,
    /// The client's own certificate; those of its issuers are not kept.
    pub certificate: Option<CertificateFacts>,
}

/// What is told of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its subject as RFC 2253 writes it, or its beginning.
    pub subject: String,
    /// SHA-256 of its public key (SPKI).
    pub key_digest: [u8; 32],
    /// SHA-256 of the whole.
    pub digest: [u8; 32],
}

/// Characters of a subject that are kept for as long as the connection lives.
const SUBJECT_CHARACTERS_MAX: usize = 512;

impl TlsFacts {
    pub(super) fn of(
        session: &ServerConnection,
        certificate: Option<&ClientCertificate>,
        first: bool,
    ) -> Self {
        Self {
            version: match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "1.3",
                _ => "1.2",
            },
            cipher_suite: session
                .negotiated_cipher_suite()
                .map_or_else(String::new, suite_name),
            first,
            certificate: certificate.map(|certificate| CertificateFacts {
                subject: certificate.name().chars().take(SUBJECT_CHARACTERS_MAX).collect(),
                key_digest: certificate.key_digest,
                digest: certificate.digest,
            }),
        }
    }
}
