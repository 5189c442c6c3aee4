//! Loading ahead what the next tree will need, in the background and a little at a time.

use futures_util::future::{OptionFuture, join};
use keyward_shared::snapshot::{MAX_OBJECT_BYTES, Need};
use worker::Env;

use super::objects;
use super::platform::{self, with_isolate};
use crate::config::HttpLane;
use crate::limits::{LOAD_MS, MAX_WARMED_AT_ONCE, MAX_WARMED_IN_A_RUN};

/// One run, which was marked as started: at most so many objects, and none after a round that brought
/// nothing. The next run asks beyond those that could not be had.
pub(super) async fn run(env: Env) {
    let mut more = true;
    for _ in 0..MAX_WARMED_IN_A_RUN / MAX_WARMED_AT_ONCE {
        let found = with_isolate(|isolate| (isolate.warming.next(&isolate.replica), isolate.http_lane()));
        let (needs, http) = found.unwrap_or_default();
        let load = |at: usize| OptionFuture::from(needs.get(at).map(|need| load(&env, http.as_ref(), need)));
        let (first, second) = join(load(0), load(1)).await;
        more = first == Some(true) || second == Some(true);
        if !more {
            break;
        }
    }
    with_isolate(|isolate| isolate.warming.finish(platform::now(), more));
}

async fn load(env: &Env, http: Option<&HttpLane>, need: &Need) -> bool {
    let mut insert = |bytes| with_isolate(|isolate| isolate.replica.insert(need, bytes)).unwrap_or(Ok(()));
    let deadline = platform::now() + LOAD_MS;
    let taken = objects::fetch(env, http, need.name, MAX_OBJECT_BYTES, deadline, &mut insert).await;
    if !taken {
        with_isolate(|isolate| isolate.warming.lack(need.name));
    }
    taken
}
