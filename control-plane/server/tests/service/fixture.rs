//! A control plane for one test.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tollway::serve::{ControlPlane, ServeSettings};
use tollway_datastore::testing::{self, TestDatabase};

/// A running control plane and its database.
pub(crate) struct Service {
    pub(crate) control_plane: Option<ControlPlane>,
    pub(crate) database: TestDatabase,
    pub(crate) folder: TempDir,
    pub(crate) admin_token: String,
    http: reqwest::Client,
}

/// What a call answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

pub(crate) fn settings(folder: &Path, database_url: &str) -> ServeSettings {
    let any = "127.0.0.1:0".parse().unwrap();
    ServeSettings {
        data_dir: folder.to_owned(),
        database_url: database_url.to_owned(),
        listen: any,
        fleet_listen: any,
        metrics_listen: any,
        kek_file: None,
    }
}

impl Service {
    /// A control plane on a fresh database.
    pub(crate) async fn start() -> Self {
        let database = testing::database().await;
        let url = database.url().to_owned();
        Self::start_on(database, &url).await
    }

    /// A control plane that reaches `database` under another URL.
    pub(crate) async fn start_on(database: TestDatabase, url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let control_plane = ControlPlane::start(settings(folder.path(), url)).await.unwrap();
        let admin_token = std::fs::read_to_string(folder.path().join("admin.token"))
            .unwrap()
            .trim()
            .to_owned();
        Self {
            control_plane: Some(control_plane),
            database,
            folder,
            admin_token,
            http: reqwest::Client::new(),
        }
    }

    /// Stops the control plane and starts another one on the same folder and database.
    pub(crate) async fn restart(&mut self) {
        self.control_plane.take().unwrap().stop().await;
        let settings = settings(self.folder.path(), self.database.url());
        self.control_plane = Some(ControlPlane::start(settings).await.unwrap());
    }

    pub(crate) fn control_plane(&self) -> &ControlPlane {
        self.control_plane.as_ref().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.control_plane().ports().api)
    }

    /// A request that can still be changed.
    pub(crate) fn request(&self, token: Option<&str>, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, self.url(path));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Calls a route, with a JSON body unless it is null.
    pub(crate) async fn call(&self, token: Option<&str>, method: Method, path: &str, body: Value) -> Answer {
        let request = self.request(token, method, path);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        Answer::of(request).await
    }

    /// Calls a route as the platform admin, who must succeed.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self
            .call(Some(&self.admin_token), method.clone(), path, body)
            .await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        answer.body
    }
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Self {
            status,
            headers,
            body,
        }
    }

    /// The problem's code, after checking that it is a whole problem.
    pub(crate) fn code(&self) -> &str {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        assert_eq!(
            self.headers["x-request-id"].to_str().unwrap(),
            self.body["request_id"],
            "{self:?}"
        );
        assert!(
            self.body["type"]
                .as_str()
                .unwrap()
                .starts_with("/v1/error-codes#"),
            "{self:?}"
        );
        self.body["code"].as_str().unwrap()
    }
}

/// Text of a JSON field.
pub(crate) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is a text in {value}"))
}
