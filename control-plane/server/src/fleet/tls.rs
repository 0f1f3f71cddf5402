//! Mutual TLS of the fleet listener.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    version::TLS13,
};
use time::OffsetDateTime;

use crate::pki::{Authority, AuthorityError, FleetCertificate};

/// The current TLS settings of the fleet listener; [`Self::renew`] replaces the certificate.
pub struct FleetTls {
    authority: Arc<Authority>,
    current: ArcSwap<ServerConfig>,
}

/// The fleet listener cannot be given TLS settings.
#[derive(Debug, thiserror::Error)]
pub enum FleetTlsError {
    /// The authority would not sign.
    #[error("failed to issue the fleet certificate")]
    Certificate(#[from] AuthorityError),
    /// The TLS library refused what the authority signed.
    #[error("failed to use the fleet certificate")]
    Tls(#[source] rustls::Error),
    /// The authority cannot be a root of trust.
    #[error("failed to trust the authority")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

impl FleetTls {
    /// Settings with a fresh certificate.
    pub fn new(authority: Arc<Authority>, now: OffsetDateTime) -> Result<Self, FleetTlsError> {
        let config = server_config(&authority, now)?;
        Ok(Self {
            current: ArcSwap::from_pointee(config),
            authority,
        })
    }

    /// Replaces the certificate; open connections keep theirs.
    pub fn renew(&self, now: OffsetDateTime) -> Result<(), FleetTlsError> {
        self.current.store(Arc::new(server_config(&self.authority, now)?));
        Ok(())
    }

    /// The settings for the next connection.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

fn server_config(authority: &Authority, now: OffsetDateTime) -> Result<ServerConfig, FleetTlsError> {
    let certificate = FleetCertificate::issue(authority, now)?;
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.certificate().clone())
        .map_err(FleetTlsError::Tls)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        // A node that enrols has no certificate yet; every other call asks for one itself.
        .allow_unauthenticated()
        .build()
        .map_err(FleetTlsError::Verifier)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(FleetTlsError::Tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificate.chain, certificate.private_key)
        .map_err(FleetTlsError::Tls)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would skip the check of the node's certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
