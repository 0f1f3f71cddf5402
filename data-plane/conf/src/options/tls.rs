//! `tls` of a listener. Files are named here and opened elsewhere.

use std::time::Duration;

use crate::duration::{self, Signed};
use crate::field::Field;
use crate::located::Located;
use crate::position::Position;
use crate::problem::Reason;
use crate::report::Report;
use crate::value::Value;

/// How a listener speaks TLS.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// Certificates with their keys; at least one.
    pub certificates: Vec<CertificateFiles>,
    /// Who signs the certificates of clients; those the system trusts when there is none.
    pub ca_file: Option<Located<String>>,
    /// Clients have to show a certificate.
    pub verify: bool,
    /// The certificate says which user it is.
    pub verify_and_map: bool,
    /// How long a handshake may take; none means the usual time.
    pub timeout: Option<Duration>,
    /// When the handshake happens.
    pub handshake: Handshake,
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
    /// The only suites that are spoken; those the library likes when empty.
    pub cipher_suites: Vec<CipherSuite>,
    /// The only curves, in this order; those the library likes when empty.
    pub curves: Vec<Curve>,
    /// Handshakes per second; no bound when there is none.
    pub connection_rate_limit: Option<u64>,
    /// SHA-256 of the public keys of the only clients that are let in; all when empty.
    pub pinned_certs: Vec<[u8; 32]>,
    /// Where the block stands.
    pub at: Position,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq)]
pub struct CertificateFiles {
    /// The path of the certificate and what signs it.
    pub cert_file: Located<String>,
    /// The path of its key.
    pub key_file: Located<String>,
}

/// When the handshake happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handshake {
    /// After the first INFO.
    #[default]
    AfterInfo,
    /// At once: no INFO is ever sent in the clear.
    First,
    /// At once if the client begins it within this time, else after INFO.
    FirstWithin(Duration),
}

/// `auto`: long enough for a client that knows what it does, too short to be noticed by one that does not.
pub const HANDSHAKE_AUTO: Duration = Duration::from_millis(50);

/// Versions of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// The suites there are: those without a known weakness, which are also all that rustls speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of the standard
#[rustfmt::skip]
pub enum CipherSuite {
    Tls13Aes128GcmSha256,
    Tls13Aes256GcmSha384,
    Tls13ChaCha20Poly1305Sha256,
    EcdheEcdsaAes128GcmSha256,
    EcdheEcdsaAes256GcmSha384,
    EcdheEcdsaChaCha20Poly1305Sha256,
    EcdheRsaAes128GcmSha256,
    EcdheRsaAes256GcmSha384,
    EcdheRsaChaCha20Poly1305Sha256,
}

/// The curves there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of the standard
pub enum Curve {
    X25519,
    P256,
    P384,
}

/// Suites by the names of stock servers.
#[rustfmt::skip]
const SUITES: [(&str, CipherSuite); 9] = [
    ("TLS_AES_128_GCM_SHA256", CipherSuite::Tls13Aes128GcmSha256),
    ("TLS_AES_256_GCM_SHA384", CipherSuite::Tls13Aes256GcmSha384),
    ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::Tls13ChaCha20Poly1305Sha256),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", CipherSuite::EcdheEcdsaAes128GcmSha256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CipherSuite::EcdheEcdsaAes256GcmSha384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::EcdheEcdsaChaCha20Poly1305Sha256),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::EcdheRsaAes128GcmSha256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::EcdheRsaAes256GcmSha384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::EcdheRsaChaCha20Poly1305Sha256),
];

/// Curves by the names of stock servers.
const CURVES: [(&str, Curve); 3] = [
    ("X25519", Curve::X25519),
    ("CurveP256", Curve::P256),
    ("CurveP384", Curve::P384),
];

/// Reads the block of a listener.
pub(crate) fn read(report: &mut Report, block: &Field<'_>) -> Option<Tls> {
    report.map_of(block)?;
    let mut cert_file = None;
    let mut key_file = None;
    let mut many = None;
    let mut handshake = None;
    let mut tls = Tls {
        certificates: Vec::new(),
        ca_file: None,
        verify: false,
        verify_and_map: false,
        timeout: None,
        handshake: Handshake::default(),
        min_version: TlsVersion::default(),
        cipher_suites: Vec::new(),
        curves: Vec::new(),
        connection_rate_limit: None,
        pinned_certs: Vec::new(),
        at: block.at.clone(),
    };
    for field in report.fields(block) {
        match field.key.as_str() {
            "cert_file" => cert_file = field.name(report),
            "key_file" => key_file = field.name(report),
            "ca_file" => tls.ca_file = field.name(report),
            "certs" | "certificates" => {
                let files = certificates(report, &field);
                report.set(&mut many, Some(files), &field);
            }
            "verify" => tls.verify |= field.boolean(report).unwrap_or(false),
            "verify_and_map" => {
                tls.verify_and_map = field.boolean(report).unwrap_or(false);
                tls.verify |= tls.verify_and_map;
            }
            "verify_cert_and_check_known_urls" => {
                if field.boolean(report) == Some(true) {
                    let option = "verify_cert_and_check_known_urls";
                    report.refuse(&field, option, "it is about the servers of a cluster");
                }
            }
            // Only those who dial could skip a check; listeners have none to skip.
            "insecure" => _ = field.boolean(report),
            "timeout" => tls.timeout = field.seconds(report),
            "handshake_first" | "first" | "immediate" => {
                let when = self::handshake(report, &field);
                report.set(&mut handshake, when, &field);
            }
            "min_version" => tls.min_version = min_version(report, &field).unwrap_or_default(),
            "cipher_suites" => tls.cipher_suites = cipher_suites(report, &field),
            "curve_preferences" => tls.curves = curves(report, &field),
            "connection_rate_limit" => {
                let rate = field.count(report, i64::MAX);
                tls.connection_rate_limit = rate.filter(|rate| *rate > 0);
            }
            "pinned_certs" => tls.pinned_certs = pinned(report, &field),
            "allow_insecure_cipher_suites" => _ = field.boolean(report),
            "ocsp_peer" => ocsp_peer(report, &field),
            "cert_store" | "cert_match" | "cert_match_by" | "cert_match_skip_invalid" | "ca_certs_match" => {
                report.refuse(
                    &field,
                    "a certificate store",
                    "it exists on Windows only; name files",
                );
            }
            _ => report.unknown(&field, "tls"),
        }
    }
    tls.handshake = handshake.unwrap_or_default();
    tls.certificates = all_certificates(report, block, cert_file, key_file, many);
    Some(tls)
}

fn all_certificates(
    report: &mut Report,
    block: &Field<'_>,
    cert_file: Option<Located<String>>,
    key_file: Option<Located<String>>,
    many: Option<Vec<CertificateFiles>>,
) -> Vec<CertificateFiles> {
    let many = many.filter(|many| !many.is_empty());
    let mut missing = |key| report.problem(block.at, Reason::Missing { block: "tls", key });
    match (cert_file, key_file, many) {
        (None, None, Some(many)) => many,
        (Some(cert_file), Some(key_file), None) => vec![CertificateFiles { cert_file, key_file }],
        (None, None, None) => {
            missing("cert_file and key_file, or certs");
            Vec::new()
        }
        (_, None, None) => {
            missing("key_file");
            Vec::new()
        }
        (None, _, None) => {
            missing("cert_file");
            Vec::new()
        }
        (_, _, Some(many)) => {
            let (one, other) = ("certs", "cert_file and key_file");
            report.problem(block.at, Reason::Conflict { one, other });
            many
        }
    }
}

fn certificates(report: &mut Report, list: &Field<'_>) -> Vec<CertificateFiles> {
    let mut files = Vec::new();
    for item in list.items(report) {
        if report.map_of(&item).is_none() {
            continue;
        }
        let mut cert_file = None;
        let mut key_file = None;
        for field in report.fields(&item) {
            match field.key.as_str() {
                "cert_file" => cert_file = field.name(report),
                "key_file" => key_file = field.name(report),
                _ => report.unknown(&field, "certs"),
            }
        }
        match (cert_file, key_file) {
            (Some(cert_file), Some(key_file)) => files.push(CertificateFiles { cert_file, key_file }),
            _ => {
                let (block, key) = ("each of certs", "cert_file and key_file");
                report.problem(&item.node.at, Reason::Missing { block, key });
            }
        }
    }
    files
}

fn handshake(report: &mut Report, field: &Field<'_>) -> Option<Handshake> {
    const WORDS: &str = "has to be true, false, auto, or how long to wait, such as \"300ms\"";
    match &field.node.value {
        Value::Boolean(true) => Some(Handshake::First),
        Value::Boolean(false) => Some(Handshake::AfterInfo),
        Value::Text(text) => match text.expose().to_ascii_lowercase().as_str() {
            "true" | "on" => Some(Handshake::First),
            "false" | "off" => Some(Handshake::AfterInfo),
            "auto" => Some(Handshake::FirstWithin(HANDSHAKE_AUTO)),
            other => match duration::parse(other) {
                Ok(Signed::Positive(wait)) => Some(Handshake::FirstWithin(wait)),
                _ => report.invalid(field, WORDS),
            },
        },
        _ => report.wrong_kind(field, "true, false, auto, or a duration in quotes"),
    }
}

fn min_version(report: &mut Report, field: &Field<'_>) -> Option<TlsVersion> {
    match field.text(report)?.value.as_str() {
        "1.2" => Some(TlsVersion::V1_2),
        "1.3" => Some(TlsVersion::V1_3),
        _ => report.invalid(field, "has to be \"1.2\" or \"1.3\""),
    }
}

fn cipher_suites(report: &mut Report, list: &Field<'_>) -> Vec<CipherSuite> {
    const WHY: &str = "not a suite that is spoken here: the AES-GCM and ChaCha20 suites of TLS 1.3, and those of TLS 1.2 with ECDHE, are";
    chosen(report, list, &SUITES, WHY)
}

fn curves(report: &mut Report, list: &Field<'_>) -> Vec<Curve> {
    const WHY: &str = "not a curve that is spoken here: X25519, CurveP256 and CurveP384 are";
    chosen(report, list, &CURVES, WHY)
}

/// Names from a table; a list must choose something.
fn chosen<T: Copy>(report: &mut Report, list: &Field<'_>, table: &[(&str, T)], why: &'static str) -> Vec<T> {
    let items = list.items(report);
    if items.is_empty() && matches!(list.node.value, Value::List(_)) {
        report.reject(list, "cannot be empty");
    }
    let mut chosen = Vec::new();
    for item in items {
        let Some(name) = item.text(report) else { continue };
        match table.iter().find(|(known, _)| *known == name.value) {
            Some((_, value)) => chosen.push(*value),
            None => report.reject(&item, why),
        }
    }
    chosen
}

fn pinned(report: &mut Report, list: &Field<'_>) -> Vec<[u8; 32]> {
    let mut pinned = Vec::new();
    for item in list.items(report) {
        let Some(text) = item.text(report) else { continue };
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.value.as_bytes());
        match bytes.ok().and_then(|bytes| bytes.try_into().ok()) {
            Some(digest) => pinned.push(digest),
            None => report.reject(
                &item,
                "has to be the SHA-256 of a public key in 64 hexadecimal digits",
            ),
        }
    }
    pinned
}

/// Checks of certificates at their issuer are not there: one that is asked for must not be left out silently.
fn ocsp_peer(report: &mut Report, field: &Field<'_>) {
    if !matches!(field.node.value, Value::Boolean(false)) {
        report.refuse(
            field,
            "ocsp_peer",
            "revoked certificates are not looked up; use short-lived ones",
        );
    }
}
