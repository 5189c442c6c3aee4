//! From committed changes to what edges read: heads, trees, and the store they lie in.
//!
//! ```text
//! outbox ─► recent ─► head ─► http lane, at once
//!    └────► tree ───► objects ─► Workers KV, then the head
//! ```
//!
//! The publisher reads what was committed and writes nothing but what it published: it never changes
//! a key. It may die at any step and be run again; what it serves is recorded before it is served,
//! and what it writes to KV is recorded before it is written. It knows no SQL and no HTTP route.

mod builder;
mod collect;
mod error;
mod growth;
mod heads;
mod history;
mod kv;
mod pace;
mod pepper;
mod raise_epoch;
mod recent;
mod restore;
mod run;
mod source;
mod state;
mod tree;
mod upload;

pub use error::PublishError;
pub use kv::{KvApi, KvClient, KvError};
pub use raise_epoch::{Comparison, Orphan, RaiseEpoch, Raised};
pub use run::{PublishOptions, Publisher, PublisherHandle};
pub use source::{Commits, PublicationStore};
pub use tree::TARGET_RECORDS;
