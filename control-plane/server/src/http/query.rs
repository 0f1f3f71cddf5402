//! The query parameters that routes share.

use serde::{Deserialize, Deserializer, de::Error};
use tollway_model::PAGE_LIMIT_MAX;
use utoipa::IntoParams;

use crate::app::{PageParams, Wait};

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// Items of the page, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 50)]
    #[serde(default, deserialize_with = "limit")]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let limit = text
        .parse()
        .map_err(|_| D::Error::custom(format!("must be a whole number from 1 to {PAGE_LIMIT_MAX}")))?;
    Ok(Some(limit))
}

impl From<PageQuery> for PageParams {
    fn from(query: PageQuery) -> Self {
        Self {
            limit: query.limit,
            cursor: query.cursor.unwrap_or_default(),
        }
    }
}

/// When a change is answered.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitQuery {
    /// `applied`: answer when the account's cell has acknowledged the change, at most 10 seconds later.
    #[param(inline)]
    wait: Option<WaitFor>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum WaitFor {
    Applied,
}

impl From<WaitQuery> for Wait {
    fn from(query: WaitQuery) -> Self {
        match query.wait {
            Some(WaitFor::Applied) => Self::Applied,
            None => Self::Stored,
        }
    }
}
