//! Asking the lanes for a newer head and taking it, with the settings it names.

use core::pin::pin;

use futures_util::future::{Either, OptionFuture, join, select};
use keyward_shared::fingerprint::{Fingerprint, PepperId};
use keyward_shared::report::Counter;
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{
    DecodeError, Head, HeadRefused, MAX_HEAD_BYTES, MAX_OBJECT_BYTES, MAX_SETTINGS_BYTES, ObjectName, Origin,
    decode_settings,
};
use worker::Env;

use super::http_lane::LaneHead;
use super::platform::{self, with_isolate};
use super::{http_lane, kv, objects};
use crate::freshness::Outcome;
use crate::lanes::Lane;
use crate::limits::LOAD_MS;

/// How long a lane may take to answer, in milliseconds.
const LANE_MS: u64 = 5_000;

/// Asks these lanes, which were marked as started.
pub(super) async fn run(env: Env, lanes: Vec<Lane>) {
    // There are two lanes; what takes any number of futures would be a twentieth of the edge's size.
    let refresh = |at: usize| OptionFuture::from(lanes.get(at).map(|lane| refresh_lane(&env, *lane)));
    join(refresh(0), refresh(1)).await;
}

async fn refresh_lane(env: &Env, lane: Lane) {
    let etag = with_isolate(|isolate| isolate.head_etag.clone()).flatten();
    let outcome = match read(env, lane, etag.as_deref()).await {
        // The other lane may have brought a newer head meanwhile, of which this one says nothing.
        Ok(LaneHead::NotModified) => match with_isolate(|isolate| etag.is_some() && isolate.head_etag == etag) {
            Some(true) => Outcome::Confirmed,
            _ => Outcome::Behind,
        },
        Ok(LaneHead::Bytes(bytes)) => return take(env, lane, &bytes).await,
        Ok(LaneHead::None) => {
            worker::console_warn!("keyward: {lane:?} lane: no head has been published yet");
            Outcome::Failed
        }
        Err(error) => {
            worker::console_warn!("keyward: head not read: {error}");
            Outcome::Failed
        }
    };
    finish(lane, outcome);
}

/// Notes what a lane's refresh came to; whoever waits for it goes on.
fn finish(lane: Lane, outcome: Outcome) {
    with_isolate(|isolate| {
        let is_cold = isolate.replica.head().is_none();
        if let Some(freshness) = isolate.lanes.freshness_mut(lane) {
            freshness.finish(outcome, platform::now(), platform::jitter());
            if is_cold {
                freshness.retry_soon(platform::now(), platform::jitter());
            }
        }
    });
}

async fn read(env: &Env, lane: Lane, etag: Option<&str>) -> Result<LaneHead, String> {
    match lane {
        Lane::Kv => match platform::within(LANE_MS, kv::head(env, MAX_HEAD_BYTES)).await {
            Some(Ok(Some(bytes))) => Ok(LaneHead::Bytes(bytes)),
            Some(Ok(None)) => Ok(LaneHead::None),
            Some(Err(error)) => Err(format!("KV: {error}")),
            None => Err("KV: no answer in time".to_owned()),
        },
        Lane::Http => {
            let Some(lane) = with_isolate(|isolate| isolate.http_lane()).flatten() else {
                return Err("no http lane".to_owned());
            };
            http_lane::head(&lane, etag, MAX_HEAD_BYTES, LANE_MS).await.map_err(|error| format!("http lane: {error}"))
        }
    }
}

/// What a look at a head's bytes came to.
enum Looked {
    Done(Outcome),
    /// To be adopted, with these settings where they are the held ones.
    Newer(Box<Head>, Option<Settings>),
}

async fn take(env: &Env, lane: Lane, bytes: &[u8]) {
    let etag = format!("\"{}\"", ObjectName::of(bytes));
    let (head, settings) = match with_isolate(|isolate| look(isolate, lane, bytes, &etag)) {
        Some(Looked::Newer(head, settings)) => (head, settings),
        Some(Looked::Done(outcome)) => return finish(lane, outcome),
        None => return finish(lane, Outcome::Failed),
    };
    if settings.is_some() {
        return finish(lane, adopt(*head, settings, etag));
    }
    let needed = with_isolate(|isolate| isolate.begin_ahead(&head, platform::now())).flatten();
    let settings = load_settings(env, head.settings, head.tree.pepper);
    let ahead = async { load_ahead(env, needed?).await };
    // Nothing waits for what comes ahead but the request that needs it.
    let bytes = match select(pin!(settings), pin!(ahead)).await {
        Either::Left((settings, ahead)) => {
            finish(lane, adopt(*head, settings, etag));
            ahead.await
        }
        Either::Right((bytes, settings)) => {
            finish(lane, adopt(*head, settings.await, etag));
            bytes
        }
    };
    if let Some(needed) = needed
        && let Some(Err(error)) = with_isolate(|isolate| isolate.end_ahead(&needed, bytes))
    {
        worker::console_warn!("keyward: an object loaded ahead is refused: {error}");
    }
}

fn adopt(head: Head, settings: Option<Settings>, etag: String) -> Outcome {
    let Some(settings) = settings else {
        worker::console_warn!("keyward: generation {} not taken: its settings cannot be had", head.generation);
        with_isolate(|isolate| isolate.tally.note(Counter::LoadFailed));
        return Outcome::Failed;
    };
    with_isolate(|isolate| match isolate.replica.adopt(head, settings, platform::now()) {
        Ok(true) => {
            isolate.note_adopted(etag, platform::now());
            Outcome::Confirmed
        }
        // Another request has taken the same head, or a newer one, while the settings were loaded.
        Ok(false) => Outcome::Confirmed,
        Err(_) => Outcome::Behind,
    })
    .unwrap_or(Outcome::Failed)
}

fn look(isolate: &mut crate::isolate::Isolate, lane: Lane, bytes: &[u8], etag: &str) -> Looked {
    if isolate.head_etag.as_deref() == Some(etag) {
        return Looked::Done(Outcome::Confirmed);
    }
    let head = match Head::verify(bytes, &isolate.config.deployment, &isolate.config.trusted) {
        Ok(head) => head,
        Err(error) => {
            worker::console_error!("keyward: {lane:?} lane: head refused: {error}");
            isolate.tally.note(Counter::HeadRefused);
            return Looked::Done(Outcome::Failed);
        }
    };
    match isolate.replica.would_adopt(&head, platform::now()) {
        Ok(true) => {
            let same = isolate
                .replica
                .head()
                .is_some_and(|held| held.settings == head.settings && held.tree.pepper == head.tree.pepper);
            let settings = same.then(|| isolate.replica.settings().clone());
            Looked::Newer(Box::new(head), settings)
        }
        Ok(false) => Looked::Done(Outcome::Behind),
        Err(HeadRefused::Older) => {
            isolate.rollbacks_ignored += 1;
            isolate.tally.note(Counter::RollbackIgnored);
            Looked::Done(Outcome::Behind)
        }
        Err(error) => {
            worker::console_error!("keyward: {lane:?} lane: head refused: {error}");
            isolate.tally.note(Counter::HeadRefused);
            Looked::Done(Outcome::Failed)
        }
    }
}

/// Beside the settings of the first head of all, the object that the waiting request needs first: a cold
/// start reads three times in a row instead of four.
async fn load_ahead(env: &Env, (_, name): (Fingerprint, ObjectName)) -> Option<Vec<u8>> {
    let http = with_isolate(|isolate| isolate.http_lane())?;
    let mut ahead = None;
    let mut take = |bytes: Vec<u8>| {
        let got = ObjectName::of(&bytes);
        if got != name {
            return Err(DecodeError::Name { expected: name, got });
        }
        ahead = Some(bytes);
        Ok(())
    };
    objects::fetch(env, http.as_ref(), name, MAX_OBJECT_BYTES, platform::now() + LOAD_MS, &mut take).await;
    ahead
}

async fn load_settings(env: &Env, name: ObjectName, pepper: PepperId) -> Option<Settings> {
    let (http, deployment) = with_isolate(|isolate| (isolate.http_lane(), isolate.config.deployment.clone()))?;
    let deadline = platform::now() + LANE_MS;
    let mut settings = None;
    let mut take = |bytes: Vec<u8>| {
        let got = ObjectName::of(&bytes);
        if got != name {
            return Err(DecodeError::Name { expected: name, got });
        }
        settings = Some(decode_settings(&bytes, Origin { deployment: &deployment, pepper })?);
        Ok(())
    };
    objects::fetch(env, http.as_ref(), name, MAX_SETTINGS_BYTES, deadline, &mut take).await;
    settings
}
