//! The demo: an organization with two accounts in two cells, one user each, and credentials in files.
//!
//! It is made once. What is deleted of it afterwards stays deleted.

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};
use tollway_api as api;
use zeroize::Zeroizing;

use super::{UpError, demo_programs, folder::UpFolder, own_call};
use crate::app::{App, AppError, PageParams, Wait, account, issuance, organization, user};

/// The cells of `tollway up`, one node each.
pub(super) const CELLS: [&str; 2] = ["cell-a", "cell-b"];
const ORGANIZATION: &str = "demo";
/// Name and cell of each account.
const ACCOUNTS: [(&str, &str); 2] = [("orders", CELLS[0]), ("billing", CELLS[1])];
const USER: &str = "app";

/// What is there of the demo.
pub(super) struct Demo {
    pub(super) organization: String,
    pub(super) accounts: Vec<DemoAccount>,
}

pub(super) struct DemoAccount {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) public_key: String,
    pub(super) cell: String,
    pub(super) creds_file: PathBuf,
}

/// What demo/demo.json remembers: the demo was made, and of what.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    organization: String,
    accounts: Vec<MadeAccount>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MadeAccount {
    id: String,
    user: String,
}

impl Demo {
    /// Makes it at the first start, and finds what is left of it at later ones.
    pub(super) async fn make_or_resume(app: &App, folder: &UpFolder) -> Result<Self, UpError> {
        let memory = folder.demo().join("demo.json");
        let made = match fs::read(&memory) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| UpError::file("read", &memory)(io::Error::other(error)))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = make(app).await?;
                let text = serde_json::to_vec(&made).expect("a few ids are JSON");
                folder.write(&memory, &text)?;
                made
            }
            Err(error) => return Err(UpError::file("read", &memory)(error)),
        };
        let mut accounts = Vec::with_capacity(made.accounts.len());
        for account in &made.accounts {
            accounts.extend(resume(app, folder, account).await?);
        }
        demo_programs::write(folder)?;
        Ok(Self {
            organization: made.organization,
            accounts,
        })
    }

    /// One line for the progress.
    pub(super) fn summary(&self) -> String {
        let names: Vec<&str> = self
            .accounts
            .iter()
            .map(|account| account.name.as_str())
            .collect();
        match names.as_slice() {
            [] => "its accounts were deleted".to_owned(),
            names => format!(
                "accounts {} of the organization {ORGANIZATION}",
                names.join(" and ")
            ),
        }
    }
}

/// Makes what is not there under its name: an earlier start may have been cut off in the middle.
async fn make(app: &App) -> Result<Made, UpError> {
    let organizations = async |page| organization::list(&own_call(app), page).await;
    let existing = find(organizations, |organization| organization.name == ORGANIZATION)
        .await
        .map_err(UpError::demo("look for the demo organization"))?;
    let organization = match existing {
        Some(organization) => organization.id,
        None => {
            let new = api::NewOrganization {
                name: ORGANIZATION.to_owned(),
                display_name: Some("Demo".to_owned()),
            };
            organization::create(&own_call(app), new)
                .await
                .map_err(UpError::demo("create the demo organization"))?
                .id
        }
    };
    let mut accounts = Vec::with_capacity(ACCOUNTS.len());
    for (name, cell) in ACCOUNTS {
        let list = async |page| account::list(&own_call(app), &organization, page).await;
        let existing = find(list, |account| account.name == name)
            .await
            .map_err(UpError::demo("look for a demo account"))?;
        let account = match existing {
            Some(account) => account.id,
            None => {
                let new = api::NewAccount {
                    name: name.to_owned(),
                    cell: Some(cell.to_owned()),
                    limits: None,
                };
                account::create(&own_call(app), &organization, new, Wait::Applied)
                    .await
                    .map_err(UpError::demo("create a demo account"))?
                    .id
            }
        };
        let list = async |page| user::list(&own_call(app), &account, page).await;
        let existing = find(list, |user| user.name == USER)
            .await
            .map_err(UpError::demo("look for a demo user"))?;
        let user = match existing {
            Some(user) => user.id,
            None => {
                let new = api::NewUser {
                    name: USER.to_owned(),
                    permissions: None,
                };
                user::create(&own_call(app), &account, new)
                    .await
                    .map_err(UpError::demo("create a demo user"))?
                    .id
            }
        };
        accounts.push(MadeAccount { id: account, user });
    }
    Ok(Made {
        organization,
        accounts,
    })
}

/// What is left of an account, with credentials in its file; `None` when it was deleted.
async fn resume(app: &App, folder: &UpFolder, made: &MadeAccount) -> Result<Option<DemoAccount>, UpError> {
    let found = unless_gone(account::get(&own_call(app), &made.id).await)
        .map_err(UpError::demo("read a demo account"))?;
    let Some(account) = found else {
        return Ok(None);
    };
    let creds_file = folder.demo().join(format!("{}.creds", account.name));
    if !creds_file.exists() {
        let issue = api::IssueCredentials::default();
        let issued = unless_gone(issuance::create(&own_call(app), &made.id, &made.user, issue).await)
            .map_err(UpError::demo("issue demo credentials"))?;
        let Some(issued) = issued else {
            return Ok(None);
        };
        let creds = Zeroizing::new(issued.creds);
        folder.write(&creds_file, creds.as_bytes())?;
    }
    Ok(Some(DemoAccount {
        name: account.name,
        id: account.id,
        public_key: account.public_key,
        cell: account.cell,
        creds_file,
    }))
}

/// The one item of a list that `wanted` knows, however long the list is.
async fn find<T>(
    list: impl AsyncFn(PageParams) -> Result<api::Page<T>, AppError>,
    wanted: impl Fn(&T) -> bool,
) -> Result<Option<T>, AppError> {
    let mut page = PageParams::default();
    loop {
        let items = list(page).await?;
        if let Some(found) = items.items.into_iter().find(&wanted) {
            return Ok(Some(found));
        }
        match items.next_cursor {
            Some(cursor) => page = PageParams { limit: None, cursor },
            None => return Ok(None),
        }
    }
}

fn unless_gone<T>(result: Result<T, AppError>) -> Result<Option<T>, AppError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(AppError::Problem(problem)) if problem.code == api::ProblemCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
