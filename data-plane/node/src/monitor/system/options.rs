//! What stands in the body of a question: which servers are to answer, and what about.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::query::Query;
use crate::broker::ServerView;

/// The body of a question.
#[derive(Debug, Default)]
pub(super) struct Options(Map<String, Value>);

/// A body that is none. Its text is for whoever asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct InvalidOptions(String);

/// Which servers are to answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Whom {
    server_name: String,
    host: String,
    cluster: String,
    domain: String,
    exact_match: bool,
    tags: Vec<String>,
}

/// A connection that something is to be done with.
#[derive(Debug, Deserialize)]
pub(super) struct WhichConnection {
    /// No connection has 0.
    #[serde(default)]
    pub(super) cid: u64,
}

impl Options {
    /// Nothing at all says nothing.
    pub(super) fn read(body: &[u8]) -> Result<Self, InvalidOptions> {
        let body = body.trim_ascii();
        if body.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(body).map(Self).map_err(invalid)
    }

    /// Whether this node is among those that are asked.
    pub(super) fn ask(&self, server: &ServerView) -> Result<bool, InvalidOptions> {
        let whom = Whom::deserialize(&self.0).map_err(invalid)?;
        let is = |wanted: &str, found: &str| match whom.exact_match {
            _ if wanted.is_empty() => true,
            true => wanted == found,
            false => found.contains(wanted),
        };
        Ok(is(&whom.server_name, &server.name)
            && is(&whom.host, &server.host)
            // It is in none.
            && whom.cluster.is_empty()
            && whom.domain.is_empty()
            && whom.tags.iter().all(|tag| server.tags.contains(tag)))
    }

    /// The same as the parameters of a page.
    pub(super) fn query(&self, account: Option<&str>) -> Query {
        let mut parameters: HashMap<String, String> = self
            .0
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), parameter(value)?)))
            .collect();
        if let Some(account) = parameters.remove("account") {
            parameters.insert("acc".to_owned(), account);
        }
        if self.says("subscriptions_detail") {
            parameters.insert("subs".to_owned(), "detail".to_owned());
        } else if self.says("subscriptions") {
            parameters.insert("subs".to_owned(), "1".to_owned());
        }
        // Last: nobody is told about another account than the one that it asks about.
        if let Some(account) = account {
            parameters.insert("acc".to_owned(), account.to_owned());
        }
        Query::from(parameters)
    }

    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        let values = self.0.get(name).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub(super) fn says(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn connection(&self) -> Result<WhichConnection, InvalidOptions> {
        WhichConnection::deserialize(&self.0).map_err(invalid)
    }
}

fn invalid(error: serde_json::Error) -> InvalidOptions {
    InvalidOptions(error.to_string().chars().take(256).collect())
}

fn parameter(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> ServerView {
        ServerView {
            name: "probe".to_owned(),
            host: "0.0.0.0".to_owned(),
            id: "N".to_owned(),
            ver: "1",
            tags: vec!["a".to_owned(), "b:c".to_owned()],
            jetstream: false,
            flags: 0,
            seq: 1,
            time: String::new(),
        }
    }

    #[test]
    fn who_is_asked_is_said_by_names_and_labels() {
        for (body, asked) in [
            ("", true),
            ("{}", true),
            (r#"{"server_name":"pro"}"#, true),
            (r#"{"server_name":"pro","exact_match":true}"#, false),
            (r#"{"server_name":"probe","exact_match":true}"#, true),
            (r#"{"server_name":"nope"}"#, false),
            (r#"{"host":"0.0"}"#, true),
            (r#"{"tags":["a","b:c"]}"#, true),
            (r#"{"tags":["a","z"]}"#, false),
            (r#"{"cluster":"c"}"#, false),
            (r#"{"domain":"d"}"#, false),
        ] {
            let options = Options::read(body.as_bytes()).unwrap();
            assert_eq!(options.ask(&node()).unwrap(), asked, "{body}");
        }
    }

    #[test]
    fn what_is_no_question_is_an_error_and_nothing_worse() {
        for body in [
            "{",
            "[]",
            "1",
            "\"a\"",
            "{\"server_name\": 1}",
            "{\"tags\": \"a\"}",
            "\u{0}",
        ] {
            let read = Options::read(body.as_bytes());
            assert!(read.and_then(|options| options.ask(&node())).is_err(), "{body}");
        }
        assert!(Options::read(b"{\"cid\":-1}").unwrap().connection().is_err());
        assert_eq!(Options::read(b"{}").unwrap().connection().unwrap().cid, 0);
        assert_eq!(
            Options::read(b"{\"cid\":7}").unwrap().connection().unwrap().cid,
            7
        );
    }

    #[test]
    fn options_are_the_parameters_of_pages_and_the_account_is_not_the_askers_to_choose() {
        let body =
            br#"{"subscriptions":true,"limit":3,"auth":true,"account":"THEIRS","acc":"THEIRS","x":[1]}"#;
        let query = Options::read(body).unwrap().query(Some("OWN"));
        assert_eq!(query.text("acc"), Some("OWN"));
        assert_eq!(query.text("subs"), Some("1"));
        assert_eq!(query.text("limit"), Some("3"));
        assert_eq!(query.switch("auth"), Ok(true));
        assert_eq!(query.text("x"), None);
        let query = Options::read(br#"{"subscriptions_detail":true,"account":"A"}"#)
            .unwrap()
            .query(None);
        assert_eq!(
            (query.text("acc"), query.text("subs")),
            (Some("A"), Some("detail"))
        );
    }
}
