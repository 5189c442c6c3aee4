//! Who was refused most, as it is asked for and answered.

use keyward_shared::id::{KeyId, WorkspaceId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::page;
use super::schema;
use crate::api::problem::Problem;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::time::{UnixDay, UnixMillis};
use crate::lifecycle::{Page, Refusal, Refused, RefusedBy, RefusedInput, RefusedPage, SecretOwner, Who};

/// The query of `GET /v1/edges/refusals`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RefusedQuery {
    /// By what they are summed; `key` where nothing is said.
    #[param(value_type = Option<schema::RefusedBy>)]
    by: Option<String>,
    /// The first day; the one before the last where nothing is said.
    #[param(value_type = Option<schema::Day>)]
    from: Option<String>,
    /// The day behind the last; tomorrow where nothing is said.
    #[param(value_type = Option<schema::Day>)]
    to: Option<String>,
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<String>,
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
}

impl RefusedQuery {
    /// Who is asked for, and which page of them.
    pub fn into_input(self) -> Result<(RefusedInput, Page), Problem> {
        let page = page(self.limit.as_deref(), self.cursor)?;
        let input = judged(self.by.as_deref(), self.from.as_deref(), self.to.as_deref());
        Ok((input.map_err(|invalid| Problem::of_query(Refusal::Invalid(invalid)))?, page))
    }
}

fn judged(by: Option<&str>, from: Option<&str>, to: Option<&str>) -> Result<RefusedInput, Invalid> {
    let by = match by {
        None | Some("key") => RefusedBy::Key,
        Some("address") => RefusedBy::Address,
        Some(_) => return Err(Invalid::new("by", Fault::Unknown, "one of: key, address")),
    };
    let day = |field, text: Option<&str>| {
        let refuse = || Invalid::new(field, Fault::BadFormat, "a day, such as 2030-01-31");
        text.map(|text| UnixDay::read(text).ok_or_else(refuse)).transpose()
    };
    Ok(RefusedInput { by, from: day("from", from)?, to: day("to", to)? })
}

/// Those refused most, as they are read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RefusedPage)]
pub struct RefusedPageBody<'a> {
    /// The first day.
    from: UnixDay,
    /// The day behind the last.
    to: UnixDay,
    /// How often, at most, anybody was refused beyond what is told of them, listed or not: 0 unless more were refused
    /// than are counted one by one.
    uncounted: u64,
    /// They, the one refused most first.
    items: Vec<RefusedBody<'a>>,
    /// Where the next page starts; `null` when this was the last.
    #[schema(required)]
    next_cursor: Option<&'a str>,
}

/// How often somebody was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refused)]
struct RefusedBody<'a> {
    /// By `key`: the fingerprint of the key that was shown.
    #[schema(required)]
    fingerprint: Option<String>,
    /// By `key`: why.
    #[schema(required)]
    reason: Option<&'static str>,
    /// By `address`: the client's.
    #[schema(required)]
    address: Option<String>,
    /// How often, at all edges together.
    count: u64,
    /// By how much that may be too high.
    error: u64,
    /// When for the last time.
    last_at: UnixMillis,
    /// Whose the fingerprint is or was; `null` where no key has or had it.
    #[schema(required)]
    key: Option<RefusedKeyBody<'a>>,
}

/// The key of a fingerprint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RefusedKey)]
struct RefusedKeyBody<'a> {
    #[schema(value_type = schema::KeyId)]
    id: KeyId,
    #[schema(value_type = schema::WorkspaceId)]
    workspace_id: WorkspaceId,
    /// Its name, or the one that it had.
    name: &'a str,
}

impl<'a> From<&'a RefusedPage> for RefusedPageBody<'a> {
    fn from(page: &'a RefusedPage) -> Self {
        let RefusedPage { from, to, untold, listed } = page;
        Self {
            from: *from,
            to: *to,
            uncounted: *untold,
            items: listed.items.iter().map(RefusedBody::from).collect(),
            next_cursor: listed.next_cursor.as_deref(),
        }
    }
}

impl<'a> From<&'a (Refused, Option<SecretOwner>)> for RefusedBody<'a> {
    fn from((refused, owner): &'a (Refused, Option<SecretOwner>)) -> Self {
        let Refused { who, count, error, last_at } = refused;
        let (fingerprint, reason, address) = match who {
            Who::Key(fingerprint, kind) => (Some(hex::encode(fingerprint.as_bytes())), Some(kind.as_str()), None),
            Who::Address(address) => (None, None, Some(address.to_string())),
        };
        let key = |SecretOwner { workspace_id, key_id, key_name, .. }: &'a SecretOwner| RefusedKeyBody {
            id: *key_id,
            workspace_id: *workspace_id,
            name: key_name,
        };
        let key = owner.as_ref().map(key);
        Self { fingerprint, reason, address, count: *count, error: *error, last_at: *last_at, key }
    }
}
