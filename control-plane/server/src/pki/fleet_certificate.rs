//! The certificate with which the control plane meets its nodes.

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use super::{
    Authority, AuthorityError,
    authority::{CLOCK_SKEW, serial_number},
};

/// The name nodes verify, whatever address they dial: identity comes from the authority, not from DNS.
pub const FLEET_SERVER_NAME: &str = "fleet.tollway.internal";

/// A process makes a new one when it starts and every day, so a short life costs nothing.
const FLEET_CERTIFICATE_DAYS: i64 = 30;

/// A certificate chain and its key, for the fleet listener. Lives in memory only.
pub struct FleetCertificate {
    /// The listener's certificate, then the authority's, so that an enrolling node can check the fingerprint.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first certificate.
    pub private_key: PrivateKeyDer<'static>,
}

impl FleetCertificate {
    /// Makes a fresh key and a certificate for it.
    pub fn issue(authority: &Authority, now: OffsetDateTime) -> Result<Self, AuthorityError> {
        let failed = AuthorityError::in_step("asked for the fleet certificate");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(&failed)?;
        let mut params = CertificateParams::new([FLEET_SERVER_NAME.to_owned()]).map_err(&failed)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, FLEET_SERVER_NAME);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial_number());
        params.not_before = now - CLOCK_SKEW;
        params.not_after = now + Duration::days(FLEET_CERTIFICATE_DAYS);
        let certificate = params.signed_by(&key, authority.issuer()).map_err(&failed)?;
        Ok(Self {
            chain: vec![certificate.der().clone(), authority.certificate().clone()],
            private_key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }
}
