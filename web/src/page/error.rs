//! What people see when something is not as it should be.

use askama::Template;

use super::Shell;

/// What went wrong, and what to do next.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// Who looks at it.
    pub shell: Shell,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, as a heading.
    pub title: String,
    /// What it means.
    pub detail: String,
    /// What to do next.
    pub next: String,
    /// Names the request in the logs; empty when nobody has to look there.
    pub request_id: String,
}

impl ErrorPage {
    /// For an address without a page, and for what the session may not see.
    pub fn not_found(shell: Shell) -> ErrorPage {
        ErrorPage {
            shell,
            status: 404,
            title: "There is no page here".to_owned(),
            detail: "The address is wrong, or what it named was deleted, or it belongs to an organization that you cannot see."
                .to_owned(),
            next: "Begin again at the list of accounts.".to_owned(),
            request_id: String::new(),
        }
    }

    /// For a change that the session's role does not allow.
    pub fn forbidden(shell: Shell, role: &str) -> ErrorPage {
        ErrorPage {
            shell,
            status: 403,
            title: "Your role does not allow that".to_owned(),
            detail: format!("You are signed in as {role}, and this needs more."),
            next: "Ask an owner of the organization to do it, or for a sign-in link with another role."
                .to_owned(),
            request_id: String::new(),
        }
    }

    /// For a form that did not come from a page of ours, or from an old one.
    pub fn untrusted_form(shell: Shell) -> ErrorPage {
        ErrorPage {
            shell,
            status: 403,
            title: "This form was not sent from here".to_owned(),
            detail: "The request did not carry the mark of a page of this console, so nothing was changed.".to_owned(),
            next: "Go back, reload the page and send the form again. If you signed in again meanwhile, that is why."
                .to_owned(),
            request_id: String::new(),
        }
    }

    /// For what only we can put right.
    pub fn internal(shell: Shell, request_id: &str) -> ErrorPage {
        ErrorPage {
            shell,
            status: 500,
            title: "Something went wrong on our side".to_owned(),
            detail:
                "The change may not have been made. Messaging goes on: nodes serve without the control plane."
                    .to_owned(),
            next: "Try again. If it stays so, look for the request in the control plane's log.".to_owned(),
            request_id: request_id.to_owned(),
        }
    }

    /// For when Postgres cannot be reached.
    pub fn unavailable(shell: Shell, request_id: &str) -> ErrorPage {
        ErrorPage {
            shell,
            status: 503,
            title: "The control plane cannot reach its database".to_owned(),
            detail:
                "Nothing can be read or changed here now. Messaging goes on: nodes serve from their own disk."
                    .to_owned(),
            next: "Reload in a moment. Who runs the platform finds the cause in the control plane's log."
                .to_owned(),
            request_id: request_id.to_owned(),
        }
    }
}
