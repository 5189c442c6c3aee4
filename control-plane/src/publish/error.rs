//! Why publishing stops or waits.

use keyward_shared::fingerprint::PepperId;
use keyward_shared::snapshot::{DecodeError, EncodeError, HeadOrder};

use super::kv::KvError;
use crate::lifecycle::last_signed::LastSignedError;
use crate::store::StoreError;
use crate::store::publication::{EdgeWithout, EdgesWithout};

/// What keeps the newest generation from being published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The database does not answer, or answers wrongly.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that edges would refuse to load; publishing it would take them down.
    #[error("refused to publish what edges would refuse to load: {0}")]
    Encode(#[from] EncodeError),
    /// Our own output cannot be read again.
    #[error("our own output cannot be read again: {0}")]
    Unreadable(#[from] DecodeError),
    /// Our own output reads as something else.
    #[error("our own {what} reads as something else than was written")]
    Mismatch {
        /// What was written.
        what: &'static str,
    },
    /// More keys share a prefix than one leaf can hold.
    #[error("the tree cannot be deepened any further")]
    TooDeep,
    /// An object that the head of Workers KV names is not there.
    #[error("Workers KV lacks the object {name} that its head names")]
    ObjectGone {
        /// Its name.
        name: keyward_shared::snapshot::ObjectName,
    },
    /// The clock was set back under the time of the head that was served last.
    #[error("the clock was set back by {behind_ms} ms")]
    ClockSetBack {
        /// By how much it is behind the last head.
        behind_ms: u64,
    },
    /// Edges could not read a head that is made with the pepper that is given.
    #[error(
        "the last head was made with another pepper than {pepper}, and {} do not have this one{}. No head is made \
         with it before all of them have: give it to the edges as KEYWARD_PEPPER_NEXT and deploy them. An edge \
         counts until 24 hours after it was last heard from", heard(edges.all), named(edges)
    )]
    PepperNotEverywhere {
        /// The pepper.
        pepper: PepperId,
        /// The edges.
        edges: EdgesWithout,
    },
    /// Another control plane holds the lease.
    #[error("another control plane has taken over publishing")]
    Superseded,
    /// Workers KV holds a head that this database has never recorded.
    #[error(
        "Workers KV holds a head of epoch {}, generation {}, above everything this database has recorded: \
         it was restored from a backup, or belongs to another deployment. Nothing is published until \
         `keyward raise-epoch` is run",
        .0.epoch, .0.generation
    )]
    AheadOfRecord(HeadOrder),
    /// KV's head says a number that cannot be raised any more.
    #[error(
        "the head of Workers KV says that it is of {what} {number}, which no control plane comes to: whoever signed it \
         has the signing key, and may write to KV. Nothing was changed. Replace the KV token, move secrets/signing-key \
         away, run `keyward init`, start `serve`, which writes over that head, and then deploy the edges with the new \
         KEYWARD_PUBLIC_KEYS"
    )]
    Exhausted {
        /// What is numbered.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// Part of a bulk write was refused; it is written again before the head.
    #[error("Workers KV refused {refused} objects of a bulk write")]
    PartlyRefused {
        /// How many.
        refused: usize,
    },
    /// Workers KV does not answer, or refuses.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// What was signed last of the audit log cannot be read, or not be kept.
    #[error(transparent)]
    LastSigned(#[from] LastSignedError),
}

fn heard(edges: u64) -> String {
    let noun = if edges == 1 { "edge" } else { "edges" };
    format!("{edges} {noun} heard from in the last 24 hours")
}

/// ` (0f… in FRA, 1e…, and others)`, as `GET /v1/edges` names them.
fn named(edges: &EdgesWithout) -> String {
    let name = |edge: &EdgeWithout| match edge.location.as_str() {
        "" => hex::encode(edge.instance),
        location => format!("{} in {location}", hex::encode(edge.instance)),
    };
    let more = if u64::try_from(edges.named.len()).unwrap_or(u64::MAX) < edges.all { ", and others" } else { "" };
    format!(" ({}{more})", edges.named.iter().map(name).collect::<Vec<_>>().join(", "))
}
