//! A control plane with an organization and an account, and browsers for it.

use reqwest::{Method, RequestBuilder, Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tollway::{
    secrets::{random_array, random_text, secret_hash},
    serve::{ControlPlane, ServeSettings},
};
use tollway_authz::Scope;
use tollway_datastore::{
    Acknowledgement, NewNode, NewSignInLink,
    testing::{self, TestDatabase},
};
use tollway_model::{NodeId, PageRequest, Role, SignInLinkId};

/// A running control plane; gone with the test's process.
pub(crate) struct World {
    pub(crate) origin: String,
    pub(crate) organization: String,
    pub(crate) account: String,
    admin_token: String,
    database: TestDatabase,
    _folder: TempDir,
    _control_plane: ControlPlane,
}

impl World {
    pub(crate) async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (folder, database) = (tempfile::tempdir().unwrap(), testing::database().await);
        let any = "127.0.0.1:0".parse().unwrap();
        let control_plane = ControlPlane::start(ServeSettings {
            data_dir: folder.path().join("data"),
            database_url: database.url().to_owned(),
            listen: any,
            fleet_listen: any,
            metrics_listen: any,
            kek_file: None,
        })
        .await
        .unwrap();
        let mut world = Self {
            origin: format!("http://{}", control_plane.ports().api),
            organization: String::new(),
            account: String::new(),
            admin_token: std::fs::read_to_string(folder.path().join("data/admin.token"))
                .unwrap()
                .trim()
                .to_owned(),
            database,
            _folder: folder,
            _control_plane: control_plane,
        };
        world.api("cells", json!({ "name": "cell-1" })).await;
        world.organization = world.new_organization("harbour").await;
        world.account = world.new_account(&world.organization, "berths").await;
        world
    }

    pub(crate) async fn new_organization(&self, name: &str) -> String {
        let made = self
            .api(
                "organizations",
                json!({ "name": name, "display_name": format!("{name} & <Sons>") }),
            )
            .await;
        made["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn new_account(&self, organization: &str, name: &str) -> String {
        let made = self
            .api(
                &format!("organizations/{organization}/accounts"),
                json!({ "name": name, "cell": "cell-1" }),
            )
            .await;
        made["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn api(&self, path: &str, body: Value) -> Value {
        let request = reqwest::Client::new()
            .post(format!("{}/v1/{path}", self.origin))
            .bearer_auth(&self.admin_token)
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.unwrap();
        let (status, body) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{status}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The names of the organization's accounts, as the API lists them.
    pub(crate) async fn account_names(&self) -> Vec<String> {
        let request = reqwest::Client::new()
            .get(format!(
                "{}/v1/organizations/{}/accounts",
                self.origin, self.organization
            ))
            .bearer_auth(&self.admin_token);
        let list: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Gives the cell a node that has served, so that accounts are placed in it.
    pub(crate) async fn serve_cell(&self) {
        let (datastore, now) = (self.database.datastore().await, OffsetDateTime::now_utc());
        let mut tx = datastore.begin_system(&Scope::system("test")).await.unwrap();
        let cell = tx
            .cell_list(&PageRequest::first())
            .await
            .unwrap()
            .items
            .remove(0)
            .cell;
        let node = NewNode {
            id: NodeId::new(1, random_array()),
            name: "node-1".parse().unwrap(),
            enrolled_at: now,
        };
        tx.node_admit(cell.id, &node).await.unwrap();
        let acknowledgement = Acknowledgement {
            cursor: cell.cursor,
            mark: cell.mark,
            refused: Vec::new(),
            snapshot: true,
        };
        tx.cell_acknowledge(cell.id, &acknowledgement, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A link's secret, as an owner of the platform would get it.
    pub(crate) async fn link(&self, role: Role) -> String {
        let (secret, now) = (random_text(""), OffsetDateTime::now_utc());
        let organization_id = match role {
            Role::PlatformAdmin => None,
            _ => Some(self.organization.parse().unwrap()),
        };
        let datastore = self.database.datastore().await;
        let mut tx = datastore.begin_system(&Scope::system("test")).await.unwrap();
        tx.sign_in_link_insert(&NewSignInLink {
            id: SignInLinkId::new(1, random_array()),
            secret_hash: secret_hash(&secret),
            role,
            organization_id,
            created_at: now,
            expires_at: now + Duration::minutes(5),
        })
        .await
        .unwrap();
        tx.commit().await.unwrap();
        secret.to_string()
    }

    /// A secret that looks like a link's.
    pub(crate) fn made_up_link(&self) -> String {
        random_text("").to_string()
    }

    pub(crate) fn browser(&self) -> Browser {
        let client = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .build()
            .unwrap();
        Browser {
            client,
            origin: self.origin.clone(),
        }
    }

    pub(crate) async fn signed_in(&self, role: Role) -> Browser {
        let browser = self.browser();
        let link = self.link(role).await;
        let answer = browser.post("/sign-in", &[("token", &link)]).await;
        assert_eq!(answer.location(), "/");
        browser
    }
}

/// Keeps cookies, follows no redirect by itself, and says where forms come from.
pub(crate) struct Browser {
    client: reqwest::Client,
    origin: String,
}

impl Browser {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.origin))
            .header("accept", "text/html")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// Sends a form as a page of ours would.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(
            self.request(Method::POST, path)
                .header("sec-fetch-site", "same-origin")
                .form(form),
        )
        .await
    }

    /// The mark of this session's forms, from the page at `path`.
    pub(crate) async fn csrf(&self, path: &str) -> String {
        let page = self.get(path).await;
        let (_, rest) = page
            .body
            .split_once("name=\"csrf\" value=\"")
            .expect("the page has a form");
        rest.split('"').next().unwrap().to_owned()
    }

    /// Sends a form with the mark of this session.
    pub(crate) async fn submit(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf("/").await;
        let form: Vec<_> = form.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.post(path, &form).await
    }
}

/// What came back, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response: Response = request.send().await.unwrap();
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:?}");
        self.header("location")
    }

    #[track_caller]
    pub(crate) fn has(&self, text: &str) {
        assert!(
            self.body.contains(text),
            "{text:?} is not on the page:\n{}",
            self.body
        );
    }

    #[track_caller]
    pub(crate) fn has_not(&self, text: &str) {
        assert!(
            !self.body.contains(text),
            "{text:?} is on the page:\n{}",
            self.body
        );
    }
}
