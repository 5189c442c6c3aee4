//! Members, teams and roles, and what becomes of keys at the edge.

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![]
}
