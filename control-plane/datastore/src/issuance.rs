//! Issuances: credentials that were handed out.

use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use tollway_model::{AccountId, Issuance, IssuanceId, OrganizationId, Page, PageRequest, UserId, UserKey};

use crate::TenantTx;
use crate::bounds::{ISSUANCES_PER_ACCOUNT_MAX, ISSUANCES_PER_USER_MAX};
use crate::error::{DatastoreError, failed_to};
use crate::row::Reader;

/// An issuance to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIssuance {
    /// Its id.
    pub id: IssuanceId,
    /// The account that the credentials are for.
    pub account_id: AccountId,
    /// The user that they are for.
    pub user_id: UserId,
    /// The fresh key.
    pub public_key: UserKey,
    /// Now.
    pub issued_at: OffsetDateTime,
    /// When they end by themselves; `None` when they do not.
    pub expires_at: Option<OffsetDateTime>,
}

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssuanceInsertError {
    /// The user or its account is not there, or was deleted.
    #[error("there is no such user")]
    UserNotFound,
    /// The user has as many good credentials as it may have.
    #[error(
        "the user has {ISSUANCES_PER_USER_MAX} credentials that are good, the most that one may have: revoke some first"
    )]
    TooManyOfUser,
    /// The account has as many credentials that did not end by themselves as it may have.
    #[error(
        "the account has {ISSUANCES_PER_ACCOUNT_MAX} credentials that did not end, revoked ones included, the most \
         that one may have: issue with a lifetime, or use another account"
    )]
    TooManyOfAccount,
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

fn issuance_from_row(row: &PgRow) -> Result<Issuance, DatastoreError> {
    let row = Reader::new(row, "issuance", "id");
    Ok(Issuance {
        id: IssuanceId::from_uuid(row.get("id")?),
        organization_id: OrganizationId::from_uuid(row.get("organization_id")?),
        account_id: AccountId::from_uuid(row.get("account_id")?),
        user_id: UserId::from_uuid(row.get("user_id")?),
        public_key: row.parse("public_key")?,
        issued_at: row.get("issued_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}

impl TenantTx {
    /// Notes that credentials were issued, and keeps user and account from being deleted meanwhile.
    pub async fn issuance_insert(&mut self, new: &NewIssuance) -> Result<Issuance, IssuanceInsertError> {
        if !self.account_hold(new.account_id).await? || !self.user_hold(new.account_id, new.user_id).await? {
            return Err(IssuanceInsertError::UserNotFound);
        }
        self.issuance_bounds_check(new).await?;
        let organization = self.organization().uuid();
        let row = sqlx::query(
            "INSERT INTO issuance (id, organization_id, account_id, user_id, public_key, issued_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             RETURNING id, organization_id, account_id, user_id, public_key, issued_at, expires_at, revoked_at",
        )
        .bind(new.id.uuid())
        .bind(organization)
        .bind(new.account_id.uuid())
        .bind(new.user_id.uuid())
        .bind(new.public_key.as_str())
        .bind(new.issued_at)
        .bind(new.expires_at)
        .fetch_one(self.connection())
        .await
        .map_err(failed_to("insert the issuance"))?;
        Ok(issuance_from_row(&row)?)
    }

    /// Whether one more fits. Several that are issued in the same moment may each see room: the bounds
    /// are a good deal below what would do harm.
    async fn issuance_bounds_check(&mut self, new: &NewIssuance) -> Result<(), IssuanceInsertError> {
        let organization = self.organization().uuid();
        let row = sqlx::query(
            "SELECT
                 count(*) AS of_account,
                 count(*) FILTER (WHERE user_id = $3 AND revoked_at IS NULL) AS of_user
             FROM issuance
             WHERE organization_id = $1
               AND account_id = $2
               AND (expires_at IS NULL OR expires_at > $4)",
        )
        .bind(organization)
        .bind(new.account_id.uuid())
        .bind(new.user_id.uuid())
        .bind(new.issued_at)
        .fetch_one(self.connection())
        .await
        .map_err(failed_to("count what was issued"))?;
        let row = Reader::new(&row, "issuance", "of_account");
        if row.count("of_user")? >= u64::from(ISSUANCES_PER_USER_MAX) {
            return Err(IssuanceInsertError::TooManyOfUser);
        }
        if row.count("of_account")? >= u64::from(ISSUANCES_PER_ACCOUNT_MAX) {
            return Err(IssuanceInsertError::TooManyOfAccount);
        }
        Ok(())
    }

    /// What was issued for a user, in the order of time.
    pub async fn issuance_list(
        &mut self,
        account: AccountId,
        user: UserId,
        page: &PageRequest<IssuanceId>,
    ) -> Result<Page<Issuance, IssuanceId>, DatastoreError> {
        let organization = self.organization().uuid();
        let rows = sqlx::query(
            "SELECT id, organization_id, account_id, user_id, public_key, issued_at, expires_at, revoked_at
             FROM issuance
             WHERE organization_id = $1
               AND account_id = $2
               AND user_id = $3
               AND ($4::uuid IS NULL OR id > $4)
             ORDER BY id
             LIMIT $5",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(user.uuid())
        .bind(page.after().map(IssuanceId::uuid))
        .bind(i64::from(page.limit()) + 1)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("list issuances"))?;
        let issuances = rows
            .iter()
            .map(issuance_from_row)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_rows(issuances, page, |issuance| issuance.id))
    }

    /// Revokes an issuance; `None` when it is not there. One that was revoked before keeps its time.
    /// Publish the account's next document in the same transaction, under [`Self::account_lock`].
    pub async fn issuance_revoke(
        &mut self,
        account: AccountId,
        user: UserId,
        issuance: IssuanceId,
        now: OffsetDateTime,
    ) -> Result<Option<Issuance>, DatastoreError> {
        let organization = self.organization().uuid();
        sqlx::query(
            "UPDATE issuance
             SET revoked_at = coalesce(revoked_at, $5)
             WHERE organization_id = $1
               AND account_id = $2
               AND user_id = $3
               AND id = $4
             RETURNING id, organization_id, account_id, user_id, public_key, issued_at, expires_at, revoked_at",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(user.uuid())
        .bind(issuance.uuid())
        .bind(now)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("revoke the issuance"))?
        .map(|row| issuance_from_row(&row))
        .transpose()
    }

    /// Revokes everything that was issued for a user and is still good; says how many that were.
    pub async fn issuance_revoke_all(
        &mut self,
        account: AccountId,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<u64, DatastoreError> {
        let organization = self.organization().uuid();
        let revoked = sqlx::query(
            "UPDATE issuance
             SET revoked_at = $4
             WHERE organization_id = $1
               AND account_id = $2
               AND user_id = $3
               AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > $4)",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(user.uuid())
        .bind(now)
        .execute(self.connection())
        .await
        .map_err(failed_to("revoke what was issued for the user"))?;
        Ok(revoked.rows_affected())
    }
}
