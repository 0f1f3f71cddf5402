//! Forms that come back: read, bounded, and marked by the page they stood on.

use axum::{
    Form,
    extract::{FromRequest, Request},
    response::Response,
};
use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tollway_web::page::{ErrorPage, Shell};

use super::{
    reply::{self, is_refresh},
    visitor::Visitor,
};

/// Largest form. The longest list of subjects that makes sense is far below.
pub(super) const FORM_BYTES_MAX: usize = 64 * 1024;

/// The mark of a session's forms: derived from its secret, which scripts
/// cannot read, and useless for finding the secret. The word in front keeps it
/// apart from the hash under which the session is stored.
pub(super) fn csrf_token(session_secret: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"tollway console form\0");
    hash.update(session_secret.as_bytes());
    BASE64URL_NOPAD.encode(&hash.finalize())
}

/// A form with a field `csrf`.
pub(super) trait Marked: DeserializeOwned + Send {
    /// What came in that field.
    fn csrf(&self) -> &str;
}

/// A form of a page that was made for the same session.
pub(super) struct MarkedForm<T>(pub(super) T);

impl<T: Marked, S: Send + Sync> FromRequest<S> for MarkedForm<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let refresh = is_refresh(request.headers());
        let visitor = request
            .extensions()
            .get::<Visitor>()
            .cloned()
            .expect("forms stand behind the session's door");
        let Ok(Form(form)) = Form::<T>::from_request(request, state).await else {
            return Err(reply::error(unreadable(visitor.shell()), refresh));
        };
        if !bool::from(form.csrf().as_bytes().ct_eq(visitor.csrf.as_bytes())) {
            return Err(reply::error(ErrorPage::untrusted_form(visitor.shell()), refresh));
        }
        Ok(Self(form))
    }
}

/// A form with nothing but its mark: a button.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Button {
    #[serde(default)]
    csrf: String,
}

impl Marked for Button {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

fn unreadable(shell: Shell) -> ErrorPage {
    ErrorPage {
        shell,
        status: 400,
        title: "The form could not be read".to_owned(),
        detail: "A field is missing, or the form is larger than 64 KiB. Nothing was changed.".to_owned(),
        next: "Go back, reload the page and send the form again.".to_owned(),
        request_id: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_belongs_to_the_session_and_is_not_its_stored_hash() {
        let mark = csrf_token("a session");
        assert_eq!(mark, csrf_token("a session"));
        assert_ne!(mark, csrf_token("another session"));
        assert_ne!(
            mark,
            BASE64URL_NOPAD.encode(&crate::secrets::secret_hash("a session"))
        );
    }
}
