//! The query of a workspace's keys: filters, order, page.

use serde::Deserialize;
use utoipa::IntoParams;

use super::page::page;
use super::{instant, schema};
use crate::api::problem::Problem;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::{Environment, KeyStatus};
use crate::lifecycle::{KeyListInput, Page, Refusal};

/// The query of `GET …/keys`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct KeyListQuery {
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<String>,
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
    #[param(value_type = Option<schema::KeyOrder>)]
    sort: Option<String>,
    #[param(value_type = Option<KeyStatus>)]
    status: Option<String>,
    name: Option<String>,
    #[param(value_type = Option<schema::MemberId>)]
    member: Option<String>,
    #[param(value_type = Option<schema::TeamId>)]
    team: Option<String>,
    #[param(value_type = Option<schema::Access>)]
    access: Option<String>,
    #[param(value_type = Option<schema::ApiName>)]
    api: Option<String>,
    #[param(value_type = Option<Environment>)]
    environment: Option<String>,
    #[param(value_type = Option<schema::Instant>)]
    last_used_before: Option<String>,
    #[param(value_type = Option<schema::Instant>)]
    expires_before: Option<String>,
    #[param(value_type = Option<bool>)]
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
