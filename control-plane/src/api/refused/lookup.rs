//! Refusals about secrets and requests that somebody wants to know of, as problems.

use crate::api::problem::{Code, Problem};
use crate::lifecycle::refusal::LookupRefusal;

impl From<LookupRefusal> for Problem {
    fn from(refusal: LookupRefusal) -> Self {
        Self::new(Code::NotFound).detail(refusal.to_string())
    }
}
