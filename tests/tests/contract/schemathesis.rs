//! Requests that are made from the OpenAPI document.

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![]
}
