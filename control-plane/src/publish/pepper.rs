//! Before heads are made with another pepper: every edge that was heard from lately must have it.
//!
//! An edge without it would take no such head, and judge by the last one until that expires. Must never know how
//! a pepper is replaced.

use keyward_shared::fingerprint::PepperId;
use keyward_shared::snapshot::Head;

use super::error::PublishError;
use super::heads::{HeadSigner, SignedBytes};
use super::source::Shared;
use crate::domain::time::UnixMillis;
use crate::store::publication::RecordedHead;

/// How long an edge counts after it was last heard from, in milliseconds.
const COUNTS_MS: i64 = 24 * 60 * 60 * 1_000;
/// Edges that are named to people.
const NAMED: u32 = 5;

/// Refuses to go on with `pepper` where the head on record was made with another, and an edge does not have it.
/// Until all of them do, the head on record is served.
pub(super) async fn must_be_known(
    shared: &Shared,
    pepper: PepperId,
    recorded: Option<&RecordedHead>,
) -> Result<(), PublishError> {
    let Some((recorded, head)) = recorded.and_then(|recorded| made_with_another(&shared.signer, pepper, recorded))
    else {
        return Ok(());
    };
    let now = shared.now();
    let since = UnixMillis::from_millis(now.as_millis().saturating_sub(COUNTS_MS));
    let edges = shared.store.edges_without(pepper, since, NAMED).await?;
    if edges.all == 0 {
        tracing::info!(%pepper, "every edge heard from in 24 hours has the pepper; heads are made with it from now on");
        return Ok(());
    }
    if shared.head.borrow().is_none() {
        let bytes = SignedBytes::new(recorded.bytes.clone(), recorded.order, head.expires_at, head.tree_generation);
        shared.serve(bytes);
    }
    Err(PublishError::PepperNotEverywhere { pepper, edges })
}

fn made_with_another<'a>(
    signer: &HeadSigner,
    pepper: PepperId,
    recorded: &'a RecordedHead,
) -> Option<(&'a RecordedHead, Head)> {
    let head = signer.read(&recorded.bytes).ok()?;
    (head.tree.pepper != pepper).then_some((recorded, head))
}
