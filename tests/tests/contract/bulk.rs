//! Many keys at once.

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![]
}
