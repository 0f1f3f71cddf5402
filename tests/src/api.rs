//! The REST API, as somebody with a token uses it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const REQUEST_ID: &str = "x-request-id";

/// Calls with one token. The short methods are for what must succeed; [`Api::call`] is for the rest.
#[derive(Debug, Clone)]
pub struct Api {
    url: String,
    token: String,
    creds_folder: PathBuf,
    /// Makes names that are used once.
    count: Arc<AtomicU32>,
    http: reqwest::Client,
}

/// What a call answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The id under which the call stands in the logs.
    pub request_id: String,
    /// JSON, or the text as a JSON string when it is none.
    pub body: Value,
}

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// `acc_…`
    pub id: String,
    /// `A…`
    pub public_key: String,
    /// As it was named.
    pub name: String,
    /// `org_…` of its owner.
    pub organization: String,
}

/// A user of an account.
#[derive(Debug, Clone)]
pub struct User {
    /// `usr_…`
    pub id: String,
    /// `acc_…` of its account.
    pub account: String,
}

/// What was issued for a user.
#[derive(Debug, Clone)]
pub struct Creds {
    /// `iss_…`
    pub issuance: String,
    /// Whose.
    pub user: User,
    /// `U…`
    pub public_key: String,
    /// The creds file.
    pub text: String,
    /// Where it was saved, readable by us alone.
    pub path: PathBuf,
}

/// An organization with one account, which has one user who may do everything.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its account.
    pub account: Account,
    /// The account's user.
    pub user: User,
    /// The user's creds.
    pub creds: Creds,
}

impl Api {
    pub(crate) fn new(url: String, token: String, creds_folder: PathBuf) -> Self {
        Self {
            url,
            token,
            creds_folder,
            count: Arc::new(AtomicU32::new(1)),
            http: reqwest::Client::new(),
        }
    }

    /// The same API for somebody else.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// Where the API is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls a route, with a JSON body unless it is null. An error when nobody answers.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Answer, reqwest::Error> {
        self.send(self.request(method, path), body).await
    }

    /// The same under a request id of ours.
    pub async fn call_as(
        &self,
        request_id: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, reqwest::Error> {
        let request = self.request(method, path).header(REQUEST_ID, request_id);
        self.send(request, body).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.http.request(method, url).bearer_auth(&self.token)
    }

    async fn send(
        &self,
        mut request: reqwest::RequestBuilder,
        body: &Value,
    ) -> Result<Answer, reqwest::Error> {
        if !body.is_null() {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let request_id = response.headers().get(REQUEST_ID);
        let request_id = request_id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        let request_id = request_id.to_owned();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer {
            status,
            request_id,
            body,
        })
    }

    async fn done(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self
            .call(method.clone(), path, &body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        answer.body
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Value {
        self.done(Method::GET, path, Value::Null).await
    }

    /// Creates or does something.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.done(Method::POST, path, body).await
    }

    /// Changes something.
    pub async fn patch(&self, path: &str, body: Value) -> Value {
        self.done(Method::PATCH, path, body).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) {
        self.done(Method::DELETE, path, Value::Null).await;
    }

    fn number(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// A new organization; its id.
    pub async fn organization(&self) -> String {
        let name = format!("org-{}", self.number());
        let made = self.post("/v1/organizations", json!({ "name": name })).await;
        text(&made, "id")
    }

    /// A new account, without waiting for its cell.
    pub async fn account(&self, organization: &str, name: &str, cell: &str) -> Account {
        let path = format!("/v1/organizations/{organization}/accounts");
        let made = self.post(&path, json!({ "name": name, "cell": cell })).await;
        Account {
            id: text(&made, "id"),
            public_key: text(&made, "public_key"),
            name: name.to_owned(),
            organization: organization.to_owned(),
        }
    }

    /// A new user who may do everything in the account.
    pub async fn user(&self, account: &Account, name: &str) -> User {
        self.user_with(account, name, json!({})).await
    }

    /// A new user with permissions: `publish_allow`, `publish_deny`, `subscribe_allow`, `subscribe_deny`,
    /// `allow_responses`.
    pub async fn user_with(&self, account: &Account, name: &str, permissions: Value) -> User {
        let path = format!("/v1/accounts/{}/users", account.id);
        let made = self
            .post(&path, json!({ "name": name, "permissions": permissions }))
            .await;
        User {
            id: text(&made, "id"),
            account: account.id.clone(),
        }
    }

    /// New creds for a user, valid until revoked.
    pub async fn issue(&self, user: &User) -> Creds {
        self.issue_with(user, json!({})).await
    }

    /// New creds for a user, as the body says: `lifetime_seconds`.
    pub async fn issue_with(&self, user: &User, body: Value) -> Creds {
        let made = self.post(&issuances(user), body).await;
        let creds = text(&made, "creds");
        let issuance = text(&made["issuance"], "id");
        Creds {
            path: self.save(&issuance, &creds),
            issuance,
            user: user.clone(),
            public_key: text(&made["issuance"], "public_key"),
            text: creds,
        }
    }

    /// Saves a creds file that the test made itself.
    pub fn save(&self, name: &str, creds: &str) -> PathBuf {
        let path = self.creds_folder.join(format!("{name}-{}.creds", self.number()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .expect("the folder is ours");
        file.write_all(creds.as_bytes()).expect("the folder is ours");
        path
    }

    /// An organization, account and user in a cell, ready to connect with.
    pub async fn tenant(&self, cell: &str) -> Tenant {
        let organization = self.organization().await;
        let account = self.account(&organization, "orders", cell).await;
        let user = self.user(&account, "app").await;
        let creds = self.issue(&user).await;
        self.applied(&account).await;
        Tenant { account, user, creds }
    }

    /// Revokes creds, and waits until the account's cell has it.
    pub async fn revoke(&self, creds: &Creds) {
        let path = format!(
            "{}/{}/revoke?wait=applied",
            issuances(&creds.user),
            creds.issuance
        );
        self.post(&path, Value::Null).await;
    }

    /// Suspends an account, and waits until its cell has it.
    pub async fn suspend(&self, account: &Account, reason: &str) {
        let path = format!("/v1/accounts/{}/suspend?wait=applied", account.id);
        self.post(&path, json!({ "reason": reason })).await;
    }

    /// Ends a suspension, and waits until the account's cell has it.
    pub async fn resume(&self, account: &Account) {
        let path = format!("/v1/accounts/{}/resume?wait=applied", account.id);
        self.post(&path, Value::Null).await;
    }

    /// Changes limits (`connections`, `subscriptions`, `payload_bytes`; -1 is without limit), and waits
    /// until the account's cell has them.
    pub async fn limits(&self, account: &Account, limits: Value) {
        let path = format!("/v1/accounts/{}?wait=applied", account.id);
        self.patch(&path, json!({ "limits": limits })).await;
    }

    /// What the account used in the last day: `messages_in`, `bytes_in`, `messages_out`, `bytes_out`,
    /// `connections_opened`.
    pub async fn usage(&self, account: &Account) -> Value {
        self.get(&format!("/v1/accounts/{}/usage", account.id)).await["total"].take()
    }

    /// How far the account's newest document has travelled.
    pub async fn rollout(&self, account: &Account) -> Value {
        self.get(&format!("/v1/accounts/{}/rollout", account.id)).await
    }

    /// Waits until the account's cell has its newest document.
    pub async fn applied(&self, account: &Account) {
        let what = format!("{} is applied", account.id);
        crate::eventually(&what, async || {
            (self.rollout(account).await["applied"] == true).then_some(())
        })
        .await;
    }

    /// A cell with its nodes and what they refused.
    pub async fn cell(&self, cell: &str) -> Value {
        self.get(&format!("/v1/cells/{cell}")).await
    }
}

impl Creds {
    /// The user JWT in the file.
    pub fn jwt(&self) -> &str {
        between(&self.text, "BEGIN NATS USER JWT")
    }

    /// The seed in the file.
    pub fn seed(&self) -> &str {
        between(&self.text, "BEGIN USER NKEY SEED")
    }

    /// Removes the file; a client that connects again has to have read it before.
    pub fn forget(&self) {
        fs::remove_file(&self.path).expect("the file is ours");
    }
}

/// The line after the one with `header`.
fn between<'t>(text: &'t str, header: &str) -> &'t str {
    text.lines()
        .skip_while(|line| !line.contains(header))
        .nth(1)
        .unwrap_or_else(|| panic!("no {header} in the creds"))
        .trim()
}

fn issuances(user: &User) -> String {
    format!("/v1/accounts/{}/users/{}/issuances", user.account, user.id)
}

fn text(value: &Value, field: &str) -> String {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is a text in {value}"))
        .to_owned()
}
