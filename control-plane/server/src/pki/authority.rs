//! The authority's certificate and key.

use data_encoding::HEXLOWER;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::secrets::random_array;

/// Long enough that no installation meets its end by surprise; replacing it means enrolling every node again.
const AUTHORITY_DAYS: i64 = 20 * 365;
/// Clocks differ: a certificate is valid a little before it is made.
pub(super) const CLOCK_SKEW: Duration = Duration::hours(1);

/// Signs certificates for nodes and for the fleet listener.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A fresh authority, to be stored before it is used.
pub struct NewAuthority {
    /// The self-signed certificate, DER.
    pub certificate: Vec<u8>,
    /// The private key, PKCS #8 DER.
    pub private_key: Zeroizing<Vec<u8>>,
}

/// The authority cannot be made, or what is stored is none.
#[derive(Debug, thiserror::Error)]
#[error("the certificate authority cannot be {step}")]
pub struct AuthorityError {
    step: &'static str,
    #[source]
    source: rcgen::Error,
}

impl AuthorityError {
    pub(super) fn in_step(step: &'static str) -> impl Fn(rcgen::Error) -> Self {
        move |source| Self { step, source }
    }
}

impl NewAuthority {
    /// Makes an ECDSA P-256 key and its certificate.
    pub fn generate(now: OffsetDateTime) -> Result<Self, AuthorityError> {
        let failed = AuthorityError::in_step("made");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(&failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Tollway built-in authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial_number());
        params.not_before = now - CLOCK_SKEW;
        params.not_after = now + Duration::days(AUTHORITY_DAYS);
        let certificate = params.self_signed(&key).map_err(&failed)?;
        Ok(Self {
            certificate: certificate.der().to_vec(),
            private_key: Zeroizing::new(key.serialize_der()),
        })
    }
}

impl Authority {
    /// The authority from its stored parts.
    pub fn load(certificate: &[u8], private_key: &[u8]) -> Result<Self, AuthorityError> {
        let failed = AuthorityError::in_step("read");
        let certificate = CertificateDer::from(certificate.to_vec());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(private_key),
            &PKCS_ECDSA_P256_SHA256,
        )
        .map_err(&failed)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(&failed)?;
        Ok(Self { certificate, issuer })
    }

    /// The certificate that nodes pin, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of the certificate's DER, 64 hexadecimal letters, as enrolment tokens carry it.
    pub fn fingerprint(&self) -> String {
        Self::fingerprint_of(&self.certificate)
    }

    /// The same, of a certificate that is not loaded yet.
    pub fn fingerprint_of(certificate: &[u8]) -> String {
        HEXLOWER.encode(&Sha256::digest(certificate))
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

/// Unguessable and unique, as certificates need it. The top bit is cleared: serial numbers are positive.
pub(super) fn serial_number() -> SerialNumber {
    let mut bytes = random_array::<16>();
    bytes[0] &= 0x7f;
    SerialNumber::from_slice(&bytes)
}
