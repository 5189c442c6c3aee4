//! Refused lines of an import as problems.

use crate::api::problem::{Code, Problem};
use crate::lifecycle::refusal::ImportRefusal;

impl From<ImportRefusal> for Problem {
    fn from(refusal: ImportRefusal) -> Self {
        let (code, field) = match refusal {
            ImportRefusal::Ambiguous => (Code::Ambiguous, "external_id"),
            ImportRefusal::SecretDiffers => (Code::SecretDiffers, "secret"),
            ImportRefusal::CheckDigits => (Code::CheckDigits, "secret"),
        };
        Self::new(code).field(field).detail(refusal.to_string())
    }
}
