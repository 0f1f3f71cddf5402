//! One user of an account, and the credentials that were issued for it.

use askama::Template;
use time::OffsetDateTime;

use super::Shell;
use crate::format::{Clock, Moment};

/// A user in full.
#[derive(Clone, Debug, Template)]
#[template(path = "user.html")]
pub struct UserPage {
    /// Who looks at it.
    pub shell: Shell,
    /// Its account's id, `acc_...`
    pub account_id: String,
    /// Its account's name.
    pub account_name: String,
    /// `usr_...`
    pub id: String,
    /// Its name.
    pub name: String,
    /// Subjects it may publish to; empty allows all.
    pub publish_allow: Vec<String>,
    /// Subjects it may not publish to.
    pub publish_deny: Vec<String>,
    /// Filters it may subscribe with; empty allows all.
    pub subscribe_allow: Vec<String>,
    /// Filters it may not subscribe with.
    pub subscribe_deny: Vec<String>,
    /// Whether it may answer requests outside of what it may publish to.
    pub allow_responses: bool,
    /// Where its account's clients connect; empty when nobody said.
    pub servers: Vec<String>,
    /// When it was made.
    pub created: Moment,
    /// Why issuing was refused; empty when it was not.
    pub error: String,
    /// The part that refreshes itself.
    pub issuances: IssuanceTable,
    /// Whether the session may issue credentials.
    pub may_issue: bool,
    /// Whether the session may delete the user.
    pub may_delete: bool,
}

impl UserPage {
    /// What the downloaded file is called.
    fn file_name(&self) -> String {
        format!("{}-{}.creds", self.account_name, self.name)
    }
}

/// What was issued for a user, newest first: the part of [`UserPage`] that
/// changes by itself, because a download leaves the page as it was.
#[derive(Clone, Debug, Template)]
#[template(path = "issuances.html")]
pub struct IssuanceTable {
    /// When the list was read.
    pub at: OffsetDateTime,
    /// Its account's id, `acc_...`
    pub account_id: String,
    /// The user's id, `usr_...`
    pub user_id: String,
    /// Newest first.
    pub rows: Vec<IssuanceRow>,
    /// Whether there are more than the page shows.
    pub more: bool,
    /// Whether the session may revoke.
    pub may_revoke: bool,
}

/// An issuance as one line.
#[derive(Clone, Debug)]
pub struct IssuanceRow {
    /// `iss_...`
    pub id: String,
    /// `U...`
    pub public_key: String,
    /// When it was issued.
    pub issued: Moment,
    /// Whether it still opens the door.
    pub state: IssuanceState,
}

/// Whether issued credentials are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuanceState {
    /// Good, until then if there is an end.
    Good {
        /// When they end.
        expires: Option<Moment>,
    },
    /// Ended by themselves.
    Expired {
        /// When they ended.
        at: Moment,
    },
    /// Ended by someone.
    Revoked {
        /// When.
        at: Moment,
    },
}

impl IssuanceState {
    /// What it is at the time `now`.
    pub fn at(
        now: OffsetDateTime,
        expires_at: Option<OffsetDateTime>,
        revoked_at: Option<OffsetDateTime>,
    ) -> IssuanceState {
        let moment = |at| Moment { at, now };
        match (revoked_at, expires_at) {
            (Some(at), _) => IssuanceState::Revoked { at: moment(at) },
            (None, Some(at)) if at <= now => IssuanceState::Expired { at: moment(at) },
            (None, expires_at) => IssuanceState::Good {
                expires: expires_at.map(moment),
            },
        }
    }

    /// Whether there is something to revoke.
    pub fn is_good(&self) -> bool {
        matches!(self, IssuanceState::Good { .. })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_revoked_issuance_stays_revoked_when_it_would_have_expired() {
        let now = datetime!(2026-11-21 09:30 UTC);
        let before = datetime!(2026-11-20 09:30 UTC);
        let after = datetime!(2026-11-22 09:30 UTC);
        assert!(IssuanceState::at(now, None, None).is_good());
        assert!(IssuanceState::at(now, Some(after), None).is_good());
        assert!(matches!(
            IssuanceState::at(now, Some(before), None),
            IssuanceState::Expired { .. }
        ));
        assert!(matches!(
            IssuanceState::at(now, Some(now), None),
            IssuanceState::Expired { .. }
        ));
        assert!(matches!(
            IssuanceState::at(now, Some(before), Some(before)),
            IssuanceState::Revoked { .. }
        ));
    }
}
