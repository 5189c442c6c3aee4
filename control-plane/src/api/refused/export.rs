//! Refusals about exports of the audit log as problems.

use crate::api::problem::{Code, Problem};
use crate::lifecycle::refusal::ExportRefusal;

impl From<ExportRefusal> for Problem {
    fn from(refusal: ExportRefusal) -> Self {
        let words = refusal.to_string();
        match refusal {
            ExportRefusal::NoNotary | ExportRefusal::Pruned => Self::new(Code::Internal).caused_by(refusal),
            ExportRefusal::Mailed { .. }
            | ExportRefusal::TooMany { .. }
            | ExportRefusal::Running { .. }
            | ExportRefusal::Begun { .. } => Self::new(Code::ExportLimit).detail(words),
            ExportRefusal::Expired => Self::new(Code::ExportExpired).detail(words),
        }
    }
}
