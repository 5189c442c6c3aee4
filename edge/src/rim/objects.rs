//! Fetching an object by its name: from KV, from KV again past what its cache may hold, then over
//! http. The first source whose bytes pass wins; a fault of one is logged and the next is asked.

use keyward_shared::report::Counter;
use keyward_shared::snapshot::{DecodeError, ObjectName};
use worker::Env;

use super::platform::{self, with_isolate};
use super::{http_lane, kv};
use crate::config::HttpLane;

#[derive(Clone, Copy)]
enum Source {
    Kv { cache_ttl: u32 },
    Http,
}

const SOURCES: [Source; 3] =
    [Source::Kv { cache_ttl: kv::OBJECT_TTL }, Source::Kv { cache_ttl: kv::SHORTEST_TTL }, Source::Http];

/// Fetches `name` until `deadline` and gives its bytes to `take`, which refuses what is not it.
/// Says whether some source's bytes were taken.
pub(super) async fn fetch(
    env: &Env,
    http: Option<&HttpLane>,
    name: ObjectName,
    max: usize,
    deadline: u64,
    take: &mut dyn FnMut(Vec<u8>) -> Result<(), DecodeError>,
) -> bool {
    let mut missed = 0;
    for source in SOURCES {
        let left = deadline.saturating_sub(platform::now());
        if left == 0 {
            break;
        }
        let got = match source {
            Source::Kv { cache_ttl } => {
                let key = name.kv_key();
                match platform::within(left, kv::get(env, &key, cache_ttl, max)).await {
                    // The http lane alone is a choice, and no fault of each object.
                    Some(Err(kv::KvError::NoBinding)) if http.is_some() => continue,
                    Some(got) => got.map_err(|error| error.to_string()),
                    None => Err("KV: no answer in time".to_owned()),
                }
            }
            Source::Http => match http {
                Some(lane) => http_lane::object(lane, &name, max, left).await.map_err(|error| error.to_string()),
                None => continue,
            },
        };
        match got.map(|bytes| bytes.map(&mut *take)) {
            Ok(Some(Ok(()))) => return true,
            Ok(Some(Err(error))) => {
                worker::console_warn!("keyward: object {name} refused: {error}");
                with_isolate(|isolate| isolate.tally.note(Counter::ObjectFetchedAnew));
            }
            Ok(None) => missed += 1,
            Err(error) => worker::console_warn!("keyward: object {name} not had: {error}"),
        }
    }
    if missed > 0 {
        worker::console_warn!("keyward: object {name} is missing: asked for it {missed} times");
    }
    false
}
