//! The page that a one-time link opens.

use askama::Template;

use super::Shell;

/// Asks for one click before the link is used up: programs that look at links
/// in mails and chats follow them, but press no buttons.
#[derive(Clone, Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    /// Nobody is signed in yet.
    pub shell: Shell,
    /// The link's secret; empty when the page was opened without one.
    pub token: String,
    /// Why the last attempt failed; empty when there was none.
    pub problem: String,
}
