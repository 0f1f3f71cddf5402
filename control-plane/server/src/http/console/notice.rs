//! What the step before did: a word in the address after a redirect, a
//! sentence on the page. Only these words are told, so that nobody can make
//! the console say something by a link.

/// Sentences by their words.
const NOTICES: [(&str, &str); 6] = [
    (
        "account-created",
        "The account is made. Its cell serves it in about a second; a client needs a user to connect.",
    ),
    ("suspended", "The account is suspended: its clients are cut off."),
    ("resumed", "The account is resumed: clients get in again."),
    (
        "user-created",
        "The user is made. Issue credentials to connect a client.",
    ),
    (
        "user-deleted",
        "The user is deleted, and all of its credentials are revoked.",
    ),
    (
        "revoked",
        "The credentials are revoked: connections that use them are cut in about a second.",
    ),
];

/// The query of an address, as far as the console reads it.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct NoticeQuery {
    #[serde(default)]
    done: String,
}

impl NoticeQuery {
    /// The sentence for the page.
    pub(super) fn sentence(&self) -> Option<&'static str> {
        NOTICES
            .iter()
            .find(|(word, _)| *word == self.done)
            .map(|(_, sentence)| *sentence)
    }
}
