//! What a node's certificate says: which node it is.

use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::CertificateSigningRequestDer;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use x509_parser::{extensions::GeneralName, prelude::FromDer, prelude::X509Certificate};

use super::{
    Authority,
    authority::{CLOCK_SKEW, serial_number},
};

/// Days a node's certificate is good for; nodes renew at two thirds of it.
pub const NODE_CERTIFICATE_DAYS: i64 = 30;
/// Largest signing request we read; a P-256 one has about 250 bytes.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
const URI_PREFIX: &str = "tollway://node/";

/// Whom a certificate belongs to. Whether the authority signed it, TLS has checked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeCertificate {
    /// The node.
    pub node: Uuid,
    /// SHA-256 of the certificate's DER. A node has one current certificate; others are refused.
    pub sha256: [u8; 32],
}

/// A certificate cannot be issued for this request, or names no node.
#[derive(Debug, thiserror::Error)]
pub enum NodeCertificateError {
    /// The request is no PKCS #10 document that its own key signed.
    #[error("the certificate request is not acceptable")]
    Request(#[source] rcgen::Error),
    /// The request is absurdly long.
    #[error("the certificate request has more than {REQUEST_BYTES_MAX} bytes")]
    RequestTooLong,
    /// Signing failed.
    #[error("the certificate cannot be signed")]
    Sign(#[source] rcgen::Error),
    /// The certificate was made for something else than a node.
    #[error("the certificate names no node")]
    NotANode,
}

impl NodeCertificate {
    /// Signs the key of `request` (DER) as the key of `node`. Whatever names the
    /// request asks for are ignored: only its key and its signature count.
    pub fn issue(
        authority: &Authority,
        request: &[u8],
        node: Uuid,
        now: OffsetDateTime,
    ) -> Result<Vec<u8>, NodeCertificateError> {
        if request.len() > REQUEST_BYTES_MAX {
            return Err(NodeCertificateError::RequestTooLong);
        }
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(request))
            .map_err(NodeCertificateError::Request)?;
        let uri = format!("{URI_PREFIX}{node}")
            .try_into()
            .map_err(NodeCertificateError::Sign)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("node {node}"));
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial_number());
        params.not_before = now - CLOCK_SKEW;
        params.not_after = now + Duration::days(NODE_CERTIFICATE_DAYS);
        let certificate = params
            .signed_by(&request.public_key, authority.issuer())
            .map_err(NodeCertificateError::Sign)?;
        Ok(certificate.der().to_vec())
    }

    /// Reads which node a certificate (DER) was made for.
    pub fn read(certificate: &[u8]) -> Result<Self, NodeCertificateError> {
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|_| NodeCertificateError::NotANode)?;
        let names = parsed
            .subject_alternative_name()
            .ok()
            .flatten()
            .ok_or(NodeCertificateError::NotANode)?;
        let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else {
            return Err(NodeCertificateError::NotANode);
        };
        let node = uri
            .strip_prefix(URI_PREFIX)
            .and_then(|text| text.parse().ok())
            .ok_or(NodeCertificateError::NotANode)?;
        Ok(Self {
            node,
            sha256: Sha256::digest(certificate).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::KeyPair;
    use rustls::{RootCertStore, pki_types::UnixTime, server::WebPkiClientVerifier};

    use super::*;
    use crate::pki::{FLEET_SERVER_NAME, FleetCertificate, NewAuthority};

    fn authority(now: OffsetDateTime) -> Authority {
        let new = NewAuthority::generate(now).unwrap();
        Authority::load(&new.certificate, &new.private_key).unwrap()
    }

    fn request(key: &KeyPair) -> Vec<u8> {
        // A request may ask for anything, here for being an authority.
        let mut params = CertificateParams::new(["evil.example".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.serialize_request(key).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_names_its_node_and_nothing_that_the_request_asked_for() {
        let now = OffsetDateTime::now_utc();
        let node = Uuid::now_v7();
        let certificate = NodeCertificate::issue(
            &authority(now),
            &request(&KeyPair::generate().unwrap()),
            node,
            now,
        )
        .unwrap();
        assert_eq!(NodeCertificate::read(&certificate).unwrap().node, node);
        let (_, parsed) = X509Certificate::from_der(&certificate).unwrap();
        assert!(!parsed.is_ca());
        assert!(!format!("{:?}", parsed.subject_alternative_name()).contains("evil"));
    }

    #[test]
    fn only_the_authority_that_signed_it_vouches_for_a_node_and_only_in_its_time() {
        let now = OffsetDateTime::now_utc();
        let (ours, other) = (authority(now), authority(now));
        let certificate = NodeCertificate::issue(
            &ours,
            &request(&KeyPair::generate().unwrap()),
            Uuid::now_v7(),
            now,
        )
        .unwrap();
        let vouches = |authority: &Authority, at: OffsetDateTime| {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate().clone()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .unwrap();
            let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.unix_timestamp() as u64));
            verifier
                .verify_client_cert(&certificate.clone().into(), &[], at)
                .is_ok()
        };
        assert!(vouches(&ours, now));
        assert!(!vouches(&other, now));
        assert!(!vouches(&ours, now + Duration::days(NODE_CERTIFICATE_DAYS + 1)));
    }

    #[test]
    fn the_fleet_certificate_is_no_node_and_carries_the_fixed_name() {
        let now = OffsetDateTime::now_utc();
        let fleet = FleetCertificate::issue(&authority(now), now).unwrap();
        assert!(matches!(
            NodeCertificate::read(&fleet.chain[0]),
            Err(NodeCertificateError::NotANode)
        ));
        let (_, parsed) = X509Certificate::from_der(&fleet.chain[0]).unwrap();
        assert!(format!("{:?}", parsed.subject_alternative_name()).contains(FLEET_SERVER_NAME));
    }

    #[test]
    fn requests_that_their_key_did_not_sign_are_refused() {
        let now = OffsetDateTime::now_utc();
        let mut forged = request(&KeyPair::generate().unwrap());
        let last = forged.len() - 1;
        forged[last] ^= 1;
        for bytes in [forged, Vec::new(), vec![0x30; 64], vec![0; REQUEST_BYTES_MAX + 1]] {
            assert!(NodeCertificate::issue(&authority(now), &bytes, Uuid::now_v7(), now).is_err());
        }
    }
}
