//! Certificates that are made for one test.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use tollway_node::transport::{ClientCertificates, Tls, TlsSettings};

/// An authority, and a folder for the files of listeners.
pub(crate) struct Pki {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Issued {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivatePkcs8KeyDer<'static>,
}

impl Issued {
    /// SHA-256 of the public key, as it is pinned.
    pub(crate) fn key_digest(&self) -> [u8; 32] {
        use sha2::Digest as _;
        let (_, parsed) = x509_parser::parse_x509_certificate(&self.certificate).expect("a certificate");
        sha2::Sha256::digest(parsed.public_key().raw).into()
    }
}

impl Pki {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("signs itself");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { folder, issuer }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a certificate for these host names, and its key.
    pub(crate) fn write_server(&self, name: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
        let params = CertificateParams::new(hosts).expect("host names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        let (chain, secret) = (
            self.file(&format!("{name}.pem")),
            self.file(&format!("{name}.key")),
        );
        std::fs::write(&chain, certificate.pem()).expect("written");
        std::fs::write(&secret, key.serialize_pem()).expect("written");
        (chain, secret)
    }

    /// Settings with a certificate for `localhost`.
    pub(crate) fn settings(&self) -> TlsSettings {
        let (certificate, key) = self.write_server("server", &["localhost"]);
        TlsSettings::new(certificate, key)
    }

    /// The same, and clients have to show certificates of this authority.
    pub(crate) fn asking(&self, what: ClientCertificates) -> TlsSettings {
        TlsSettings {
            client_ca: Some(self.file("ca.pem")),
            client_certificates: what,
            ..self.settings()
        }
    }

    /// A client's certificate: subject from the most general part on, mail addresses, hosts.
    pub(crate) fn issue(&self, subject: &[(DnType, &str)], mails: &[&str], hosts: &[&str]) -> Issued {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let mails = mails
            .iter()
            .map(|mail| SanType::Rfc822Name((*mail).try_into().expect("ASCII")));
        let hosts = hosts
            .iter()
            .map(|host| SanType::DnsName((*host).try_into().expect("ASCII")));
        params.subject_alt_names = mails.chain(hosts).collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        Issued {
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        }
    }

    /// A client that trusts this authority, and shows this.
    pub(crate) fn client(&self, shown: Option<&Issued>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("both versions")
            .with_root_certificates(roots);
        Arc::new(match shown {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let key = PrivateKeyDer::Pkcs8(issued.key.clone_key());
                let chain = vec![issued.certificate.clone()];
                builder
                    .with_client_auth_cert(chain, key)
                    .expect("they belong together")
            }
        })
    }
}

/// What these settings come to.
pub(crate) fn load(settings: TlsSettings) -> Arc<Tls> {
    Tls::load(settings).expect("the files are there")
}
