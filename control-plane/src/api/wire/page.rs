//! Pages of lists: `?limit=&cursor=` in, `{"items":[…],"next_cursor":…}` out.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::schema;
use crate::api::problem::{Code, Problem};
use crate::lifecycle::{Listed, Page};

/// A page as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Page)]
pub struct PageBody<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page starts; `null` when this was the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<'a, T> PageBody<T> {
    /// The page with each entry worded.
    pub fn of<U: 'a>(listed: &'a Listed<U>) -> Self
    where
        T: From<&'a U>,
    {
        Self { items: listed.items.iter().map(T::from).collect(), next_cursor: listed.next_cursor.clone() }
    }
}

/// The parameters of a list without filters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<String>,
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
}

impl PageQuery {
    /// The part of the list that is asked for.
    pub fn into_page(self) -> Result<Page, Problem> {
        page(self.limit.as_deref(), self.cursor)
    }
}

/// Reads `limit` and `cursor`; the lifecycle judges both.
pub fn page(limit: Option<&str>, cursor: Option<String>) -> Result<Page, Problem> {
    let limit = limit
        .map(str::parse)
        .transpose()
        .map_err(|_| Problem::new(Code::BadParameter).field("limit").detail("must be a number"))?;
    Ok(Page { limit, cursor })
}
