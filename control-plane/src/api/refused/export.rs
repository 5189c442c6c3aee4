//! Refusals about exports of the audit log as problems.

use crate::api::problem::{Code, Problem};
use crate::lifecycle::refusal::ExportRefusal;

impl From<ExportRefusal> for Problem {
    fn from(refusal: ExportRefusal) -> Self {
        Self::new(Code::Internal).caused_by(refusal)
    }
}
