//! Where everything is, for people and for programs.

use std::path::PathBuf;

use serde::Serialize;

use super::{cell_node::CellNode, demo::Demo, folder::UpFolder, own_program::own_program};
use crate::data_folder::{DataFolder, Ports};

/// What up.json holds while it runs. No secrets: those are in the files that it names.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Facts {
    /// Of `tollway up`.
    pub(super) process: u32,
    /// How this program is called in a shell here: by its name when PATH leads to it, by its path otherwise.
    pub(super) program: String,
    pub(super) data_dir: PathBuf,
    pub(super) console_url: String,
    pub(super) api_url: String,
    pub(super) api_token_file: PathBuf,
    pub(super) metrics_url: String,
    /// Where further nodes attach.
    pub(super) fleet_address: String,
    pub(super) cells: Vec<CellFacts>,
    /// Id of the demo organization.
    pub(super) organization: String,
    /// The demo's accounts that are still there.
    pub(super) accounts: Vec<AccountFacts>,
    pub(super) demo_dir: PathBuf,
    pub(super) logs_dir: PathBuf,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct CellFacts {
    pub(super) name: String,
    pub(super) nats_url: String,
    pub(super) metrics_url: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct AccountFacts {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) public_key: String,
    pub(super) cell: String,
    pub(super) nats_url: String,
    pub(super) creds_file: PathBuf,
}

impl Facts {
    pub(super) fn new(folder: &UpFolder, ports: Ports, nodes: &[CellNode], demo: Demo) -> Self {
        let cells: Vec<CellFacts> = nodes
            .iter()
            .map(|node| CellFacts {
                name: node.cell().to_owned(),
                nats_url: node.url(),
                metrics_url: node.metrics_url(),
            })
            .collect();
        let accounts = demo.accounts.into_iter().filter_map(|account| {
            // An account that was moved to a cell of the tenant's own is reached elsewhere.
            let cell = cells.iter().find(|cell| cell.name == account.cell)?;
            Some(AccountFacts {
                name: account.name,
                id: account.id,
                public_key: account.public_key,
                cell: account.cell,
                nats_url: cell.nats_url.clone(),
                creds_file: account.creds_file,
            })
        });
        Self {
            process: std::process::id(),
            program: own_program(),
            data_dir: folder.path().to_owned(),
            console_url: format!("http://{}/", ports.api),
            api_url: format!("http://{}/v1", ports.api),
            api_token_file: DataFolder::existing(&folder.control_plane()).admin_token_file(),
            metrics_url: format!("http://{}/metrics", ports.metrics),
            fleet_address: ports.fleet.to_string(),
            accounts: accounts.collect(),
            cells,
            organization: demo.organization,
            demo_dir: folder.demo(),
            logs_dir: folder.logs(),
        }
    }
}
