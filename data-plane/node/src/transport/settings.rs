//! What listeners are told about TLS and websockets. Both ways of running a node fill these in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tollway_websocket::UpgradeSettings;

use super::bounds::{TLS_TIMEOUT, WEBSOCKET_TIMEOUT};
use super::tls::Tls;

/// How a listener speaks TLS. Files are named here and read by [`Tls::load`].
#[derive(Debug, Clone, PartialEq)]
pub struct TlsSettings {
    /// Certificates with their keys, at least one. The one whose names fit what the client asks for
    /// is shown, else the first.
    pub certificates: Vec<CertificateFiles>,
    /// Who signs certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// What clients have to show.
    pub client_certificates: ClientCertificates,
    /// How long a handshake may take.
    pub timeout: Duration,
    /// When it happens.
    pub handshake: Handshake,
    /// Clients without TLS are served too.
    pub allow_plain: bool,
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
    /// The only suites that are spoken, by the names of the standard (`TLS_AES_128_GCM_SHA256`);
    /// the library's choice when empty.
    pub cipher_suites: Vec<String>,
    /// The only curves, in this order: `X25519`, `CurveP256`, `CurveP384`; the library's choice when empty.
    pub curves: Vec<String>,
    /// Handshakes that may begin within a second.
    pub connection_rate_limit: Option<u64>,
    /// SHA-256 of the public keys (SPKI) of the only clients that are let in; all when empty.
    pub pinned_certs: Vec<[u8; 32]>,
}

impl TlsSettings {
    /// One certificate, and the stock server's defaults for everything else.
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self {
            certificates: vec![CertificateFiles { certificate, key }],
            client_ca: None,
            client_certificates: ClientCertificates::NotAsked,
            timeout: TLS_TIMEOUT,
            handshake: Handshake::AfterInfo,
            allow_plain: false,
            min_version: TlsVersion::V1_2,
            cipher_suites: Vec::new(),
            curves: Vec::new(),
            connection_rate_limit: None,
            pinned_certs: Vec::new(),
        }
    }
}

/// A certificate, with what signs it behind it, and its key; in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What clients have to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nothing.
    NotAsked,
    /// A certificate (`verify`).
    Required,
    /// A certificate, which says which user it is (`verify_and_map`).
    Mapped,
}

/// When the handshake happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// After the first INFO, in the clear.
    AfterInfo,
    /// At once: nothing is ever sent in the clear.
    First,
    /// At once if the client begins it within this time, else after INFO.
    FirstWithin(Duration),
}

/// Versions of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// How a listener serves websockets.
#[derive(Debug, Clone)]
pub struct WebSocketSettings {
    /// Certificates of its own; in the clear when there are none, behind something that has TLS.
    pub tls: Option<Arc<Tls>>,
    /// How long the request may take.
    pub timeout: Duration,
    /// Compression, origins, cookies and headers.
    pub upgrade: UpgradeSettings,
    /// The host and port that INFO names.
    pub host: String,
    /// See [`WebSocketSettings::host`].
    pub port: u16,
    /// Where else clients can go, `host:port`.
    pub connect_urls: Vec<String>,
    /// How long its clients may take to log in; as long as others when there is none.
    pub auth_timeout: Option<Duration>,
}

impl WebSocketSettings {
    /// In the clear and for every origin.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            tls: None,
            timeout: WEBSOCKET_TIMEOUT,
            upgrade: UpgradeSettings::default(),
            host: host.into(),
            port,
            connect_urls: Vec::new(),
            auth_timeout: None,
        }
    }
}
