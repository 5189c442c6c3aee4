//! What holds while something is broken, and after it was.

mod audit;
mod broken_objects;
mod cold;
mod crash;
mod kv_away;
mod panic;
mod prune;
mod restore;

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    [
        audit::tests(),
        kv_away::tests(),
        crash::tests(),
        cold::tests(),
        restore::tests(),
        broken_objects::tests(),
        panic::tests(),
        prune::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
