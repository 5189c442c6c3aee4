//! Exports of the audit log as they are asked for and answered.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::problem::{Code, Problem};
use crate::domain::audit::export::Format;

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
        let words = Format::ALL.map(Format::as_str).join(" or ");
        let refuse = || Problem::new(Code::BadParameter).field("format").detail(format!("expected {words}"));
        self.format.as_deref().and_then(Format::parse).ok_or_else(refuse)
    }
}
