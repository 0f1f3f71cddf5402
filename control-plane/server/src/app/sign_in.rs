//! Signing in to the console: one-time links and sessions.

use time::OffsetDateTime;
use tollway_api::ProblemCode;
use tollway_authz::Action;
use tollway_datastore::{AuthenticatedSession, NewSession, NewSignInLink, SessionEntry};
use tollway_model::{AuditEventId, Role, SessionId, SignInLinkId};
use zeroize::Zeroizing;

use super::{App, AppError, OpContext, caller_look_up::Admitted};
use crate::{
    authn::{SESSION_IDLE_MAX, SESSION_LIFETIME, SIGN_IN_LINK_LIFETIME, is_secret},
    clock,
    peers::Peer,
    request_id::RequestId,
    secrets::{random_array, secret_hash},
};

/// Makes a link that signs one browser in as a platform admin. Gives its secret, which is stored nowhere.
pub async fn link_create(op: &OpContext) -> Result<Zeroizing<String>, AppError> {
    let scope = op.authorize_platform(Action::SignInLinkCreate)?;
    let secret = op.app().caller_secrets().make("");
    let link = NewSignInLink {
        id: SignInLinkId::new(op.unix_ms(), random_array()),
        secret_hash: secret_hash(&secret),
        role: Role::PlatformAdmin,
        organization_id: None,
        created_at: op.now(),
        expires_at: op.now() + SIGN_IN_LINK_LIFETIME,
    };
    let mut tx = op.app().datastore().begin_system(&scope).await?;
    tx.sign_in_link_insert(&link).await?;
    let detail = serde_json::json!({ "role": link.role });
    tx.audit_append(None, &op.audit(Action::SignInLinkCreate, link.id, detail))
        .await?;
    tx.commit().await?;
    Ok(secret)
}

/// Path and query of the link with this secret, on the public port.
pub fn link_path(secret: &str) -> String {
    // The secret is base64url, which a query holds as it is.
    format!("/sign-in?token={secret}")
}

impl App {
    /// Whether a link can still be used; it stays so.
    pub async fn sign_in_link_is_good(&self, link_secret: &str, peer: Peer) -> Result<bool, AppError> {
        let link = self.presented(link_secret, link_secret, peer);
        let turn = match self.caller_look_ups().turn(link).await {
            Ok(turn) => turn,
            // It was found to be none a moment ago.
            Err(AppError::Problem(problem)) if problem.code == ProblemCode::Unauthorized => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut tx = self.datastore().begin_auth().await?;
        let good = tx.sign_in_link_is_good(&link.secret, clock::now()).await?;
        drop(tx);
        if !good {
            turn.used_up();
        }
        Ok(good)
    }

    /// Uses a link up and opens a session. Gives the secret for the session's cookie.
    ///
    /// # Errors
    /// `unauthorized` when the link is unknown, used or over.
    pub async fn sign_in(
        &self,
        link_secret: &str,
        user_agent: &str,
        peer: Peer,
        request_id: &RequestId,
    ) -> Result<(Zeroizing<String>, AuthenticatedSession), AppError> {
        let now = clock::now();
        let secret = self.caller_secrets().make("");
        let new = NewSession {
            id: SessionId::new(clock::unix_ms(now), random_array()),
            secret_hash: secret_hash(&secret),
            created_at: now,
            expires_at: now + SESSION_LIFETIME,
            user_agent: user_agent.to_owned(),
            entry: entry(now, request_id),
        };
        let link = self.presented(link_secret, link_secret, peer);
        let turn = self.caller_look_ups().turn(link).await?;
        let mut tx = self.datastore().begin_auth().await?;
        let session = tx.sign_in(&link.secret, &new).await?;
        tx.commit().await?;
        turn.used_up();
        Ok((secret, session.ok_or(ProblemCode::Unauthorized)?))
    }

    /// The context of a call by the browser with this cookie, and its session.
    ///
    /// # Errors
    /// `unauthorized` when the session is none, or over.
    pub async fn session(
        &self,
        cookie: &str,
        peer: Peer,
        request_id: RequestId,
    ) -> Result<(OpContext, AuthenticatedSession), AppError> {
        if !is_secret(cookie) {
            return Err(ProblemCode::Unauthorized.into());
        }
        let presented = self.presented(cookie, cookie, peer);
        let app = self.clone();
        let look = async move || {
            let mut tx = app.datastore().begin_auth().await?;
            let session = tx
                .session_lookup(&presented.secret, clock::now(), SESSION_IDLE_MAX)
                .await?;
            tx.commit().await?;
            Ok(session)
        };
        let admitted: Admitted<AuthenticatedSession> = self.caller_look_ups().admit(presented, look).await?;
        let session = admitted.caller;
        Ok((
            self.admitted_op(session.principal, admitted.place, request_id),
            session,
        ))
    }

    /// Ends the session of this cookie. One that is over is no error.
    pub async fn sign_out(&self, cookie: &str, request_id: &RequestId) -> Result<(), AppError> {
        let now = clock::now();
        let mut tx = self.datastore().begin_auth().await?;
        tx.session_delete(&secret_hash(cookie), now, &entry(now, request_id))
            .await?;
        Ok(tx.commit().await?)
    }
}

fn entry(now: OffsetDateTime, request_id: &RequestId) -> SessionEntry {
    SessionEntry {
        id: AuditEventId::new(clock::unix_ms(now), random_array()),
        request_id: request_id.to_string(),
    }
}
