//! Certificates and what is spoken with them, from files; read again while the node runs.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, version};

use super::bounds::CERTIFICATE_FILE_BYTES_MAX;
use super::certificate;
use super::settings::{CertificateFiles, ClientCertificates, Handshake, TlsSettings, TlsVersion};

/// TLS of a listener, as it is in force now. Connections that are open keep what they began with.
#[derive(Debug)]
pub struct Tls {
    now: ArcSwap<InForce>,
    begun: Mutex<Begun>,
}

/// What clients hear of TLS in INFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) required: bool,
    pub(crate) available: bool,
    pub(crate) verify: bool,
}

/// Settings, and what the library made of them and of the files.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) settings: TlsSettings,
    pub(super) config: Arc<ServerConfig>,
    /// When the first of the certificates ends.
    certificate_ends: Option<SystemTime>,
}

/// Handshakes that began in this second.
#[derive(Debug)]
struct Begun {
    second: Instant,
    count: u64,
}

/// Why TLS cannot be had with these settings and files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is nothing to show.
    #[error("tls needs a certificate and its key")]
    NoCertificate,
    /// A file cannot be read.
    #[error("cannot read {path} for TLS", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no {what} in PEM", path = path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// A key is not that of its certificate, or of a kind that is not spoken.
    #[error("{path} is not the key of its certificate, or of no kind that is spoken", path = path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What the library says.
        #[source]
        source: rustls::Error,
    },
    /// Certificates of clients are asked for and nobody is trusted to sign them.
    #[error("certificates of clients are asked for, so the file of those who sign them has to be named")]
    NoClientCa,
    /// Those who sign certificates of clients cannot be used.
    #[error("{path} cannot be used to check certificates of clients: {reason}", path = path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A name that is no suite or curve.
    #[error("{name} is no {what} that is spoken here")]
    Name {
        /// The name.
        name: String,
        /// What it should be one of.
        what: &'static str,
    },
    /// What is chosen does not go together.
    #[error("the versions, suites and curves that are chosen do not go together")]
    Choice(#[source] rustls::Error),
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// With the file and what is wrong with it.
    pub fn load(settings: TlsSettings) -> Result<Arc<Self>, TlsError> {
        let now = ArcSwap::from_pointee(InForce::load(settings)?);
        let begun = Mutex::new(Begun {
            second: Instant::now(),
            count: 0,
        });
        Ok(Arc::new(Self { now, begun }))
    }

    /// Reads the files again: the next handshakes use what they hold now.
    ///
    /// # Errors
    /// As [`Tls::load`]; what was in force stays so.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.replace(self.now.load().settings.clone())
    }

    /// Other settings from now on.
    ///
    /// # Errors
    /// As [`Tls::load`]; what was in force stays so.
    pub fn replace(&self, settings: TlsSettings) -> Result<(), TlsError> {
        self.now.store(Arc::new(InForce::load(settings)?));
        Ok(())
    }

    /// When the first of the certificates that it shows ends.
    pub(crate) fn certificate_ends(&self) -> Option<SystemTime> {
        self.now.load().certificate_ends
    }

    /// How long a handshake may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.now.load().settings.timeout
    }

    pub(super) fn in_force(&self) -> Arc<InForce> {
        self.now.load_full()
    }

    /// What INFO says of it.
    pub(crate) fn announced(&self) -> Announced {
        let now = self.now.load();
        let settings = &now.settings;
        Announced {
            required: !settings.allow_plain || settings.handshake != Handshake::AfterInfo,
            available: settings.allow_plain,
            verify: settings.client_certificates != ClientCertificates::NotAsked,
        }
    }

    /// Whether another handshake may begin in this second.
    pub(super) fn may_begin(&self, now: Instant) -> bool {
        let Some(limit) = self.now.load().settings.connection_rate_limit else {
            return true;
        };
        let mut begun = self.begun.lock();
        if now.saturating_duration_since(begun.second).as_secs() >= 1 {
            *begun = Begun {
                second: now,
                count: 0,
            };
        }
        begun.count += 1;
        begun.count <= limit
    }
}

impl InForce {
    fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        let provider = Arc::new(provider(&settings)?);
        let versions: &[_] = match settings.min_version {
            TlsVersion::V1_2 => &[&version::TLS13, &version::TLS12],
            TlsVersion::V1_3 => &[&version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(TlsError::Choice)?;
        let asks = settings.client_certificates != ClientCertificates::NotAsked;
        let builder = match (asks, &settings.client_ca) {
            (false, _) => builder.with_no_client_auth(),
            (true, None) => return Err(TlsError::NoClientCa),
            (true, Some(path)) => {
                let refused = |reason: String| TlsError::ClientCa {
                    path: path.clone(),
                    reason,
                };
                let mut roots = RootCertStore::empty();
                for certificate in chain(path)? {
                    roots
                        .add(certificate)
                        .map_err(|error| refused(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
                    .build()
                    .map_err(|error| refused(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let certificates = settings
            .certificates
            .iter()
            .map(|files| shown(files, &provider))
            .collect::<Result<Vec<_>, _>>()?;
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let ends = |shown: &(_, Arc<CertifiedKey>)| shown.1.cert.first().and_then(certificate::ends);
        let certificate_ends = certificates.iter().filter_map(ends).min();
        let mut config = builder.with_cert_resolver(Arc::new(Shown(certificates)));
        if asks {
            // A session that is resumed shows no certificate: one that is not trusted any more,
            // or by this listener, would go on counting.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self {
            certificate_ends,
            settings,
            config: Arc::new(config),
        })
    }
}

/// What is spoken: the library's choice, or less.
fn provider(settings: &TlsSettings) -> Result<CryptoProvider, TlsError> {
    let mut provider = ring::default_provider();
    if !settings.cipher_suites.is_empty() {
        let find = |name: &String| {
            let is_named = |suite: &&SupportedCipherSuite| suite_name(**suite) == *name;
            let suite = ring::ALL_CIPHER_SUITES.iter().find(is_named).copied();
            suite.ok_or_else(|| TlsError::Name {
                name: name.clone(),
                what: "cipher suite",
            })
        };
        let chosen: Vec<_> = settings
            .cipher_suites
            .iter()
            .map(find)
            .collect::<Result<_, _>>()?;
        // As in stock servers, those of TLS 1.3 are there unless some are chosen.
        let chooses_new = chosen.iter().any(|suite| suite.tls13().is_some());
        provider
            .cipher_suites
            .retain(|suite| chosen.contains(suite) || (suite.tls13().is_some() && !chooses_new));
    }
    if !settings.curves.is_empty() {
        let find = |name: &String| -> Result<&'static dyn SupportedKxGroup, TlsError> {
            Ok(match name.as_str() {
                "X25519" => ring::kx_group::X25519,
                "CurveP256" => ring::kx_group::SECP256R1,
                "CurveP384" => ring::kx_group::SECP384R1,
                _ => {
                    return Err(TlsError::Name {
                        name: name.clone(),
                        what: "curve",
                    });
                }
            })
        };
        provider.kx_groups = settings.curves.iter().map(find).collect::<Result<_, _>>()?;
    }
    Ok(provider)
}

/// The name of the standard; the library has the version in those of TLS 1.3.
pub(super) fn suite_name(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

/// Certificates to show, the first of which is shown when no name fits.
#[derive(Debug)]
struct Shown(Vec<(Vec<String>, Arc<CertifiedKey>)>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let speaks =
            |shown: &&(_, Arc<CertifiedKey>)| shown.1.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = hello.server_name().and_then(|wanted| {
            let names =
                |shown: &&(Vec<String>, _)| shown.0.iter().any(|name| certificate::name_fits(name, wanted));
            self.0.iter().filter(speaks).find(names)
        });
        let shown = named.or_else(|| self.0.iter().find(speaks)).or(self.0.first());
        shown.map(|(_, key)| key.clone())
    }
}

fn shown(
    files: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<(Vec<String>, Arc<CertifiedKey>), TlsError> {
    let chain = chain(&files.certificate)?;
    let names = chain.first().map_or(Vec::new(), certificate::dns_names);
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|_| TlsError::Pem {
        path: files.key.clone(),
        what: "private key",
    })?;
    let wrong = |source| TlsError::Key {
        path: files.key.clone(),
        source,
    };
    let key = provider.key_provider.load_private_key(key).map_err(wrong)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // A kind of key of which the library cannot say it.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(source) => return Err(wrong(source)),
    }
    Ok((names, Arc::new(certified)))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::Pem {
        path: path.to_owned(),
        what: "certificate",
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|_| none())?;
    if chain.is_empty() { Err(none()) } else { Ok(chain) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(CERTIFICATE_FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|source| TlsError::File {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}
