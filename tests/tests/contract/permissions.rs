//! Who may do what, over HTTP.

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![]
}
