//! Sign-in links and sessions.

use time::{Duration, OffsetDateTime};
use tollway_authz::{Actor, Principal};
use tollway_model::{AuditEventId, OrganizationId, Role, Session, SessionId, SignInLinkId};

use crate::bounds::TEXT_LENGTH_MAX;
use crate::error::{DatastoreError, failed_to};
use crate::row::{Reader, bounded_text};
use crate::{AuthTx, SystemTx};

/// A one-time sign-in link to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSignInLink {
    /// What the audit log calls it.
    pub id: SignInLinkId,
    /// SHA-256 of the secret in the link.
    pub secret_hash: [u8; 32],
    /// What the session will be allowed to do.
    pub role: Role,
    /// The organization of the session; `None` exactly for platform admins.
    pub organization_id: Option<OrganizationId>,
    /// Now.
    pub created_at: OffsetDateTime,
    /// When the link ends unused.
    pub expires_at: OffsetDateTime,
}

/// A session to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// SHA-256 of the secret in the cookie.
    pub secret_hash: [u8; 32],
    /// Now.
    pub created_at: OffsetDateTime,
    /// When it ends even if it is used.
    pub expires_at: OffsetDateTime,
    /// What the browser calls itself.
    pub user_agent: String,
    /// Its first entry in the audit log, written with it.
    pub entry: SessionEntry,
}

/// An entry of the audit log about the beginning or the end of a session. Sessions are found out about by a
/// role that may not write to the log, so the functions that begin and end them do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEntry {
    /// Its id.
    pub id: AuditEventId,
    /// The request that asked for it.
    pub request_id: String,
}

/// A session that is open, and who it speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedSession {
    /// The session.
    pub session: Session,
    /// Who it speaks for.
    pub principal: Principal,
}

impl AuthenticatedSession {
    fn new(session: Session) -> Result<Self, DatastoreError> {
        let principal = Principal::new(session.role, session.organization_id, Actor::Session(session.id))
            .map_err(|error| DatastoreError::inconsistent("session", session.id, error))?;
        Ok(Self { session, principal })
    }
}

impl SystemTx {
    /// Stores a new link.
    pub async fn sign_in_link_insert(&mut self, new: &NewSignInLink) -> Result<(), DatastoreError> {
        sqlx::query(
            "INSERT INTO sign_in_link (secret_hash, id, organization_id, role, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&new.secret_hash[..])
        .bind(new.id.uuid())
        .bind(new.organization_id.map(OrganizationId::uuid))
        .bind(new.role.as_str())
        .bind(new.created_at)
        .bind(new.expires_at)
        .execute(self.connection())
        .await
        .map_err(failed_to("insert the sign-in link"))?;
        Ok(())
    }
}

impl AuthTx {
    /// Whether a link can still be used; it stays so. Unknown ones, used ones and those that ran out are one.
    pub async fn sign_in_link_is_good(
        &mut self,
        link_hash: &[u8; 32],
        now: OffsetDateTime,
    ) -> Result<bool, DatastoreError> {
        sqlx::query_scalar("SELECT app_sign_in_link_is_good($1, $2)")
            .bind(&link_hash[..])
            .bind(now)
            .fetch_one(self.connection())
            .await
            .map_err(failed_to("look at the sign-in link"))
    }

    /// Uses a link up and opens a session; `None` when the link is unknown, used or over.
    pub async fn sign_in(
        &mut self,
        link_hash: &[u8; 32],
        new: &NewSession,
    ) -> Result<Option<AuthenticatedSession>, DatastoreError> {
        let row =
            sqlx::query("SELECT organization_id, role FROM app_sign_in($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(&link_hash[..])
                .bind(&new.secret_hash[..])
                .bind(new.id.uuid())
                .bind(new.created_at)
                .bind(new.expires_at)
                .bind(bounded_text(&new.user_agent, TEXT_LENGTH_MAX))
                .bind(new.entry.id.uuid())
                .bind(&new.entry.request_id)
                .fetch_optional(self.connection())
                .await
                .map_err(failed_to("sign in"))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let row = Reader::new(&row, "sign_in_link", "organization_id");
        AuthenticatedSession::new(Session {
            id: new.id,
            organization_id: row
                .get::<Option<uuid::Uuid>>("organization_id")?
                .map(OrganizationId::from_uuid),
            role: row.parse("role")?,
            created_at: new.created_at,
            last_seen_at: new.created_at,
            expires_at: new.expires_at,
        })
        .map(Some)
    }

    /// The session with this cookie; `None` when there is none, it is over, or it was not used for
    /// `idle_max`. Notes its use, at most once a minute: commit.
    pub async fn session_lookup(
        &mut self,
        secret_hash: &[u8; 32],
        now: OffsetDateTime,
        idle_max: Duration,
    ) -> Result<Option<AuthenticatedSession>, DatastoreError> {
        let row = sqlx::query(
            "SELECT id, organization_id, role, created_at, last_seen_at, expires_at
             FROM app_session_lookup($1, $2, $3)",
        )
        .bind(&secret_hash[..])
        .bind(now)
        .bind(idle_max.whole_seconds())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("look up the session"))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let row = Reader::new(&row, "session", "id");
        AuthenticatedSession::new(Session {
            id: SessionId::from_uuid(row.get("id")?),
            organization_id: row
                .get::<Option<uuid::Uuid>>("organization_id")?
                .map(OrganizationId::from_uuid),
            role: row.parse("role")?,
            created_at: row.get("created_at")?,
            last_seen_at: row.get("last_seen_at")?,
            expires_at: row.get("expires_at")?,
        })
        .map(Some)
    }

    /// Ends a session; `false` when there is none.
    pub async fn session_delete(
        &mut self,
        secret_hash: &[u8; 32],
        now: OffsetDateTime,
        entry: &SessionEntry,
    ) -> Result<bool, DatastoreError> {
        sqlx::query_scalar("SELECT app_session_delete($1, $2, $3, $4)")
            .bind(&secret_hash[..])
            .bind(now)
            .bind(entry.id.uuid())
            .bind(&entry.request_id)
            .fetch_one(self.connection())
            .await
            .map_err(failed_to("end the session"))
    }
}
