//! A node that speaks the fleet protocol, without serving anybody.

use std::{net::SocketAddr, sync::Arc};

use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use reqwest::Method;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Duration, timeout},
};
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tollway::pki::FLEET_SERVER_NAME;
use tollway_claims::Trust;
use tollway_proto::fleet::{
    Ack, ControlMessage, Cursor, EnrolRequest, EnrolResponse, Hello, NodeMessage, Refusal, Request, Update,
    Welcome, control_message, fleet_service_client::FleetServiceClient, node_message,
};
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};
use tower::service_fn;

use crate::fixture::{Service, text};

/// How long a message may take. Generous: machines that run tests are busy.
const WAIT: Duration = Duration::from_secs(20);

/// A node that enrolled.
pub(crate) struct FakeNode {
    pub(crate) address: SocketAddr,
    pub(crate) enrolled: EnrolResponse,
    key: KeyPair,
    pub(crate) boot_id: String,
}

/// An open fleet stream, after Welcome.
pub(crate) struct Attached {
    pub(crate) welcome: Welcome,
    pub(crate) to_control: mpsc::Sender<NodeMessage>,
    pub(crate) from_control: Streaming<ControlMessage>,
}

/// A whole batch.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) snapshot: bool,
    pub(crate) cursor: Cursor,
    pub(crate) accounts: Vec<tollway_proto::fleet::AccountDocument>,
    pub(crate) removed: Vec<String>,
    pub(crate) request_id: String,
    pub(crate) accounts_in_cell: Option<u64>,
    pub(crate) epoch_statement: String,
}

/// Accepts the server whose authority has the fingerprint of the enrolment token, as a new node does.
#[derive(Debug)]
struct ByFingerprint {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ByFingerprint {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let authority = intermediates
            .iter()
            .find(|der| data_encoding::HEXLOWER.encode(&Sha256::digest(der)) == self.fingerprint)
            .ok_or_else(|| rustls::Error::General("the authority is another one".into()))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

async fn channel(address: SocketAddr, mut config: ClientConfig) -> Result<Channel, tonic::transport::Error> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    Endpoint::from_static("http://fleet.tollway.internal")
        .connect_with_connector(service_fn(move |_| {
            let connector = connector.clone();
            async move {
                let stream = TcpStream::connect(address).await?;
                let name = ServerName::try_from(FLEET_SERVER_NAME).unwrap();
                connector.connect(name, stream).await.map(TokioIo::new)
            }
        }))
        .await
}

/// A channel of somebody without a certificate.
pub(crate) async fn stranger(address: SocketAddr, token: &str) -> Channel {
    let fingerprint = token.split('.').nth(1).unwrap_or_default().to_owned();
    let provider = provider();
    let verifier = ByFingerprint {
        fingerprint,
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    channel(address, config).await.unwrap()
}

pub(crate) async fn enrolment_token(service: &Service, cell: &str) -> String {
    let made = service
        .admin(
            Method::POST,
            &format!("/v1/cells/{cell}/enrolment-tokens"),
            Value::Null,
        )
        .await;
    text(&made, "token").to_owned()
}

pub(crate) fn signing_request(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default()
        .serialize_request(key)
        .unwrap()
        .der()
        .to_vec()
}

impl FakeNode {
    /// Joins a cell with a fresh token.
    pub(crate) async fn enrol(service: &Service, cell: &str) -> Self {
        let token = enrolment_token(service, cell).await;
        Self::enrol_with(service, &token, "node-1").await.unwrap()
    }

    pub(crate) async fn enrol_with(service: &Service, token: &str, name: &str) -> Result<Self, Status> {
        let address = service.control_plane().ports().fleet;
        let key = KeyPair::generate().unwrap();
        let request = EnrolRequest {
            token: token.to_owned(),
            certificate_request: signing_request(&key),
            node_name: name.to_owned(),
        };
        let mut client = FleetServiceClient::new(stranger(address, token).await);
        let enrolled = client.enrol(request).await?.into_inner();
        let boot_id = uuid::Uuid::now_v7().to_string();
        Ok(Self {
            address,
            enrolled,
            key,
            boot_id,
        })
    }

    /// A client that shows the node's certificate.
    pub(crate) async fn client(&self) -> FleetServiceClient<Channel> {
        self.client_with(self.enrolled.certificate.clone(), &self.key)
            .await
            .unwrap()
    }

    /// A client that shows some certificate.
    pub(crate) async fn client_with(
        &self,
        certificate: Vec<u8>,
        key: &KeyPair,
    ) -> Result<FleetServiceClient<Channel>, tonic::transport::Error> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.enrolled.authority_certificate.clone().into())
            .unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate.into()], key)
            .unwrap();
        Ok(FleetServiceClient::new(channel(self.address, config).await?))
    }

    /// The node's key.
    pub(crate) fn key(&self) -> &KeyPair {
        &self.key
    }

    /// Attaches, saying that it holds `cursor`.
    pub(crate) async fn attach(&self, cursor: Option<Cursor>) -> Attached {
        self.try_attach(cursor).await.unwrap()
    }

    pub(crate) async fn try_attach(&self, cursor: Option<Cursor>) -> Result<Attached, Status> {
        self.try_attach_as(Hello {
            software_version: "test".into(),
            boot_id: self.boot_id.clone(),
            cursor,
            client_url: "nats://127.0.0.1:4222".into(),
        })
        .await
    }

    pub(crate) async fn try_attach_as(&self, hello: Hello) -> Result<Attached, Status> {
        let (to_control, messages) = mpsc::channel(16);
        to_control
            .send(NodeMessage {
                message: Some(node_message::Message::Hello(hello)),
            })
            .await
            .unwrap();
        let mut from_control = self
            .client()
            .await
            .attach(ReceiverStream::new(messages))
            .await?
            .into_inner();
        let first = timeout(WAIT, from_control.message())
            .await
            .expect("a Welcome comes")?;
        match first.and_then(|first| first.message) {
            Some(control_message::Message::Welcome(welcome)) => Ok(Attached {
                welcome,
                to_control,
                from_control,
            }),
            other => panic!("not a Welcome: {other:?}"),
        }
    }

    /// The keys that it pinned.
    pub(crate) fn trust(&self) -> Trust {
        Trust::from_operator_jwt(&self.enrolled.operator_jwt).unwrap()
    }
}

impl Attached {
    pub(crate) async fn send(&self, message: node_message::Message) {
        self.to_control
            .send(NodeMessage {
                message: Some(message),
            })
            .await
            .unwrap();
    }

    pub(crate) async fn next(&mut self) -> control_message::Message {
        timeout(WAIT, self.from_control.message())
            .await
            .expect("a message comes in time")
            .expect("the stream is whole")
            .expect("the stream goes on")
            .message
            .unwrap()
    }

    /// The next question into an account.
    pub(crate) async fn question(&mut self) -> Request {
        loop {
            if let control_message::Message::Request(request) = self.next().await {
                return request;
            }
        }
    }

    /// The status that ends the stream.
    pub(crate) async fn end(&mut self) -> Status {
        loop {
            match timeout(WAIT, self.from_control.message())
                .await
                .expect("the stream ends in time")
            {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok(""),
                Err(status) => return status,
            }
        }
    }

    /// The next batch, from its first to its last part.
    pub(crate) async fn batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        loop {
            let control_message::Message::Update(update) = self.next().await else {
                panic!("not an Update");
            };
            let Update {
                snapshot,
                first,
                last,
                cursor,
                accounts,
                removed,
                request_id,
                accounts_in_cell,
                epoch_statement,
            } = update;
            if first {
                batch = Batch {
                    snapshot,
                    ..Batch::default()
                };
            }
            assert_eq!(batch.snapshot, snapshot);
            batch.accounts.extend(accounts);
            batch.removed.extend(removed);
            if last {
                return Batch {
                    cursor: cursor.unwrap(),
                    request_id,
                    accounts_in_cell,
                    epoch_statement,
                    ..batch
                };
            }
        }
    }

    pub(crate) async fn ack(&self, cursor: Cursor) {
        self.ack_but(cursor, Vec::new()).await;
    }

    pub(crate) async fn ack_but(&self, cursor: Cursor, refused: Vec<Refusal>) {
        let ack = Ack {
            cursor: Some(cursor),
            refused,
            request_id: String::new(),
        };
        self.send(node_message::Message::Ack(ack)).await;
    }

    /// Takes batches and acknowledges them until one names the account; gives that one.
    pub(crate) async fn take_until(&mut self, account_key: &str) -> Batch {
        loop {
            let batch = self.batch().await;
            self.ack(batch.cursor).await;
            let named = batch
                .accounts
                .iter()
                .any(|document| document.account == account_key)
                || batch.removed.iter().any(|removed| removed == account_key);
            if named {
                return batch;
            }
        }
    }

    /// Goes on taking and acknowledging everything by itself, as a good node does.
    pub(crate) fn run(mut self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move {
            while let Ok(Some(message)) = self.from_control.message().await {
                if let Some(control_message::Message::Update(Update {
                    last: true,
                    cursor: Some(cursor),
                    ..
                })) = message.message
                {
                    let ack = Ack {
                        cursor: Some(cursor),
                        ..Ack::default()
                    };
                    let message = NodeMessage {
                        message: Some(node_message::Message::Ack(ack)),
                    };
                    if self.to_control.send(message).await.is_err() {
                        return;
                    }
                }
            }
        })
    }
}
