//! A request that could not be judged at once: it loads, or waits by its own timers, within bounds.

use core::future::Future;
use core::pin::Pin;

use futures_util::future::join;
use keyward_shared::decision::Refusal;
use keyward_shared::report::State;
use keyward_shared::snapshot::{MAX_OBJECT_BYTES, Need};
use worker::Env;

use super::platform::{self, with_isolate};
use super::{objects, refresh, warm};
use crate::isolate::{Isolate, Look, Patience, Why};
use crate::limits::{FIRST_HEAD_WAIT_MS, HEAD_WAIT_MS, LOAD_MS};
use crate::request::{Asked, Facts};
use crate::verdict::{self, Verdict};

/// How often a waiting request looks whether what it waits for has come.
const LOOK_MS: u64 = 5;
/// How long after an object could not be had it is asked for again.
const RETRY_MS: u64 = 100;

/// What goes on when the request is done, boxed so that a caller can hand it to the platform.
pub(super) type Background = Pin<Box<dyn Future<Output = ()>>>;

/// Judges `asked` at `now`, its one time, loading and waiting as needed. `collect` gives the lines of
/// [`Facts::parse`] when they are asked for; `background` lets work go on when the request is done.
/// `ordinal` is the how manieth request of the instance it is.
pub(super) async fn settle(
    env: &Env,
    asked: &Asked<'_>,
    now: u64,
    ordinal: u32,
    collect: &dyn Fn() -> Option<String>,
    background: &dyn Fn(Background),
) -> Verdict {
    if !platform::configure(env) {
        return verdict::refuse(Refusal::NoSnapshot);
    }
    // Who comes this way has not asked what is due before.
    if let Some(work) = due(env) {
        background(work);
    }
    let mut patience = Patience::FULL;
    let mut load_deadline = None;
    let mut lines: Option<String> = None;
    loop {
        let known = Asked { facts: lines.as_deref().map(Facts::parse), ..*asked };
        let look = match with_isolate(|isolate| look(isolate, &known, now, ordinal, patience)) {
            None => return verdict::refuse(Refusal::NoSnapshot),
            Some(Look::Done(verdict)) => return verdict,
            Some(Look::Facts) => {
                lines = collect();
                if lines.is_none() {
                    return Verdict::Number(verdict::internal());
                }
                continue;
            }
            Some(look) => look,
        };
        lines = None;
        match look {
            Look::Wait(why) => {
                match why {
                    Why::Unconfirmed => {
                        patience.confirmation = false;
                        with_isolate(|isolate| isolate.head().is_none().then(|| isolate.await_first_head(asked)));
                    }
                    Why::Refused => {
                        patience.refusal = false;
                        with_isolate(|isolate| isolate.lanes.note_doubt(now));
                    }
                }
                wait_for_head(env, background).await;
            }
            Look::Load(need) => {
                let deadline = *load_deadline.get_or_insert_with(|| platform::now() + LOAD_MS);
                if platform::now() >= deadline {
                    with_isolate(|isolate| isolate.count_unavailable(ordinal, now));
                    return verdict::refuse(Refusal::ObjectUnavailable);
                }
                load(env, need, deadline).await;
            }
            Look::Done(_) | Look::Facts => {}
        }
    }
}

/// Looks, and counts a verdict, which is the last.
fn look(isolate: &mut Isolate, asked: &Asked<'_>, now: u64, ordinal: u32, patience: Patience) -> Look {
    let look = isolate.look(asked, now, patience);
    if matches!(look, Look::Done(_)) {
        isolate.count_answered(ordinal, now);
    }
    look
}

/// What is due in the background, marked as started: asking lanes, warming the next tree.
pub(super) fn due(env: &Env) -> Option<Background> {
    let now = platform::now();
    let (lanes, warms) = with_isolate(|isolate| (isolate.lanes.start_due(now), isolate.start_warming(now)))?;
    if lanes.is_empty() && !warms {
        return None;
    }
    let env = env.clone();
    Some(Box::pin(async move {
        if warms {
            join(refresh::run(env.clone(), lanes), warm::run(env)).await;
        } else {
            refresh::run(env, lanes).await;
        }
    }))
}

async fn wait_for_head(env: &Env, background: &dyn Fn(Background)) {
    let started = platform::now();
    let Some((lanes, before, cold)) = with_isolate(|isolate| {
        (
            isolate.lanes.start_wanted(started),
            isolate.lanes.confirmed_at(started),
            isolate.state(started) == State::None,
        )
    }) else {
        return;
    };
    if !lanes.is_empty() {
        background(Box::pin(refresh::run(env.clone(), lanes)));
    }
    let deadline = started + if cold { FIRST_HEAD_WAIT_MS } else { HEAD_WAIT_MS };
    loop {
        platform::pause(LOOK_MS).await;
        let now = platform::now();
        let over = with_isolate(|isolate| isolate.lanes.confirmed_at(now) != before || !isolate.lanes.is_asking(now))
            .unwrap_or(true);
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
