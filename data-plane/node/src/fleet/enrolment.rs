//! How a node becomes a member of the fleet, once.

use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use rustls::CertificateError;
use sha2::{Digest as _, Sha256};
use tollway_claims::Trust;
use tollway_proto::fleet::EnrolRequest;
use tollway_proto::fleet::fleet_service_client::FleetServiceClient;
use tonic::Code;
use zeroize::Zeroizing;

use super::backoff::{Backoff, random};
use super::bounds::CALL_WAIT;
use super::channel::{DialError, dial};
use super::identity::{Identity, IdentityError, KeyRequest};
use super::tls::{self, AuthorityMismatch};
use crate::broker::ENFORCED;
use crate::error_text;

/// A one-time token, `twe_<secret>.<SHA-256 of the authority's certificate>`.
///
/// The second half is how a node that knows nothing yet tells the control
/// plane that the token came from apart from anybody in between.
pub struct EnrolmentToken {
    text: Zeroizing<String>,
    authority_sha256: [u8; 32],
}

/// A text that is no enrolment token. It is not repeated: it may be half of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the enrolment token is not complete: copy it whole, from twe_ to the last of 64 hexadecimal digits")]
pub struct InvalidEnrolmentToken;

impl FromStr for EnrolmentToken {
    type Err = InvalidEnrolmentToken;

    fn from_str(text: &str) -> Result<Self, InvalidEnrolmentToken> {
        let text = text.trim();
        let (secret, fingerprint) = text.split_once('.').ok_or(InvalidEnrolmentToken)?;
        let fingerprint = HEXLOWER
            .decode(fingerprint.as_bytes())
            .map_err(|_| InvalidEnrolmentToken)?;
        let authority_sha256 = fingerprint.try_into().map_err(|_| InvalidEnrolmentToken)?;
        if secret
            .strip_prefix("twe_")
            .is_none_or(|secret| secret.len() != 43)
        {
            return Err(InvalidEnrolmentToken);
        }
        Ok(Self {
            text: Zeroizing::new(text.to_owned()),
            authority_sha256,
        })
    }
}

impl std::fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrolmentToken").finish_non_exhaustive()
    }
}

/// Why a node did not become a member.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The other side is not the control plane that made the token.
    #[error(
        "the control plane at {address} is not the one that made the enrolment token: \
         check --control-plane, or make a token there"
    )]
    WrongControlPlane {
        /// What was dialled.
        address: String,
        /// What is wrong with its certificate.
        #[source]
        source: DialError,
    },
    /// No connection; worth another try.
    #[error("cannot connect to enrol")]
    Dial(#[source] DialError),
    /// The control plane said no, in its own words.
    #[error("the control plane refused to enrol this node: {0}")]
    Refused(String),
    /// The control plane could not answer; worth another try.
    #[error("the control plane could not enrol this node just now: {0}")]
    Unavailable(String),
    /// The answer makes no identity.
    #[error("the control plane's answer to the enrolment cannot be used")]
    Answer(#[from] IdentityError),
    /// The authority in the answer is not the one the token names.
    #[error("the control plane's answer names another authority than the enrolment token")]
    OtherAuthority,
}

impl EnrolError {
    /// Whether trying again with the same token may help.
    fn is_temporary(&self) -> bool {
        matches!(self, Self::Dial(_) | Self::Unavailable(_))
    }
}

/// Enrols, and tries again for as long as that may help: the control plane may
/// start after its nodes. Nothing is written.
pub async fn enrol(
    control_plane: &str,
    token: &EnrolmentToken,
    node_name: &str,
) -> Result<Identity, EnrolError> {
    let mut backoff = Backoff::default();
    loop {
        match enrol_once(control_plane, token, node_name).await {
            Err(error) if error.is_temporary() => {
                let pause = backoff.next_pause(random());
                let reason = error_text::chain(&error);
                tracing::warn!(reason, "this node is not enrolled yet; trying again");
                tokio::time::sleep(pause).await;
            }
            outcome => return outcome,
        }
    }
}

/// Makes a key, proves the token, and gives back who the node is.
async fn enrol_once(
    control_plane: &str,
    token: &EnrolmentToken,
    node_name: &str,
) -> Result<Identity, EnrolError> {
    let request = KeyRequest::generate()?;
    let tls = tls::enrolling(token.authority_sha256).map_err(IdentityError::Tls)?;
    let channel = dial(control_plane, Arc::new(tls))
        .await
        .map_err(|error| classify(control_plane, error))?;
    let call = EnrolRequest {
        token: token.text.to_string(),
        certificate_request: request.certificate_request.clone(),
        node_name: node_name.to_owned(),
    };
    let mut client = FleetServiceClient::new(channel);
    let answer = tokio::time::timeout(CALL_WAIT, client.enrol(call))
        .await
        .map_err(|_| EnrolError::Unavailable(format!("no answer within {CALL_WAIT:?}")))?
        .map_err(|status| match status.code() {
            Code::Unavailable
            | Code::Internal
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::Cancelled
            | Code::ResourceExhausted => EnrolError::Unavailable(status.message().to_owned()),
            _ => EnrolError::Refused(status.message().to_owned()),
        })?
        .into_inner();
    if Sha256::digest(&answer.authority_certificate).as_slice() != token.authority_sha256 {
        return Err(EnrolError::OtherAuthority);
    }
    request.check(&answer.certificate)?;
    let identity = Identity {
        node_id: answer.node_id,
        cell_id: answer.cell_id,
        cell_name: answer.cell_name,
        node_name: node_name.to_owned(),
        trust: Trust::from_operator_jwt(&answer.operator_jwt)
            .map_err(IdentityError::Operator)?
            .enforcing(ENFORCED),
        operator_jwt: answer.operator_jwt,
        authority: answer.authority_certificate.into(),
        certificate: answer.certificate.into(),
        private_key: request.private_key,
    };
    identity.tls()?;
    identity.certificate_life()?;
    Ok(identity)
}

fn classify(address: &str, error: DialError) -> EnrolError {
    let wrong = match error.tls() {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) => {
            other.0.is::<AuthorityMismatch>()
        }
        Some(rustls::Error::InvalidCertificate(_)) => true,
        _ => false,
    };
    if wrong {
        EnrolError::WrongControlPlane {
            address: address.to_owned(),
            source: error,
        }
    } else {
        EnrolError::Dial(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_token_is_taken_and_none_is_ever_shown() {
        let secret = "s".repeat(43);
        let hash = "0f".repeat(32);
        let whole = format!(" twe_{secret}.{hash}\n");
        let token: EnrolmentToken = whole.parse().unwrap();
        assert_eq!(token.authority_sha256, [0x0f; 32]);
        assert_eq!(token.text.as_str(), whole.trim());
        assert!(!format!("{token:?}").contains('s'.to_string().repeat(5).as_str()));
        for text in [
            "".to_owned(),
            format!("twe_{secret}"),
            format!("twe_{secret}.{}", &hash[2..]),
            format!("twe_{}.{hash}", &secret[1..]),
            format!("tlw_{secret}.{hash}"),
            format!("twe_{secret}.{}", hash.to_uppercase()),
            format!("twe_{secret}.{hash}.{hash}"),
        ] {
            assert_eq!(
                text.parse::<EnrolmentToken>().err(),
                Some(InvalidEnrolmentToken),
                "{text}"
            );
        }
    }
}
