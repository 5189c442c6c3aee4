//! The OpenAPI document and its page, read by others.

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![]
}
