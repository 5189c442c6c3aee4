//! Whose secret it is, and why a request was judged so.

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![]
}
