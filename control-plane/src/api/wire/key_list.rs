//! The query of a workspace's keys: filters, order, page.

use serde::Deserialize;

use super::instant;
use super::page::page;
use crate::api::problem::Problem;
use crate::domain::invalid::{Fault, Invalid};
use crate::lifecycle::{KeyListInput, Page, Refusal};

/// The query of `GET …/keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyListQuery {
    limit: Option<String>,
    cursor: Option<String>,
    sort: Option<String>,
    status: Option<String>,
    name: Option<String>,
    member: Option<String>,
    team: Option<String>,
    access: Option<String>,
    api: Option<String>,
    environment: Option<String>,
    last_used_before: Option<String>,
    expires_before: Option<String>,
    rotation_due: Option<String>,
    external_id: Option<String>,
}

impl KeyListQuery {
    /// Filters and order, and which page of them, times and booleans read.
    pub fn into_input(self) -> Result<(KeyListInput, Page), Problem> {
        let page = page(self.limit.as_deref(), self.cursor)?;
        let at = |field: &'static str, text: Option<String>| text.map(|text| instant(field, &text)).transpose();
        let read = || {
            Ok(KeyListInput {
                status: self.status,
                name: self.name,
                member: self.member,
                team: self.team,
                access: self.access,
                api: self.api,
                environment: self.environment,
                last_used_before: at("last_used_before", self.last_used_before)?,
                expires_before: at("expires_before", self.expires_before)?,
                rotation_due: self.rotation_due.as_deref().map(rotation_due).transpose()?,
                external_id: self.external_id,
                sort: self.sort,
            })
        };
        let input = read().map_err(|invalid| Problem::of_query(Refusal::Invalid(invalid)))?;
        Ok((input, page))
    }
}

fn rotation_due(text: &str) -> Result<bool, Invalid> {
    text.parse().map_err(|_| Invalid::new("rotation_due", Fault::BadFormat, "must be true or false"))
}
