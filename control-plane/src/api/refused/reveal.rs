//! Refusals about showing a secret again as problems.

use crate::api::problem::{Code, Problem};
use crate::lifecycle::refusal::RevealRefusal;

impl From<RevealRefusal> for Problem {
    fn from(refusal: RevealRefusal) -> Self {
        let code = match refusal {
            RevealRefusal::NotKept => Code::NotRevealable,
        };
        Self::new(code).detail(refusal.to_string())
    }
}
