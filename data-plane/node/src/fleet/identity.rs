//! Who this node is and whom it trusts, as enrolment left it on disk.

use std::sync::Arc;

use data_encoding::BASE64;
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use tollway_claims::{PublicKey, Trust, TrustError};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::{Zeroize as _, Zeroizing};

use super::tls;
use crate::broker::ENFORCED;
use crate::data_folder::{DataFolder, DataFolderError};

/// One file holds all of it, so that a crash leaves an identity or none, never half of one.
const FILE: &str = "identity.json";
const FORMAT: u32 = 1;

/// An enrolled node.
#[derive(Clone)]
pub struct Identity {
    /// `nod_...`, given by the control plane.
    pub node_id: String,
    /// `cel_...`, the cell it serves.
    pub cell_id: String,
    /// What the cell is called.
    pub cell_name: String,
    /// What the node is called in lists.
    pub node_name: String,
    /// The operator's JWT; its identity key was pinned at enrolment.
    pub operator_jwt: String,
    pub(super) trust: Trust,
    pub(super) authority: CertificateDer<'static>,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) private_key: Zeroizing<Vec<u8>>,
}

/// Why an identity cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Folder(#[from] DataFolderError),
    /// The file is not what enrolment wrote.
    #[error(
        "the node's identity.json cannot be used ({reason}): restore it from a backup, or move it away and enrol again"
    )]
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
    /// The operator's JWT is not acceptable.
    #[error("the operator's JWT is refused")]
    Operator(#[from] TrustError),
    /// A certificate is not for our key, or not readable.
    #[error("the certificate from the control plane cannot be used: {0}")]
    Certificate(&'static str),
    /// The TLS library does not take it.
    #[error("the node's certificate cannot be used for TLS")]
    Tls(#[from] rustls::Error),
    /// Making a key or a request for a certificate failed.
    #[error("cannot make a key for this node")]
    Key(#[from] rcgen::Error),
}

/// A fresh key, and the request to certify it.
pub(super) struct KeyRequest {
    pub(super) private_key: Zeroizing<Vec<u8>>,
    public_key: Vec<u8>,
    /// PKCS #10, DER.
    pub(super) certificate_request: Vec<u8>,
}

impl KeyRequest {
    pub(super) fn generate() -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        // The request names nothing: whose certificate it becomes, the control plane decides.
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let request = params.serialize_request(&key)?;
        Ok(Self {
            private_key: Zeroizing::new(key.serialize_der()),
            public_key: key.subject_public_key_info(),
            certificate_request: request.der().to_vec(),
        })
    }

    /// Whether the certificate is for this key.
    pub(super) fn check(&self, certificate: &[u8]) -> Result<(), IdentityError> {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|_| IdentityError::Certificate("it is no X.509 certificate"))?;
        if parsed.public_key().raw != self.public_key {
            return Err(IdentityError::Certificate("it is for another key"));
        }
        Ok(())
    }
}

impl Identity {
    /// What enrolment left in the folder; `None` before enrolment.
    pub fn load(folder: &DataFolder) -> Result<Option<Self>, IdentityError> {
        let Some(content) = folder.read(FILE)?.map(Zeroizing::new) else {
            return Ok(None);
        };
        let file: IdentityFile =
            serde_json::from_slice(&content).map_err(|error| IdentityError::Damaged {
                reason: error.to_string(),
            })?;
        file.open().map(Some)
    }

    /// Writes it into the folder, durably.
    pub fn save(&self, folder: &DataFolder) -> Result<(), IdentityError> {
        let mut file = IdentityFile {
            format: FORMAT,
            node_id: self.node_id.clone(),
            cell_id: self.cell_id.clone(),
            cell_name: self.cell_name.clone(),
            node_name: self.node_name.clone(),
            operator: self.trust.identity(),
            operator_jwt: self.operator_jwt.clone(),
            authority_certificate: BASE64.encode(&self.authority),
            certificate: BASE64.encode(&self.certificate),
            private_key: BASE64.encode(&self.private_key),
        };
        let mut text = Zeroizing::new(serde_json::to_vec_pretty(&file).expect("texts are JSON"));
        file.private_key.zeroize();
        text.push(b'\n');
        Ok(folder.replace(FILE, &text)?)
    }

    /// Whose signatures count.
    pub fn trust(&self) -> Trust {
        self.trust.clone()
    }

    /// TLS settings with which the node shows its certificate.
    pub(super) fn tls(&self) -> Result<Arc<rustls::ClientConfig>, IdentityError> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.private_key.to_vec()));
        Ok(Arc::new(tls::enrolled(
            &self.authority,
            self.certificate.clone(),
            key,
        )?))
    }

    /// From when to when the certificate is good, seconds since 1970.
    pub(super) fn certificate_life(&self) -> Result<(i64, i64), IdentityError> {
        let (_, parsed) = X509Certificate::from_der(&self.certificate)
            .map_err(|_| IdentityError::Certificate("it is no X.509 certificate"))?;
        let validity = parsed.validity();
        Ok((validity.not_before.timestamp(), validity.not_after.timestamp()))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("node_id", &self.node_id)
            .field("cell_id", &self.cell_id)
            .field("operator", &self.trust.identity())
            .finish_non_exhaustive()
    }
}

/// The file. The private key is in it, so it is the owner's alone.
#[derive(Serialize, Deserialize)]
struct IdentityFile {
    format: u32,
    node_id: String,
    cell_id: String,
    cell_name: String,
    node_name: String,
    /// The pinned identity key.
    operator: PublicKey,
    operator_jwt: String,
    /// DER in base64, as the next two.
    authority_certificate: String,
    certificate: String,
    /// PKCS #8.
    private_key: String,
}

impl IdentityFile {
    fn open(mut self) -> Result<Identity, IdentityError> {
        let private_key = Zeroizing::new(std::mem::take(&mut self.private_key));
        let damaged = |reason: &str| IdentityError::Damaged {
            reason: reason.to_owned(),
        };
        if self.format != FORMAT {
            return Err(damaged("it was written by a newer version of this program"));
        }
        let bytes = |text: &str, what: &str| {
            BASE64
                .decode(text.as_bytes())
                .map_err(|_| damaged(&format!("its {what} is not base64")))
        };
        let identity = Identity {
            trust: Trust::pin(self.operator, &self.operator_jwt)?.enforcing(ENFORCED),
            authority: bytes(&self.authority_certificate, "authority_certificate")?.into(),
            certificate: bytes(&self.certificate, "certificate")?.into(),
            private_key: Zeroizing::new(bytes(&private_key, "private_key")?),
            node_id: self.node_id,
            cell_id: self.cell_id,
            cell_name: self.cell_name,
            node_name: self.node_name,
            operator_jwt: self.operator_jwt,
        };
        // Found now rather than when the node dials.
        identity.tls()?;
        identity.certificate_life()?;
        Ok(identity)
    }
}

/// The identity in use, and its file. What changes is on disk before it is used.
#[derive(Debug)]
pub struct IdentityStore {
    folder: Arc<DataFolder>,
    current: Mutex<Identity>,
}

impl IdentityStore {
    /// For an identity that is in the folder already.
    pub fn new(folder: Arc<DataFolder>, identity: Identity) -> Self {
        Self {
            folder,
            current: Mutex::new(identity),
        }
    }

    /// The identity as it is now.
    pub fn current(&self) -> Identity {
        self.current.lock().clone()
    }

    /// The cell that this node serves.
    pub fn cell_id(&self) -> String {
        self.current.lock().cell_id.clone()
    }

    /// Whose signatures count now.
    pub fn trust(&self) -> Trust {
        self.current.lock().trust.clone()
    }

    /// Takes another JWT of the operator, if the pinned identity signed it and
    /// it is not older than the one in use. `None` when it is that one.
    pub(super) fn operator_jwt_offer(&self, jwt: &str) -> Result<Option<Trust>, IdentityError> {
        let mut current = self.current.lock();
        if current.operator_jwt == jwt {
            return Ok(None);
        }
        let trust = current.trust.update(jwt)?;
        let changed = Identity {
            operator_jwt: jwt.to_owned(),
            trust: trust.clone(),
            ..current.clone()
        };
        changed.save(&self.folder)?;
        *current = changed;
        Ok(Some(trust))
    }

    /// Takes a renewed certificate for the key of `request`.
    pub(super) fn certificate_replace(
        &self,
        request: KeyRequest,
        certificate: Vec<u8>,
    ) -> Result<(), IdentityError> {
        request.check(&certificate)?;
        let mut current = self.current.lock();
        let changed = Identity {
            certificate: certificate.into(),
            private_key: request.private_key,
            ..current.clone()
        };
        changed.tls()?;
        changed.certificate_life()?;
        changed.save(&self.folder)?;
        *current = changed;
        Ok(())
    }
}
