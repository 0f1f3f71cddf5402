//! A control plane that does what the test says.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use futures_util::Stream;
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tollway_node::broker::listener;
use tollway_node::fleet::Cursor;
use tollway_node::unix_clock::unix_now;
use tollway_proto::fleet::control_message::Message as Control;
use tollway_proto::fleet::fleet_service_server::{FleetService, FleetServiceServer};
use tollway_proto::fleet::node_message::Message as FromNode;
use tollway_proto::fleet::{
    AccountDocument, Ack, ControlMessage, EnrolRequest, EnrolResponse, Hello, NodeMessage,
    RenewCertificateRequest, RenewCertificateResponse, Update, Welcome,
};
use tonic::transport::server::TlsConnectInfo;
use tonic::{Request, Response, Status, Streaming};

use crate::operator::{CELL, Operator};
use crate::{PATIENCE, eventually};

/// Its identity outlives its process: [`ControlPlane::stop`] and [`ControlPlane::resume`].
pub(crate) struct ControlPlane {
    pub(crate) address: SocketAddr,
    /// The whole enrolment token.
    pub(crate) token: String,
    pub(crate) operator: Arc<Operator>,
    pub(crate) facts: Arc<Facts>,
    authority: Arc<Authority>,
    attached: mpsc::UnboundedReceiver<Attached>,
    /// One of its own: when that is gone, so are all its connections.
    runtime: Option<Runtime>,
}

/// What the test looks at and turns.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) enrolments: Mutex<Vec<EnrolRequest>>,
    token_used: Mutex<bool>,
    /// Hours that a node's certificate has left; 720 when `None`.
    pub(crate) certificate_hours_left: Mutex<Option<i64>>,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A stream after the node's Hello.
pub(crate) struct Attached {
    operator: Arc<Operator>,
    pub(crate) hello: Hello,
    /// SHA-256 of the certificate that the node showed.
    pub(crate) certificate: [u8; 32],
    inbound: Streaming<NodeMessage>,
    outbound: mpsc::Sender<Result<ControlMessage, Status>>,
}

impl ControlPlane {
    pub(crate) async fn start() -> Self {
        let authority = Arc::new(Authority::new());
        let secret = "s".repeat(43);
        let fingerprint = HEXLOWER.encode(&Sha256::digest(&authority.certificate));
        let listener = listener::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let mut control_plane = Self {
            address: listener.local_addr().expect("bound"),
            token: format!("twe_{secret}.{fingerprint}"),
            operator: Arc::new(Operator::new()),
            facts: Arc::default(),
            authority,
            attached: mpsc::unbounded_channel().1,
            runtime: None,
        };
        drop(listener);
        control_plane.resume().await;
        control_plane
    }

    /// Gone, with all its connections; the port is closed.
    pub(crate) async fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        eventually("the port is closed", async || {
            TcpStream::connect(self.address).await.is_err().then_some(())
        })
        .await;
    }

    /// Back at the same address.
    pub(crate) async fn resume(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = eventually("our port is free", async || {
            let _entered = runtime.enter();
            listener::bind(self.address).ok()
        })
        .await;
        self.serve(&runtime, listener);
        self.runtime = Some(runtime);
    }

    fn serve(&mut self, runtime: &Runtime, listener: TcpListener) {
        let (attached, attached_here) = mpsc::unbounded_channel();
        self.attached = attached_here;
        let service = Fleet {
            operator: self.operator.clone(),
            authority: self.authority.clone(),
            token: self.token.clone(),
            facts: self.facts.clone(),
            attached,
        };
        let acceptor = TlsAcceptor::from(Arc::new(self.authority.server_config()));
        let (connections, incoming) = mpsc::channel(16);
        runtime.spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.expect("accepts");
                if let Ok(stream) = acceptor.accept(socket).await {
                    let _ = connections.send(Ok::<_, std::io::Error>(stream)).await;
                }
            }
        });
        runtime.spawn(async move {
            tonic::transport::Server::builder()
                .add_service(FleetServiceServer::new(service))
                .serve_with_incoming(ReceiverStream::new(incoming))
                .await
                .expect("serves");
        });
    }

    /// The next stream, before its Welcome.
    pub(crate) async fn attached(&mut self) -> Attached {
        timeout(PATIENCE, self.attached.recv())
            .await
            .expect("a node attaches")
            .expect("the service runs")
    }

    /// The next stream, after its Welcome.
    pub(crate) async fn welcomed(&mut self) -> Attached {
        let attached = self.attached().await;
        attached.welcome(&self.operator.jwt(1_000)).await;
        attached
    }
}

impl Attached {
    pub(crate) async fn send(&self, message: Control) {
        let message = ControlMessage {
            message: Some(message),
        };
        self.outbound.send(Ok(message)).await.expect("the node reads");
    }

    pub(crate) async fn welcome(&self, operator_jwt: &str) {
        let welcome = Welcome {
            server_time_unix_ms: unix_now() * 1000,
            operator_jwt: operator_jwt.to_owned(),
        };
        self.send(Control::Welcome(welcome)).await;
    }

    /// The next message that `wanted` takes; others are passed over.
    pub(crate) async fn next<T>(&mut self, mut wanted: impl FnMut(FromNode) -> Option<T>) -> T {
        let looking = async {
            loop {
                let message = self
                    .inbound
                    .message()
                    .await
                    .expect("the stream goes on")
                    .expect("it is open");
                if let Some(found) = message.message.and_then(&mut wanted) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, looking).await.expect("the node says it")
    }

    pub(crate) async fn ack(&mut self) -> Ack {
        self.next(|message| match message {
            FromNode::Ack(ack) => Some(ack),
            _ => None,
        })
        .await
    }

    /// Sends an update in one part, and waits for its answer.
    pub(crate) async fn update(
        &mut self,
        snapshot: bool,
        (epoch, revision): (u64, u64),
        accounts: Vec<AccountDocument>,
        removed: Vec<String>,
    ) -> Ack {
        self.send_update(snapshot, (epoch, revision), accounts, removed)
            .await;
        self.ack().await
    }

    /// Sends an update in one part.
    pub(crate) async fn send_update(
        &self,
        snapshot: bool,
        (epoch, revision): (u64, u64),
        accounts: Vec<AccountDocument>,
        removed: Vec<String>,
    ) {
        let update = Update {
            snapshot,
            first: true,
            last: true,
            cursor: Some(
                Cursor {
                    epoch,
                    revision,
                    mark: mark_of(epoch, revision),
                }
                .into(),
            ),
            accounts,
            removed,
            request_id: format!("req-{revision}"),
            accounts_in_cell: None,
            epoch_statement: self.operator.epoch(epoch),
        };
        self.send(Control::Update(update)).await;
    }

    pub(crate) async fn snapshot(&mut self, cursor: (u64, u64), accounts: Vec<AccountDocument>) -> Ack {
        self.update(true, cursor, accounts, Vec::new()).await
    }

    pub(crate) async fn delta(&mut self, cursor: (u64, u64), accounts: Vec<AccountDocument>) -> Ack {
        self.update(false, cursor, accounts, Vec::new()).await
    }
}

/// What this control plane gives to a revision; all 64 bits mean something.
pub(crate) fn mark_of(epoch: u64, revision: u64) -> u64 {
    u64::MAX - 1_000 * epoch - revision
}

/// A cursor's epoch and revision, and the refused accounts with their codes.
pub(crate) type AckSummary = (Option<(u64, u64)>, Vec<(String, String)>);

pub(crate) fn summary(ack: &Ack) -> AckSummary {
    let cursor = ack.cursor.map(|cursor| (cursor.epoch, cursor.revision));
    let refused = ack
        .refused
        .iter()
        .map(|refusal| (refusal.account.clone(), refusal.code.clone()));
    (cursor, refused.collect())
}

struct Fleet {
    operator: Arc<Operator>,
    authority: Arc<Authority>,
    token: String,
    facts: Arc<Facts>,
    attached: mpsc::UnboundedSender<Attached>,
}

#[tonic::async_trait]
impl FleetService for Fleet {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let request = request.into_inner();
        self.facts.enrolments.lock().push(request.clone());
        if request.token != self.token || std::mem::replace(&mut *self.facts.token_used.lock(), true) {
            return Err(Status::permission_denied("the enrolment token was used already"));
        }
        Ok(Response::new(EnrolResponse {
            node_id: "nod_1".into(),
            cell_id: CELL.into(),
            cell_name: "test".into(),
            certificate: self.certify(&request.certificate_request),
            authority_certificate: self.authority.certificate.to_vec(),
            operator_jwt: self.operator.jwt(1_000),
        }))
    }

    async fn renew_certificate(
        &self,
        request: Request<RenewCertificateRequest>,
    ) -> Result<Response<RenewCertificateResponse>, Status> {
        certificate_of(&request)?;
        *self.facts.certificate_hours_left.lock() = None;
        let certificate = self.certify(&request.into_inner().certificate_request);
        Ok(Response::new(RenewCertificateResponse { certificate }))
    }

    type AttachStream = Pin<Box<dyn Stream<Item = Result<ControlMessage, Status>> + Send>>;

    async fn attach(
        &self,
        request: Request<Streaming<NodeMessage>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let certificate = certificate_of(&request)?;
        let mut inbound = request.into_inner();
        let (outbound, outgoing) = mpsc::channel(16);
        let (attached, operator) = (self.attached.clone(), self.operator.clone());
        tokio::spawn(async move {
            let first = inbound
                .message()
                .await
                .expect("a Hello")
                .expect("a Hello")
                .message;
            let Some(FromNode::Hello(hello)) = first else {
                panic!("the node said {first:?} first");
            };
            let _ = attached.send(Attached {
                operator,
                hello,
                certificate,
                inbound,
                outbound,
            });
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }
}

impl Fleet {
    fn certify(&self, request: &[u8]) -> Vec<u8> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(request))
            .expect("a request for a certificate");
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let hours = self.facts.certificate_hours_left.lock().unwrap_or(720);
        params.not_before = OffsetDateTime::now_utc() - Duration::hours(4);
        params.not_after = OffsetDateTime::now_utc() + Duration::hours(hours);
        params
            .signed_by(&request.public_key, &self.authority.issuer)
            .expect("signs")
            .der()
            .to_vec()
    }
}

fn certificate_of<T>(request: &Request<T>) -> Result<[u8; 32], Status> {
    let certificates = request
        .extensions()
        .get::<TlsConnectInfo<tonic::transport::server::TcpConnectInfo>>()
        .and_then(TlsConnectInfo::peer_certs)
        .ok_or_else(|| Status::unauthenticated("no certificate"))?;
    Ok(Sha256::digest(&certificates[0]).into())
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("signs").der().clone();
        let issuer = Issuer::from_ca_cert_der(&certificate, key).expect("our own certificate");
        Self { issuer, certificate }
    }

    fn server_config(&self) -> ServerConfig {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["fleet.tollway.internal".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs").der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .expect("a verifier");
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![certificate, self.certificate.clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .expect("a certificate and its key");
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Waiting is not allowed where async code runs.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
