//! TLS and websockets of a node of its own, from what the flags and the file say.

use std::path::PathBuf;
use std::sync::Arc;

use tollway_conf as conf;
use tollway_conf::{CipherSuite, Curve, Port, Position, ServerConfig};
use tollway_websocket::{CookieNames, Origin, OriginRules, UpgradeSettings};

use super::configuration::Address;
use super::flags::TlsFlags;
use crate::transport::{
    CertificateFiles, ClientCertificates, Handshake, Tls, TlsError, TlsSettings, TlsVersion,
    WebSocketSettings,
};

/// TLS as it is written, and as it was made from the files it names.
#[derive(Debug, Clone)]
pub(super) struct LoadedTls {
    pub(super) settings: TlsSettings,
    pub(super) tls: Arc<Tls>,
}

/// The listener for websockets.
#[derive(Debug, Clone)]
pub(super) struct Websocket {
    pub(super) address: Address,
    pub(super) tls: Option<LoadedTls>,
    written: conf::Websocket,
    origins: Vec<Origin>,
}

/// Why TLS or websockets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTransport {
    /// The files of a block, or what it chooses.
    #[error("{at}: tls")]
    Tls {
        /// Where the block stands.
        at: Position,
        /// What is wrong.
        #[source]
        source: TlsError,
    },
    /// The files on the command line.
    #[error("--tls")]
    TlsFlags(#[source] TlsError),
    /// A certificate without its key, or the other way round, or neither.
    #[error("--tls needs --tlscert and --tlskey")]
    FlagsIncomplete,
    /// A part of the block that is not built.
    #[error("{at}: websocket: {what} is not built yet")]
    NotBuilt {
        /// Where the block stands.
        at: Position,
        /// Which part.
        what: &'static str,
    },
    /// A page's origin.
    #[error("{at}: websocket: {origin:?} is no origin, such as https://host or https://host:port")]
    Origin {
        /// Where it stands.
        at: Position,
        /// What stands there.
        origin: String,
    },
}

/// TLS of the listener for clients. Flags win over the file.
pub(super) fn tls(flags: &TlsFlags, file: &ServerConfig) -> Result<Option<LoadedTls>, InvalidTransport> {
    let allow_plain = file.allow_non_tls.unwrap_or(false);
    if flags.is_wanted() {
        let (Some(certificate), Some(key)) = (&flags.certificate, &flags.key) else {
            return Err(InvalidTransport::FlagsIncomplete);
        };
        let mut settings = TlsSettings::new(certificate.into(), key.into());
        settings.allow_plain = allow_plain;
        settings.client_ca = flags.client_ca.as_ref().map(PathBuf::from);
        if flags.verify {
            settings.client_certificates = ClientCertificates::Required;
        }
        return LoadedTls::load(settings)
            .map(Some)
            .map_err(InvalidTransport::TlsFlags);
    }
    file.tls
        .as_ref()
        .map(|block| of_block(block, allow_plain))
        .transpose()
}

/// The listener for websockets, when there is one.
pub(super) fn websocket(host: &str, file: &ServerConfig) -> Result<Option<Websocket>, InvalidTransport> {
    let Some(written) = &file.websocket else {
        return Ok(None);
    };
    let port = match written.listen.port.as_ref().map(|port| port.value) {
        None | Some(Port::Unset) => return Ok(None),
        Some(Port::AnyFree) => 0,
        Some(Port::Number(number)) => number,
    };
    let not_built = |what| InvalidTransport::NotBuilt {
        at: written.at.clone(),
        what,
    };
    if written.login.is_some() {
        return Err(not_built("a login of its own"));
    }
    if written.no_auth_user.is_some() && written.no_auth_user != file.no_auth_user {
        return Err(not_built("a no_auth_user of its own"));
    }
    let origins = written.allowed_origins.iter().map(|origin| {
        Origin::parse(&origin.value).ok_or_else(|| InvalidTransport::Origin {
            at: origin.at.clone(),
            origin: origin.value.clone(),
        })
    });
    Ok(Some(Websocket {
        address: Address {
            host: written
                .listen
                .host
                .as_ref()
                .map_or(host, |host| &host.value)
                .to_owned(),
            port,
        },
        tls: written
            .tls
            .as_ref()
            .map(|block| of_block(block, false))
            .transpose()?,
        origins: origins.collect::<Result<_, _>>()?,
        written: written.clone(),
    }))
}

impl LoadedTls {
    fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        let tls = Tls::load(settings.clone())?;
        Ok(Self { settings, tls })
    }

    /// Puts other settings, and what the files hold now, in force for new connections.
    pub(super) fn replace(&mut self, other: &Self) -> Result<(), TlsError> {
        self.tls.replace(other.settings.clone())?;
        self.settings = other.settings.clone();
        Ok(())
    }
}

impl Websocket {
    /// What the broker is told, listening there.
    pub(super) fn settings(&self, port: u16) -> WebSocketSettings {
        let written = &self.written;
        let mut settings = WebSocketSettings::new(self.address.host.clone(), port);
        settings.tls = self.tls.as_ref().map(|loaded| loaded.tls.clone());
        if let Some(timeout) = written.handshake_timeout {
            settings.timeout = timeout;
        }
        settings.auth_timeout = written.auth_timeout;
        let advertised = written.advertise.as_ref();
        settings.connect_urls = advertised.map(|url| url.value.clone()).into_iter().collect();
        settings.upgrade = UpgradeSettings {
            compression: written.compression,
            origins: OriginRules {
                same: written.same_origin,
                allowed: self.origins.clone(),
            },
            cookies: CookieNames {
                jwt: written.cookies.jwt.clone(),
                user: written.cookies.user.clone(),
                password: written.cookies.password.clone(),
                token: written.cookies.token.clone(),
            },
            headers: written.headers.clone().into_iter().collect(),
        };
        settings
    }

    /// What its URLs begin with.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "wss" } else { "ws" }
    }

    /// Whether another one is the same but for what the files of its TLS hold.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.written == other.written && self.address == other.address
    }
}

fn of_block(block: &conf::Tls, allow_plain: bool) -> Result<LoadedTls, InvalidTransport> {
    let path = |file: &conf::Located<String>| PathBuf::from(&file.value);
    let mut settings = TlsSettings::new(PathBuf::new(), PathBuf::new());
    settings.certificates = block
        .certificates
        .iter()
        .map(|files| CertificateFiles {
            certificate: path(&files.cert_file),
            key: path(&files.key_file),
        })
        .collect();
    settings.client_ca = block.ca_file.as_ref().map(path);
    settings.client_certificates = match (block.verify, block.verify_and_map) {
        (_, true) => ClientCertificates::Mapped,
        (true, false) => ClientCertificates::Required,
        (false, false) => ClientCertificates::NotAsked,
    };
    if let Some(timeout) = block.timeout {
        settings.timeout = timeout;
    }
    settings.handshake = match block.handshake {
        conf::Handshake::AfterInfo => Handshake::AfterInfo,
        conf::Handshake::First => Handshake::First,
        conf::Handshake::FirstWithin(wait) => Handshake::FirstWithin(wait),
    };
    settings.allow_plain = allow_plain;
    settings.min_version = match block.min_version {
        conf::TlsVersion::V1_2 => TlsVersion::V1_2,
        conf::TlsVersion::V1_3 => TlsVersion::V1_3,
    };
    settings.cipher_suites = block
        .cipher_suites
        .iter()
        .map(|suite| suite_name(*suite).to_owned())
        .collect();
    settings.curves = block
        .curves
        .iter()
        .map(|curve| curve_name(*curve).to_owned())
        .collect();
    settings.connection_rate_limit = block.connection_rate_limit;
    settings.pinned_certs.clone_from(&block.pinned_certs);
    LoadedTls::load(settings).map_err(|source| InvalidTransport::Tls {
        at: block.at.clone(),
        source,
    })
}

/// As the standard calls it.
const fn suite_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::Tls13Aes128GcmSha256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::Tls13Aes256GcmSha384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::Tls13ChaCha20Poly1305Sha256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::EcdheEcdsaAes128GcmSha256 => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::EcdheEcdsaAes256GcmSha384 => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::EcdheEcdsaChaCha20Poly1305Sha256 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::EcdheRsaAes128GcmSha256 => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::EcdheRsaAes256GcmSha384 => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::EcdheRsaChaCha20Poly1305Sha256 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    }
}

/// As configurations call it.
const fn curve_name(curve: Curve) -> &'static str {
    match curve {
        Curve::X25519 => "X25519",
        Curve::P256 => "CurveP256",
        Curve::P384 => "CurveP384",
    }
}
