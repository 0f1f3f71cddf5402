//! `tollway.fleet.v1.FleetService`: enrolment, certificates, and the stream.

use std::pin::Pin;

use data_encoding::HEXLOWER;
use futures_util::Stream;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tollway_authz::{Action, Scope};
use tollway_datastore::{
    DatastoreError, EnrolmentTokenRefused, FleetSignal, NewAuditEvent, NewNode, NodeAdmitError,
};
use tollway_model::{AuditEventId, CellId, Label, Node, NodeId};
use tollway_proto::fleet::{
    ControlMessage, EnrolRequest, EnrolResponse, NodeMessage, RenewCertificateRequest,
    RenewCertificateResponse, fleet_service_server::FleetService,
};
use tonic::{Request, Response, Status, Streaming, async_trait};
use tracing::Instrument;

use super::{FleetPeer, session::Session};
use crate::{
    app::{App, chain},
    authn::enrolment_secret,
    bounds::NODE_OUTBOX_MESSAGES_MAX,
    clock,
    pki::{NodeCertificate, NodeCertificateError},
    secrets::{random_array, secret_hash},
};

/// What nodes call.
#[derive(Clone)]
pub struct Fleet {
    app: App,
    stop: CancellationToken,
}

impl Fleet {
    /// The service of one process; its streams end when `stop` is cancelled.
    pub fn new(app: App, stop: CancellationToken) -> Self {
        Self { app, stop }
    }

    /// The node that calls, known by a certificate that is its current one.
    async fn node<T>(&self, request: &Request<T>) -> Result<(Node, NodeCertificate), Status> {
        let certificate = request
            .extensions()
            .get::<FleetPeer>()
            .and_then(|peer| peer.certificate)
            .ok_or_else(|| Status::unauthenticated("this call needs the node's certificate: enrol first"))?;
        let id = NodeId::from_uuid(certificate.node);
        let mut tx = self
            .app
            .fleet_datastore()
            .begin_system(&Scope::system("fleet"))
            .await
            .map_err(away)?;
        let node = tx
            .node_authenticate(id, &certificate.sha256)
            .await
            .map_err(away)?;
        tx.commit().await.map_err(away)?;
        let node = node.ok_or_else(|| {
            Status::permission_denied("the certificate is not, or no longer, this node's: enrol again")
        })?;
        Ok((node, certificate))
    }
}

#[async_trait]
impl FleetService for Fleet {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let request = request.into_inner();
        let name: Label = request
            .node_name
            .parse()
            .map_err(|error| Status::invalid_argument(format!("the node's name: {error}")))?;
        let now = clock::now();
        let secret = secret_hash(enrolment_secret(&request.token));

        let mut tx = self
            .app
            .fleet_datastore()
            .begin_system(&Scope::system("fleet"))
            .await
            .map_err(away)?;
        let cell_id = tx
            .enrolment_token_consume(&secret, now)
            .await
            .map_err(|error| match error {
                EnrolmentTokenRefused::Invalid => Status::permission_denied(error.to_string()),
                EnrolmentTokenRefused::Datastore(error) => away(error),
            })?;
        let new = NewNode {
            id: NodeId::new(clock::unix_ms(now), random_array()),
            name,
            enrolled_at: now,
        };
        let node = tx.node_admit(cell_id, &new).await.map_err(|error| match error {
            NodeAdmitError::CellHasNode { .. } => Status::failed_precondition(error.to_string()),
            NodeAdmitError::Datastore(error) => away(error),
        })?;
        let certificate = NodeCertificate::issue(
            self.app.authority(),
            &request.certificate_request,
            node.id.uuid(),
            now,
        )
        .map_err(refused)?;
        tx.node_certificate_replace(node.id, &Sha256::digest(&certificate).into())
            .await
            .map_err(away)?;
        let cell = tx
            .cell_get(&cell_id.into())
            .await
            .map_err(away)?
            .ok_or_else(|| Status::failed_precondition("the token's cell is gone"))?;
        let event = NewAuditEvent {
            id: AuditEventId::new(clock::unix_ms(now), random_array()),
            action: Action::SystemRun,
            target: node.id.to_string(),
            detail: json!({ "enrolled_in": cell.name, "name": node.name }),
            request_id: String::new(),
            at: now,
        };
        tx.audit_append(None, &event).await.map_err(away)?;
        tx.commit().await.map_err(away)?;
        // A stream under the certificate before this one counts no more; here and elsewhere it ends now.
        self.app.hub().detach(node.id);
        look_again(&self.app, cell_id).await;
        tracing::info!(node = %node.id, name = %node.name, cell = %cell.name, "a node enrolled");
        Ok(Response::new(EnrolResponse {
            node_id: node.id.to_string(),
            cell_id: cell.id.to_string(),
            cell_name: cell.name.into(),
            certificate,
            authority_certificate: self.app.authority().certificate().to_vec(),
            operator_jwt: self.app.operator().jwt.clone(),
        }))
    }

    async fn renew_certificate(
        &self,
        request: Request<RenewCertificateRequest>,
    ) -> Result<Response<RenewCertificateResponse>, Status> {
        let (node, presented) = self.node(&request).await?;
        let (request, now) = (request.into_inner(), clock::now());
        let certificate = NodeCertificate::issue(
            self.app.authority(),
            &request.certificate_request,
            node.id.uuid(),
            now,
        )
        .map_err(refused)?;
        let mut tx = self
            .app
            .fleet_datastore()
            .begin_system(&Scope::system("fleet"))
            .await
            .map_err(away)?;
        let sha256: [u8; 32] = Sha256::digest(&certificate).into();
        tx.node_certificate_renew(node.id, &presented.sha256, &sha256)
            .await
            .map_err(away)?;
        let event = NewAuditEvent {
            id: AuditEventId::new(clock::unix_ms(now), random_array()),
            action: Action::SystemRun,
            target: node.id.to_string(),
            detail: json!({
                "certificate_renewed": HEXLOWER.encode(&sha256),
                "asked_with": HEXLOWER.encode(&presented.sha256),
            }),
            request_id: String::new(),
            at: now,
        };
        tx.audit_append(None, &event).await.map_err(away)?;
        tx.commit().await.map_err(away)?;
        tracing::info!(node = %node.id, "a node renewed its certificate");
        Ok(Response::new(RenewCertificateResponse { certificate }))
    }

    type AttachStream = Pin<Box<dyn Stream<Item = Result<ControlMessage, Status>> + Send>>;

    async fn attach(
        &self,
        request: Request<Streaming<NodeMessage>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let (node, certificate) = self.node(&request).await?;
        let span = tracing::info_span!("fleet", node = %node.id, node_name = %node.name);
        let (outbox, outbound) = mpsc::channel(NODE_OUTBOX_MESSAGES_MAX);
        let session = Session {
            app: self.app.clone(),
            node,
            certificate_sha256: certificate.sha256,
            inbound: request.into_inner(),
            outbox,
            stop: self.stop.clone(),
        };
        tokio::spawn(session.run().instrument(span));
        Ok(Response::new(Box::pin(ReceiverStream::new(outbound))))
    }
}

/// Has all control planes look whether the stream that they have to the cell's node still counts. They also
/// look by themselves.
pub(super) async fn look_again(app: &App, cell: CellId) {
    if let Err(error) = app.fleet_datastore().signal(FleetSignal::Changed(cell)).await {
        tracing::debug!(error = chain(&error), "could not tell other control planes");
    }
}

/// What a node hears when the database did not do its part; we read the rest.
fn away(error: DatastoreError) -> Status {
    match error {
        DatastoreError::Unavailable { .. } | DatastoreError::Contended { .. } => {
            tracing::warn!(error = chain(&error), "a node's call met a database problem");
            Status::unavailable("the control plane cannot reach its database; try again")
        }
        error => {
            tracing::error!(error = chain(&error), "a node's call failed");
            Status::internal("something went wrong in the control plane; its log says what")
        }
    }
}

fn refused(error: NodeCertificateError) -> Status {
    match error {
        NodeCertificateError::Sign(_) => {
            tracing::error!(error = chain(&error), "a certificate could not be signed");
            Status::internal("the certificate could not be signed; the control plane's log says why")
        }
        error => Status::invalid_argument(chain(&error)),
    }
}
