//! Secrets shown again, and as QR codes.

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![]
}
