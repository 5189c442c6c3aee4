//! Refusals about members' tokens as problems.

use crate::api::problem::{Code, Problem};
use crate::lifecycle::refusal::TokenRefusal;

impl From<TokenRefusal> for Problem {
    fn from(refusal: TokenRefusal) -> Self {
        let code = match refusal {
            TokenRefusal::Limit { .. } => Code::TokenLimit,
            TokenRefusal::Wider => Code::Forbidden,
        };
        Self::new(code).detail(refusal.to_string())
    }
}
