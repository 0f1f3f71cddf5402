//! The pages, one file each, and what they share.

mod account;
mod accounts;
mod confirm;
mod error;
mod new_account;
mod sign_in;
mod state;
mod user;

pub use account::{AccountHead, AccountLive, AccountPage, UserRow};
pub use accounts::{AccountRow, AccountsLive, AccountsPage, CellNode, CellRow, OrganizationGroup};
pub use confirm::ConfirmPage;
pub use error::ErrorPage;
pub use new_account::NewAccountPage;
pub use sign_in::SignInPage;
pub use state::{AccountState, Rollout};
pub use user::{IssuanceRow, IssuanceState, IssuanceTable, UserPage};

/// What stands around a page: who looks at it.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    /// Nobody, on the pages that need no session.
    pub viewer: Option<Viewer>,
    /// What the step before did, told once at the top of the page.
    pub notice: Option<&'static str>,
}

/// Whose session a page is made for.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The organization's display name, or that of the platform.
    pub name: String,
    /// The role in words: `owner`, `viewer`, `platform admin`.
    pub role: String,
    /// Goes into each form, and comes back with it.
    pub csrf: String,
}

impl Shell {
    /// Around a page that needs no session.
    pub fn anonymous() -> Shell {
        Shell::default()
    }

    /// Around a page of a session.
    pub fn of(viewer: Viewer) -> Shell {
        Shell {
            viewer: Some(viewer),
            notice: None,
        }
    }

    /// With a sentence about the step before.
    #[must_use]
    pub fn with_notice(mut self, notice: Option<&'static str>) -> Shell {
        self.notice = notice;
        self
    }

    /// The token for forms; empty where nobody is signed in.
    pub fn csrf(&self) -> &str {
        self.viewer.as_ref().map_or("", |viewer| &viewer.csrf)
    }
}

// A template writes these into the page as they are: they are HTML already,
// escaped where they were made.
impl askama::filters::HtmlSafe for AccountsLive {}
impl askama::filters::HtmlSafe for AccountLive {}
impl askama::filters::HtmlSafe for IssuanceTable {}
