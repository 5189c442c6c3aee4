//! Keys that are brought, a line each.

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![]
}
