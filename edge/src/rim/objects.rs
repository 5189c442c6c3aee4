//! Fetching an object by its name: from KV, from KV again past what its cache may hold, then over
//! http. The first source whose bytes pass wins; a fault of one, and that it has none, is logged
//! and counted, and the next is asked.

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
    let mut is_asked = false;
    for source in SOURCES {
        let left = deadline.saturating_sub(platform::now());
        if left == 0 {
            break;
        }
        if is_asked && (http.is_some() || matches!(source, Source::Kv { .. })) {
            with_isolate(|isolate| isolate.tally.note(Counter::ObjectFetchedAnew));
        }
        let (from, got) = match (source, http) {
            (Source::Kv { cache_ttl }, _) => {
                let key = name.kv_key();
                let got = match platform::within(left, kv::get(env, &key, cache_ttl, max)).await {
                    // The http lane alone is a choice, and no fault of each object.
                    Some(Err(kv::KvError::NoBinding)) if http.is_some() => continue,
                    Some(got) => got.map_err(|error| error.to_string()),
                    None => Err("no answer in time".to_owned()),
                };
                ("KV", got)
            }
            (Source::Http, Some(lane)) => {
                let got = http_lane::object(lane, &name, max, left).await;
                ("http", got.map_err(|error| error.to_string()))
            }
            (Source::Http, None) => break,
        };
        is_asked = true;
        let fault = match got.map(|bytes| bytes.map(&mut *take)) {
            Ok(Some(Ok(()))) => return true,
            Ok(Some(Err(error))) => format!("refused: {error}"),
            Ok(None) => "it is not there".to_owned(),
            Err(error) => error,
        };
        worker::console_warn!("keyward: object {name} from {from}: {fault}");
    }
    false
}
