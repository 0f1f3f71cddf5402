//! `/accountz`: the accounts, and what one of them shares, takes and renames.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;
use tollway_claims::{Export, ExportKind, Import, ImportKind, LatencySampling, ResponseType, Shared};

use super::query::{InvalidQuery, Query, shown};
use super::written::time;
use crate::broker::{AccountDetail, Broker};

/// The page.
#[derive(Debug, Serialize)]
pub(crate) struct Accountz {
    server_id: String,
    now: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_account: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_detail: Option<Detail>,
}

#[derive(Debug, Serialize)]
pub(super) struct Detail {
    account_name: String,
    update_time: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_system: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer_key: Option<String>,
    expired: bool,
    complete: bool,
    jetstream_enabled: bool,
    leafnode_connections: u32,
    client_connections: u32,
    subscriptions: u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mappings: BTreeMap<String, Vec<Destination>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exports: Vec<Exported>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    imports: Vec<Imported>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    name_tag: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    revoked_user: BTreeMap<String, String>,
    sublist_stats: SublistStats,
}

#[derive(Debug, Serialize)]
struct SublistStats {
    num_subscriptions: u32,
}

#[derive(Debug, Serialize)]
struct Destination {
    subject: String,
    weight: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
}

#[derive(Debug, Serialize)]
struct Exported {
    subject: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_type: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    token_req: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_token_position: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_latency: Option<Latency>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    revoked_act: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Latency {
    sampling: u8,
    results: String,
}

#[derive(Debug, Serialize)]
struct Imported {
    subject: String,
    account: String,
    /// What a service is asked by, under its old name.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    local_subject: String,
    #[serde(rename = "type")]
    kind: &'static str,
    invalid: bool,
    share: bool,
    tracking: bool,
}

impl Accountz {
    pub(crate) fn now(broker: &Broker, query: &Query) -> Result<Self, InvalidQuery> {
        let mut accounts = Vec::new();
        let mut account_detail = None;
        if let Some(name) = query.text("acc") {
            account_detail = Some(Detail::called(broker, name)?);
        } else {
            broker.accounts_visit(&mut |view| accounts.push(view.account));
            accounts.sort_unstable();
        }
        Ok(Self {
            server_id: broker.settings().server_id.clone(),
            now: time(SystemTime::now()),
            system_account: broker.logins().1,
            accounts,
            account_detail,
        })
    }
}

impl Detail {
    /// Of the account that INFO calls this.
    pub(super) fn called(broker: &Broker, name: &str) -> Result<Self, InvalidQuery> {
        let unknown = || InvalidQuery(format!("Account {} does not exist", shown(name)));
        let detail = broker.account_detail(name).ok_or_else(unknown)?;
        Ok(Self::of(broker, detail))
    }

    fn of(broker: &Broker, detail: AccountDetail) -> Self {
        let AccountDetail {
            view,
            claims,
            since,
            is_signed,
            imports_work,
        } = detail;
        let now = SystemTime::now();
        let label = |key| broker.account_label(&key).unwrap_or_else(|| key.to_string());
        let mappings = claims.mappings.iter().map(|(source, destinations)| {
            let destinations = destinations.iter().map(|destination| Destination {
                subject: destination.subject.clone(),
                weight: destination.weight,
                cluster: destination.cluster.clone(),
            });
            (source.to_string(), destinations.collect())
        });
        let imports = claims.imports.iter().enumerate();
        Self {
            is_system: broker.logins().1.as_deref() == Some(view.account.as_str()),
            account_name: view.account,
            update_time: time(since),
            issuer_key: is_signed.then(|| claims.issuer.to_string()),
            expired: claims.expires_at.is_some_and(|end| now >= unix(end)),
            // What is not complete is not put in force.
            complete: true,
            jetstream_enabled: false,
            leafnode_connections: 0,
            client_connections: view.live.connections,
            subscriptions: view.live.subscriptions,
            mappings: mappings.collect(),
            exports: claims.exports.iter().map(Exported::of).collect(),
            imports: imports
                .map(|(place, import)| {
                    let works = imports_work.get(place).copied().unwrap_or(false);
                    Imported::of(import, label(import.account), works)
                })
                .collect(),
            tags: claims.tags.clone(),
            name_tag: view.name,
            revoked_user: revoked(&claims.revocations),
            sublist_stats: SublistStats {
                num_subscriptions: view.live.subscriptions,
            },
        }
    }
}

impl Exported {
    fn of(export: &Export) -> Self {
        let terms = match &export.kind {
            ExportKind::Stream => None,
            ExportKind::Service(terms) => Some(terms),
        };
        let latency = terms.and_then(|terms| terms.latency.as_ref());
        Self {
            subject: export.subject.to_string(),
            kind: kind(export.kind.shared()),
            response_type: terms.map(|terms| match terms.response {
                ResponseType::Singleton => "Singleton",
                ResponseType::Stream => "Streamed",
                ResponseType::Chunked => "Chunked",
            }),
            token_req: export.token_required,
            account_token_position: export.account_token_position.map(u32::from),
            service_latency: latency.map(|latency| Latency {
                sampling: match latency.sampling {
                    LatencySampling::Percent(percent) => percent,
                    LatencySampling::Headers => 0,
                },
                results: latency.results.to_string(),
            }),
            revoked_act: revoked(&export.revocations),
        }
    }
}

impl Imported {
    fn of(import: &Import, account: String, works: bool) -> Self {
        let subject = import.subject.to_string();
        let local = import
            .local_subject
            .as_ref()
            .map(|local| local.as_str().to_owned());
        let local_subject = local.unwrap_or_else(|| subject.clone());
        let is_service = import.kind.shared() == Shared::Service;
        Self {
            to: is_service.then(|| local_subject.clone()),
            subject,
            account,
            local_subject,
            kind: kind(import.kind.shared()),
            invalid: !works,
            share: matches!(import.kind, ImportKind::Service { share: true }),
            tracking: false,
        }
    }
}

fn kind(shared: Shared) -> &'static str {
    match shared {
        Shared::Stream => "stream",
        Shared::Service => "service",
    }
}

fn revoked(revocations: &tollway_claims::Revocations) -> BTreeMap<String, String> {
    let all = revocations.all.map(|up_to| ("*".to_owned(), up_to));
    let each = revocations
        .users
        .iter()
        .map(|(key, up_to)| (key.to_string(), *up_to));
    let written = |(key, up_to)| (key, time(unix(up_to)));
    all.into_iter().chain(each).map(written).collect()
}

/// A time of a claim; what is before 1970 counts as the beginning of that.
fn unix(seconds: i64) -> SystemTime {
    let seconds = u64::try_from(seconds).unwrap_or(0).min(u64::from(u32::MAX));
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
}
