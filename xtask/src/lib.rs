//! How the project is set up, built, started and checked: what the commands `cargo xtask …` do, and
//! the ways to start the parts that the tests share with them.
//!
//! Must never know what a key is or how a snapshot looks: the parts are built, started and spoken to
//! over HTTP, as a user would.

pub mod bench;
pub mod build;
pub mod checks;
pub mod dev;
pub mod guard;
pub mod parts;
pub mod setup;
pub mod step;
pub mod stop;
pub mod workspace;
