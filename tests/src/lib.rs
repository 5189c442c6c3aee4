//! The harness: it starts the real control plane, the real edge and an origin that remembers what
//! reached it, asks them over HTTP, and ends them by their own process groups.
//!
//! Must never know how a part works inside: the tests see what a user sees.

pub mod bench;
pub mod cdn;
pub mod clients;
pub mod clock;
pub mod database;
pub mod fake_kv;
pub mod fleet;
pub mod heads;
pub mod hostile;
pub mod kv;
pub mod origin;
mod process;
pub mod raw;
pub mod reports;
mod server;
pub mod stack;
pub mod times;
pub mod workerd;

pub use fake_kv::FakeKv;
pub use fleet::{Fleet, FleetOptions};
pub use stack::{Lanes, Mode, Options, Stack};
pub use times::Times;
pub use workerd::Workerd;
pub use xtask::guard;
pub use xtask::parts::http::{Answer, Client};
