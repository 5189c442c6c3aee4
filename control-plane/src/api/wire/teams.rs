//! Teams as JSON.

use keyward_shared::id::TeamId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::page;
use super::{reasoned, schema};
use crate::api::problem::Problem;
use crate::domain::team::Team;
use crate::domain::text::ExternalId;
use crate::domain::time::UnixMillis;
use crate::lifecycle::{Page, TeamListInput};

/// The body of `POST …/teams`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTeam {
    /// The name.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// What another system calls the team.
    #[schema(value_type = Option<schema::ExternalId>)]
    pub external_id: Option<String>,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

/// The body of `PATCH …/teams/{team}`: what is absent stays, `null` clears.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchTeam {
    /// A new name.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::Name)]
    pub name: Option<String>,
    /// Another external id.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::ExternalId>)]
    pub external_id: Option<Option<String>>,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

reasoned!(CreateTeam, PatchTeam);

/// The query of `GET …/teams`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TeamListQuery {
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<String>,
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
    name: Option<String>,
    external_id: Option<String>,
}

impl TeamListQuery {
    /// Filters, and which page of them.
    pub fn into_input(self) -> Result<(TeamListInput, Page), Problem> {
        let page = page(self.limit.as_deref(), self.cursor)?;
        Ok((TeamListInput { name: self.name, external_id: self.external_id }, page))
    }
}

/// A team as it is read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Team)]
pub struct TeamBody<'a> {
    #[schema(value_type = schema::TeamId)]
    id: TeamId,
    name: &'a str,
    #[schema(required)]
    external_id: Option<&'a str>,
    created_at: UnixMillis,
    version: u64,
}

impl<'a> From<&'a Team> for TeamBody<'a> {
    fn from(team: &'a Team) -> Self {
        Self {
            id: team.id,
            name: team.name.as_str(),
            external_id: team.external_id.as_ref().map(ExternalId::as_str),
            created_at: team.created_at,
            version: team.version,
        }
    }
}
