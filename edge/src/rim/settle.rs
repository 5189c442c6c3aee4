//! A request that could not be judged at once: it loads, or waits by its own timers, within bounds.

use std::future::Future;

use keyward_shared::decision::Refusal;
use keyward_shared::snapshot::{MAX_OBJECT_BYTES, Need};
use worker::Env;

use super::platform::{self, with_isolate};
use super::{objects, refresh};
use crate::freshness::State;
use crate::isolate::{Lane, Look, Patience, Why};
use crate::limits::{FIRST_HEAD_WAIT_MS, HEAD_WAIT_MS, LOAD_MS};
use crate::request::Asked;
use crate::verdict::{self, Verdict};

/// How often a waiting request looks whether what it waits for has come.
const LOOK_MS: u64 = 5;
/// How long after an object could not be had it is asked for again.
const RETRY_MS: u64 = 100;

/// What became of a request that settled.
pub(super) enum Settled {
    Verdict(Verdict),
    /// More must be known of the request.
    Facts,
}

/// Judges `asked` at `now`, its one time, loading and waiting as needed. `background` lets a refresh
/// go on when the request is done.
pub(super) async fn settle(env: &Env, asked: &Asked<'_>, now: u64, background: impl Fn(RefreshFuture)) -> Settled {
    settle_with(env, asked, now, &background).await
}

/// The same for every caller: each copy of a future as large would be felt in the edge's size.
async fn settle_with(env: &Env, asked: &Asked<'_>, now: u64, background: &dyn Fn(RefreshFuture)) -> Settled {
    if !platform::configure(env) {
        return Settled::Verdict(verdict::refuse(Refusal::NoSnapshot));
    }
    let mut patience = Patience::FULL;
    let mut load_deadline = None;
    loop {
        match with_isolate(|isolate| isolate.look(asked, now, patience)) {
            None => return Settled::Verdict(verdict::refuse(Refusal::NoSnapshot)),
            Some(Look::Done(verdict)) => return Settled::Verdict(verdict),
            Some(Look::Facts) => return Settled::Facts,
            Some(Look::Wait(why)) => {
                match why {
                    Why::Unconfirmed => {
                        patience.confirmation = false;
                        with_isolate(|isolate| isolate.head().is_none().then(|| isolate.await_first_head(asked)));
                    }
                    Why::Refused => {
                        patience.refusal = false;
                        with_isolate(|isolate| isolate.note_doubt(now));
                    }
                }
                wait_for_head(env, background).await;
            }
            Some(Look::Load(need)) => {
                let deadline = *load_deadline.get_or_insert_with(|| platform::now() + LOAD_MS);
                if platform::now() >= deadline {
                    return Settled::Verdict(verdict::refuse(Refusal::ObjectUnavailable));
                }
                load(env, need, deadline).await;
            }
        }
    }
}

/// A refresh, boxed so that a caller can hand it to the platform.
pub(super) type RefreshFuture = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// The refresh of these lanes.
pub(super) fn refresh_of(env: &Env, lanes: Vec<Lane>) -> RefreshFuture {
    Box::pin(refresh::run(env.clone(), lanes))
}

async fn wait_for_head(env: &Env, background: &dyn Fn(RefreshFuture)) {
    let started = platform::now();
    let Some((lanes, before, cold)) = with_isolate(|isolate| {
        (isolate.start_wanted(started), isolate.confirmed_at(started), isolate.state(started) == State::None)
    }) else {
        return;
    };
    if !lanes.is_empty() {
        background(refresh_of(env, lanes));
    }
    let deadline = started + if cold { FIRST_HEAD_WAIT_MS } else { HEAD_WAIT_MS };
    loop {
        platform::pause(LOOK_MS).await;
        let now = platform::now();
        let over =
            with_isolate(|isolate| isolate.confirmed_at(now) != before || !isolate.is_asking(now)).unwrap_or(true);
        if over || now >= deadline {
            return;
        }
    }
}

async fn load(env: &Env, need: Need, deadline: u64) {
    let now = platform::now();
    let Some((mine, http)) = with_isolate(|isolate| (isolate.begin_load(need.name, now), isolate.http_lane())) else {
        return;
    };
    if !mine {
        platform::pause(LOOK_MS).await;
        return;
    }
    let mut insert = |bytes| with_isolate(|isolate| isolate.replica.insert(&need, bytes)).unwrap_or(Ok(()));
    let taken = objects::fetch(env, http.as_ref(), need.name, MAX_OBJECT_BYTES, deadline, &mut insert).await;
    with_isolate(|isolate| isolate.end_load(need.name));
    if !taken {
        // Nothing had it: look again a little later, until the second is over.
        platform::pause(RETRY_MS).await;
    }
}
