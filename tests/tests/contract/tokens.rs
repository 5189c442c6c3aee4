//! Members' tokens, and acting on behalf of a member.

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![]
}
