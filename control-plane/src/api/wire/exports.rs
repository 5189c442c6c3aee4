//! Exports of the audit log as they are asked for and answered.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::audit::FilterQuery;
use super::{reasoned, schema};
use crate::api::problem::{Code, Problem};
use crate::domain::audit::export::Format;
use crate::domain::invalid::{Fault, Invalid};
use crate::lifecycle::MailExport as Verb;

/// What the file is to be.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FormatQuery {
    /// `csv`: a row an event (RFC 4180). `jsonl`: a JSON object a line.
    #[param(value_type = Format, required = true)]
    format: Option<String>,
}

impl FormatQuery {
    /// The format.
    pub fn into_format(self) -> Result<Format, Problem> {
        let refuse = || Problem::new(Code::BadParameter).field("format").detail(expected());
        self.format.as_deref().and_then(Format::parse).ok_or_else(refuse)
    }
}

fn expected() -> String {
    format!("expected {}", Format::ALL.map(Format::as_str).join(" or "))
}

/// The body of `POST /v1/audit/export`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailExport {
    /// To whom it goes. A member's goes to a member of the workspace.
    #[schema(value_type = schema::Email)]
    pub email: String,
    /// How it is written.
    #[schema(value_type = Format)]
    pub format: String,
    /// Which events are asked for.
    #[serde(default)]
    pub filter: FilterQuery,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

reasoned!(MailExport);

impl MailExport {
    /// The verb, each value judged but for the address.
    pub fn into_verb(self) -> Result<Verb, Invalid> {
        let refuse = || Invalid::new("format", Fault::BadFormat, expected());
        let format = Format::parse(&self.format).ok_or_else(refuse)?;
        let within = |invalid: Invalid| Invalid { field: format!("filter.{}", invalid.field), ..invalid };
        Ok(Verb { email: self.email, format, filter: self.filter.judged().map_err(within)? })
    }
}

/// An export that goes by mail.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailedBody<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// The first generation that carries it.
    pub generation: u64,
}
