//! Publishers, KV, lanes and edges in one process, on a clock that jumps: the product's publisher and the
//! product's replica and decision, and around them a database, a network and machines that fail as a
//! seed has it. After each verdict, each record and each write it is looked at whether what must always
//! hold does.
//!
//! A seed tells the same story each time. `KEYWARD_SEED=n` tells one, and prints it.
//!
//! i     a verdict is the truth as of the head that is held, deadlines to the millisecond
//! ii    an edge never goes back in the order of heads
//! iii   what cannot be told without an object that is not there is 503
//! iv    nothing passes by a head that has expired
//! v     what a usable head names is in KV
//! vi    what was acknowledged counts everywhere within the bound
//! vii   heads are recorded before they are served, each above the last, an epoch for each holder
//! viii  an edge that was right is never wrong again
//! ix    at most two calls of KV a second

mod bugs;
mod chance;
mod database;
mod edge;
mod edge_src;
mod front;
mod host;
mod isolate;
mod judge;
mod keys;
mod kv;
mod sim;
mod store;
mod story;
mod truth;
mod view;
mod world;

use story::tell;

/// Stories told each time.
const SEEDS: u64 = 200;

#[test]
fn whatever_happens_what_must_always_hold_does() {
    if let Some(seed) = std::env::var("KEYWARD_SEED").ok().and_then(|seed| seed.parse().ok()) {
        let told = tell(seed, None);
        println!("{}", told.lines.join("\n"));
        assert!(told.violation.is_none(), "{:?}", told.violation);
        return;
    }
    let mut verdicts = 0;
    for seed in 0..SEEDS {
        let told = tell(seed, None);
        verdicts += told.verdicts;
        if let Some(violation) = told.violation {
            let last = told.lines.len().saturating_sub(60);
            panic!("KEYWARD_SEED={seed}\n{}\n{violation:?}", told.lines[last..].join("\n"));
        }
    }
    assert!(verdicts > 100 * SEEDS, "{verdicts} verdicts show little");
}
