//! Every way a call can fail, as one catalogue.
//!
//! A code is a promise: it keeps its spelling and its meaning. Texts may improve.

use serde::{Deserialize, Serialize};

/// Builds the enum and its tables from one list, so that no code can lack a
/// status, a title, or a next step.
macro_rules! problem_codes {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $code:literal, $status:literal, $title:literal, $remedy:literal; )+) => {
        /// What went wrong, in a form that programs may compare.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ProblemCode {
            $( $(#[doc = $doc])+ #[serde(rename = $code)] $variant, )+
        }

        impl ProblemCode {
            /// All codes, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The stable text form, snake_case.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $code, )+ }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $( Self::$variant => $status, )+ }
            }

            /// One line for people; the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )+ }
            }

            /// What the caller can do about it.
            pub fn remedy(self) -> &'static str {
                match self { $( Self::$variant => $remedy, )+ }
            }
        }
    };
}

problem_codes! {
    /// The body is not the JSON that the route takes.
    InvalidBody = "invalid_body", 400, "The request body cannot be read",
        "Send UTF-8 JSON with the fields of the OpenAPI document; `errors` names the place.";
    /// A query parameter is unknown or has the wrong form.
    InvalidQuery = "invalid_query", 400, "A query parameter cannot be read",
        "Check the names and forms of the parameters in the OpenAPI document.";
    /// The `cursor` was not made by this list.
    InvalidCursor = "invalid_cursor", 400, "The cursor is not one of this list",
        "Pass `next_cursor` of the page before unchanged, or leave it out to begin again.";
    /// A protobuf message or HTTP request that no route can make sense of.
    InvalidRequest = "invalid_request", 400, "The request cannot be understood",
        "Compare the request with the OpenAPI document or the protobuf services.";
    /// No credentials, or none that are good.
    Unauthorized = "unauthorized", 401, "Valid credentials are needed",
        "Send `Authorization: Bearer <API token>`; make a new token when this one has ended.";
    /// The caller may see the resource, but not do this with it.
    Forbidden = "forbidden", 403, "Your role does not allow this",
        "Use a token with a role that allows it; `detail` says which roles do.";
    /// There is no such thing, or the caller may not know of it.
    NotFound = "not_found", 404, "There is no such resource",
        "Check the id, and that the token belongs to the right organization.";
    /// No route has this path.
    RouteNotFound = "route_not_found", 404, "There is no such route",
        "See /openapi.json for the routes.";
    /// The route exists, the method on it does not.
    MethodNotAllowed = "method_not_allowed", 405, "The route does not have this method",
        "Use one of the methods that the `Allow` header names.";
    /// Another one has this name.
    NameTaken = "name_taken", 409, "The name is taken",
        "Choose another name, or use the resource that has it.";
    /// The organization still has accounts.
    OrganizationNotEmpty = "organization_not_empty", 409, "The organization still has accounts",
        "Delete its accounts first.";
    /// Accounts still live in the cell.
    CellNotEmpty = "cell_not_empty", 409, "Accounts still live in the cell",
        "Delete its accounts first.";
    /// The user or the account has as many credentials as it may have.
    TooManyCredentials = "too_many_credentials", 409, "There are too many credentials",
        "Revoke credentials that the user no longer needs; issue with `lifetime_seconds`, so that they end by themselves.";
    /// The organization has as many of something as it may have.
    QuotaExceeded = "quota_exceeded", 409, "The organization has as many as it may have",
        "Delete what is not needed any more, or ask whoever runs the platform to raise the quota that `detail` names.";
    /// There is no cell in which the account could live.
    NoCell = "no_cell", 409, "No cell has a node to serve the account",
        "Let a node join a cell, or ask whoever runs the platform to; platform administrators may also name a cell that waits for its node.";
    /// The account's cell refused the document that this change made.
    DocumentRefused = "document_refused", 409, "The cell refused the account's document",
        "Read `detail` for the node's reason; the cell keeps serving the document before. Change the account again.";
    /// Somebody of the organization would change what the platform decided.
    SuspendedByPlatform = "suspended_by_platform", 409, "The platform suspended this account",
        "Ask whoever runs the platform: only they resume what they suspended.";
    /// Nobody in the account listens to the subject.
    NoResponders = "no_responders", 409, "Nobody answers on this subject",
        "Start the service that subscribes to the subject, or correct the subject.";
    /// The node would not run the request.
    RequestRefused = "request_refused", 409, "The node refused to run the request",
        "Read `detail`; a suspended account or a subject that is no literal subject is refused.";
    /// The body is larger than the API takes.
    BodyTooLarge = "body_too_large", 413, "The request body is too large",
        "Send at most 1 MiB.";
    /// The body is not announced as JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, "The body must be JSON",
        "Set `Content-Type: application/json`.";
    /// The fields can be read, but their values are not allowed.
    ValidationFailed = "validation_failed", 422, "A value is not allowed",
        "Correct the fields named in `errors`.";
    /// The caller's organization has as many calls open as it may have.
    TooManyCalls = "too_many_calls", 429, "Your organization has too many calls open",
        "Make fewer calls at the same time; the limit counts all tokens and sessions of the organization together.";
    /// A bug of ours.
    Internal = "internal", 500, "Something went wrong on our side",
        "Try again; report the request id when it happens again.";
    /// Postgres cannot be reached. Nodes serve on without it.
    DatabaseUnavailable = "database_unavailable", 503, "The database cannot be reached",
        "Try again in a few seconds. Connected clients and nodes are not affected.";
    /// No node of the account's cell is connected.
    CellAway = "cell_away", 503, "The account's cell is not connected",
        "Check the cell's node; it reconnects by itself when it runs and reaches the fleet port.";
    /// A bounded queue is full.
    Overloaded = "overloaded", 503, "Too many requests are waiting",
        "Try again with fewer requests at the same time.";
    /// The change is stored, but the cell has not confirmed it within the time waited.
    NotAppliedYet = "not_applied_yet", 504, "The change is stored, but not applied yet",
        "Nothing needs to be repeated: the change stands and is applied when the cell is back. Follow /rollout.";
    /// Nobody replied in time.
    DeadlineExceeded = "deadline_exceeded", 504, "No reply came in time",
        "Try again with a larger `timeout_ms` (at most 10000), or check the service.";
}

impl ProblemCode {
    /// Where the code is explained; the `type` of its problems.
    pub fn type_uri(self) -> String {
        format!("/v1/error-codes#{}", self.as_str())
    }
}

impl std::fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_snake_case_words_with_an_error_status() {
        let mut seen = HashSet::new();
        for code in ProblemCode::ALL {
            let text = code.as_str();
            assert!(seen.insert(text), "{text} stands twice in the catalogue");
            assert!(
                text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{text}"
            );
            assert!((400..=599).contains(&code.status()), "{text}");
            assert_eq!(serde_json::to_value(code).unwrap(), text);
        }
    }

    #[test]
    fn titles_are_one_line_and_remedies_are_sentences() {
        for code in ProblemCode::ALL {
            assert!(!code.title().ends_with('.') && code.title().len() < 80, "{code}");
            assert!(code.remedy().ends_with('.'), "{code}");
        }
    }
}
