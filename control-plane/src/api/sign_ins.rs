//! Tries to sign in that are refused, on their way to the audit log.
//!
//! Strangers cause them, so they are counted: an address is told once a minute at most and
//! [`EVENTS_A_MINUTE`] are in all, and what was not told is told with the next minute's. A refusal waits for
//! nothing and depends on nothing here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::time::UnixMillis;
use crate::lifecycle::{Lifecycle, RefusedSignIns};

/// Events of a minute, whoever knocks.
const EVENTS_A_MINUTE: usize = 60;
/// Addresses that are told apart; those beyond are counted together.
const ADDRESSES: usize = 4_096;
/// Milliseconds of a minute.
const MINUTE: i64 = 60_000;

/// Counts them. Cheap to clone: clones count together.
#[derive(Clone, Default)]
pub struct SignIns(Arc<Mutex<Counts>>);

impl SignIns {
    /// Counts a try that is refused now, and tells of it in a task of its own unless it is to wait.
    pub(super) fn refused(&self, lifecycle: &Lifecycle, now: UnixMillis, ip: Option<IpAddr>, request_id: &str) {
        let told = self.with(|counts| counts.refused(now, ip));
        if let Some(refused) = told {
            let (lifecycle, refused) =
                (lifecycle.clone(), RefusedSignIns { request_id: request_id.to_owned(), ..refused });
            tokio::spawn(async move { tell(&lifecycle, vec![refused], now).await });
        }
    }

    /// Tells each minute what waits, for ever.
    pub async fn run(self, lifecycle: Lifecycle, clock: Arc<dyn Clock>) {
        loop {
            let into_minute = clock.now().as_millis().rem_euclid(MINUTE);
            tokio::time::sleep(Duration::from_millis((MINUTE - into_minute).unsigned_abs())).await;
            self.tell_waiting(&lifecycle, clock.now()).await;
        }
    }

    /// Tells what waits, as far as this minute takes it.
    pub async fn tell_waiting(&self, lifecycle: &Lifecycle, now: UnixMillis) {
        tell(lifecycle, self.with(|counts| counts.waiting(now)), now).await;
    }

    fn with<T>(&self, step: impl FnOnce(&mut Counts) -> T) -> T {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn tell(lifecycle: &Lifecycle, refused: Vec<RefusedSignIns>, now: UnixMillis) {
    let failures: u64 = refused.iter().map(|refused| refused.failures).sum();
    if let Err(error) = lifecycle.refused_sign_ins(refused, now).await {
        tracing::error!(%error, failures, "the audit log does not hear of refused sign-ins");
    }
}

/// What an address has tried.
#[derive(Debug, Default)]
struct Tried {
    /// Tries that wait to be told, and when the first was.
    waiting: Option<(u64, UnixMillis)>,
    /// The minute in which it was told last.
    told_in: Option<i64>,
}

#[derive(Debug, Default)]
struct Counts {
    minute: i64,
    /// Events of this minute.
    told: usize,
    tried: HashMap<Option<IpAddr>, Tried>,
}

impl Counts {
    fn refused(&mut self, now: UnixMillis, ip: Option<IpAddr>) -> Option<RefusedSignIns> {
        self.turn_to(now);
        let is_kept = self.tried.contains_key(&ip) || self.tried.len() < ADDRESSES;
        let ip = ip.filter(|_| is_kept);
        let (failures, _) = self.tried.entry(ip).or_default().waiting.get_or_insert((0, now));
        *failures += 1;
        self.take(ip)
    }

    fn waiting(&mut self, now: UnixMillis) -> Vec<RefusedSignIns> {
        self.turn_to(now);
        let mut waiting: Vec<_> = self.tried.iter().filter_map(|(ip, tried)| Some((tried.waiting?.1, *ip))).collect();
        waiting.sort_unstable();
        waiting.into_iter().filter_map(|(_, ip)| self.take(ip)).collect()
    }

    /// What waits of an address, where it may be told now.
    fn take(&mut self, ip: Option<IpAddr>) -> Option<RefusedSignIns> {
        let tried = self.tried.get_mut(&ip)?;
        if self.told >= EVENTS_A_MINUTE || tried.told_in == Some(self.minute) {
            return None;
        }
        let (failures, since) = tried.waiting.take()?;
        tried.told_in = Some(self.minute);
        self.told += 1;
        Some(RefusedSignIns { ip, failures, since, request_id: String::new() })
    }

    fn turn_to(&mut self, now: UnixMillis) {
        let minute = now.as_millis().div_euclid(MINUTE);
        if minute != self.minute {
            self.minute = minute;
            self.told = 0;
            self.tried.retain(|_, tried| tried.waiting.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const START: i64 = 1_800_000_000_000;

    fn at(seconds: i64) -> UnixMillis {
        UnixMillis::from_millis(START + seconds * 1_000)
    }

    fn address(number: u128) -> IpAddr {
        Ipv6Addr::from_bits(number).into()
    }

    #[test]
    fn an_address_is_told_once_a_minute_with_all_that_it_tried() {
        let mut counts = Counts::default();
        let first = counts.refused(at(1), Some(address(1))).expect("told at once");
        assert_eq!((first.ip, first.failures, first.since), (Some(address(1)), 1, at(1)));
        for second in 2..50 {
            assert_eq!(counts.refused(at(second), Some(address(1))), None);
        }
        assert_eq!(counts.waiting(at(59)), [], "not in the same minute");
        let [rest] = counts.waiting(at(60)).try_into().expect("one address");
        assert_eq!((rest.ip, rest.failures, rest.since), (Some(address(1)), 48, at(2)));
        assert_eq!(counts.refused(at(61), Some(address(1))), None, "told in this minute");
        assert!(counts.refused(at(61), Some(address(2))).is_some());
    }

    #[test]
    fn many_addresses_make_no_more_events_and_no_more_memory_and_none_is_lost() {
        const TRIES: u64 = 3 * ADDRESSES as u64;
        let mut counts = Counts::default();
        let mut told: Vec<_> =
            (0..TRIES).filter_map(|number| counts.refused(at(0), Some(address(number.into())))).collect();
        assert_eq!(told.len(), EVENTS_A_MINUTE);
        // One more for those that are not told apart.
        assert_eq!(counts.tried.len(), ADDRESSES + 1);
        for (minute, _) in (1..).zip(0..=ADDRESSES / EVENTS_A_MINUTE) {
            let waiting = counts.waiting(at(60 * minute));
            assert!(waiting.len() <= EVENTS_A_MINUTE);
            told.extend(waiting);
        }
        assert_eq!(told.iter().map(|refused| refused.failures).sum::<u64>(), TRIES);
        assert!(told.iter().any(|refused| refused.ip.is_none() && refused.failures > ADDRESSES as u64));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut counts = Counts::default();
        assert!(counts.refused(at(600), Some(address(1))).is_some());
        assert!(counts.refused(at(0), Some(address(1))).is_some());
    }
}
