//! Tries to sign in that are refused, on their way to the audit log.
//!
//! Strangers cause them, so they are counted: an address is told once a minute at most and
//! [`EVENTS_A_MINUTE`] are in all, and what was not told is told with the next minute's. A refusal waits for
//! nothing and depends on nothing here. One IPv6 network of 64 bits is one address: whoever has one address
//! of it has them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::RwLock;
use tokio::task::JoinHandle;

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
pub struct SignIns {
    counts: Arc<Mutex<Counts>>,
    /// Held for reading by whatever is being told.
    telling: Arc<RwLock<()>>,
}

impl SignIns {
    /// Counts a try that is refused now, and tells of it in a task of its own unless it is to wait.
    pub(super) fn refused(&self, lifecycle: &Lifecycle, now: UnixMillis, ip: Option<IpAddr>, request_id: &str) {
        let told = self.with(|counts| counts.refused(now, ip));
        if let Some(refused) = told {
            // Nobody waits for it.
            drop(self.tell(lifecycle, vec![RefusedSignIns { request_id: request_id.to_owned(), ..refused }], now));
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
        let told = self.tell(lifecycle, self.with(|counts| counts.waiting(now)), now);
        if let Err(error) = told.await {
            tracing::error!(%error, "the audit log does not hear of refused sign-ins");
        }
    }

    /// Tells all that waits: what this minute does not take, in one event of all. For the end, when nothing
    /// more is refused.
    pub async fn tell_rest(&self, lifecycle: &Lifecycle, now: UnixMillis) {
        // What could not be told waits again once all that is being told has ended.
        drop(self.telling.write().await);
        self.tell_waiting(lifecycle, now).await;
        let Some(rest) = self.with(Counts::rest) else {
            return;
        };
        let failures = rest.failures;
        if let Err(error) = lifecycle.refused_sign_ins(vec![rest], now).await {
            tracing::error!(%error, failures, "the audit log never hears of these refused sign-ins");
        }
    }

    /// Tells in a task of its own, which goes on when nobody waits for it any more. What cannot be told waits
    /// for the next minute.
    fn tell(&self, lifecycle: &Lifecycle, refused: Vec<RefusedSignIns>, now: UnixMillis) -> JoinHandle<()> {
        let (sign_ins, lifecycle) = (self.clone(), lifecycle.clone());
        let telling = Arc::clone(&self.telling).try_read_owned().ok();
        tokio::spawn(async move {
            if let Err(error) = lifecycle.refused_sign_ins(refused.clone(), now).await {
                let failures: u64 = refused.iter().map(|refused| refused.failures).sum();
                tracing::error!(%error, failures, "the audit log does not hear of refused sign-ins yet");
                sign_ins.with(|counts| counts.put_back(refused));
            }
            drop(telling);
        })
    }

    fn with<T>(&self, step: impl FnOnce(&mut Counts) -> T) -> T {
        step(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is told apart: an IPv4 address, or an IPv6 network of 64 bits.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What waits to be told of an address.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    failures: u64,
    /// When the first was.
    since: UnixMillis,
    /// Where the last came from.
    ip: Option<IpAddr>,
}

/// What an address has tried.
#[derive(Debug, Default)]
struct Tried {
    waiting: Option<Waiting>,
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
        let network = self.add(Waiting { failures: 1, since: now, ip });
        self.take(network)
    }

    /// Has these wait, and says as whose.
    fn add(&mut self, more: Waiting) -> Option<IpAddr> {
        let network = more.ip.map(network);
        let is_kept = self.tried.contains_key(&network) || self.tried.len() < ADDRESSES;
        let (network, ip) = if is_kept { (network, more.ip) } else { (None, None) };
        let waiting = &mut self.tried.entry(network).or_default().waiting;
        *waiting = Some(match *waiting {
            None => Waiting { ip, ..more },
            Some(before) => Waiting {
                failures: before.failures.saturating_add(more.failures),
                since: before.since.min(more.since),
                ip,
            },
        });
        network
    }

    /// Has those wait again that could not be told.
    fn put_back(&mut self, refused: Vec<RefusedSignIns>) {
        for RefusedSignIns { ip, failures, since, .. } in refused {
            self.add(Waiting { failures, since, ip });
        }
    }

    /// All that waits, as one.
    fn rest(&mut self) -> Option<RefusedSignIns> {
        let all = self.tried.values_mut().filter_map(|tried| tried.waiting.take()).reduce(|one, other| Waiting {
            failures: one.failures.saturating_add(other.failures),
            since: one.since.min(other.since),
            ip: one.ip.filter(|_| one.ip == other.ip),
        })?;
        let Waiting { failures, since, ip } = all;
        Some(RefusedSignIns { ip, failures, since, request_id: String::new() })
    }

    fn waiting(&mut self, now: UnixMillis) -> Vec<RefusedSignIns> {
        self.turn_to(now);
        let mut waiting: Vec<_> =
            self.tried.iter().filter_map(|(ip, tried)| Some((tried.waiting?.since, *ip))).collect();
        waiting.sort_unstable();
        waiting.into_iter().filter_map(|(_, ip)| self.take(ip)).collect()
    }

    /// What waits of an address, where it may be told now.
    fn take(&mut self, ip: Option<IpAddr>) -> Option<RefusedSignIns> {
        let tried = self.tried.get_mut(&ip)?;
        if self.told >= EVENTS_A_MINUTE || tried.told_in == Some(self.minute) {
            return None;
        }
        let Waiting { failures, since, ip } = tried.waiting.take()?;
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
    use std::net::Ipv4Addr;

    use super::*;

    const START: i64 = 1_800_000_000_000;

    fn at(seconds: i64) -> UnixMillis {
        UnixMillis::from_millis(START + seconds * 1_000)
    }

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
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
        const TRIES: u32 = 12_288;
        let mut counts = Counts::default();
        let mut told: Vec<_> = (0..TRIES).filter_map(|number| counts.refused(at(0), Some(address(number)))).collect();
        assert_eq!(told.len(), EVENTS_A_MINUTE);
        assert!(TRIES as usize >= 3 * ADDRESSES);
        // One more for those that are not told apart.
        assert_eq!(counts.tried.len(), ADDRESSES + 1);
        for (minute, _) in (1..).zip(0..=ADDRESSES / EVENTS_A_MINUTE) {
            let waiting = counts.waiting(at(60 * minute));
            assert!(waiting.len() <= EVENTS_A_MINUTE);
            told.extend(waiting);
        }
        assert_eq!(told.iter().map(|refused| refused.failures).sum::<u64>(), u64::from(TRIES));
        assert!(told.iter().any(|refused| refused.ip.is_none() && refused.failures > ADDRESSES as u64));
    }

    #[test]
    fn one_network_is_one_address_and_fills_nothing() {
        let within = |number| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, number));
        let mut counts = Counts::default();
        let first = counts.refused(at(0), Some(within(1))).expect("told at once");
        assert_eq!(first.ip, Some(within(1)), "the address itself");
        for number in 2..20_000 {
            assert_eq!(counts.refused(at(1), Some(within(number))), None);
        }
        assert_eq!(counts.tried.len(), 1);
        let [rest] = counts.waiting(at(60)).try_into().expect("one");
        assert_eq!((rest.ip, rest.failures), (Some(within(19_999)), 19_998), "the last of them");
        let other = Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 0);
        assert!(counts.refused(at(61), Some(other.into())).is_some());
        // IPv4 in the dress of IPv6 is not all of one network.
        for number in 1..3 {
            assert!(counts.refused(at(61), Some(Ipv4Addr::from_bits(number).to_ipv6_mapped().into())).is_some());
        }
    }

    #[test]
    fn what_could_not_be_told_waits_again_with_what_came_since() {
        let mut counts = Counts::default();
        let lost = counts.refused(at(1), Some(address(1))).expect("told at once");
        assert_eq!(counts.refused(at(2), Some(address(1))), None);
        counts.put_back(vec![lost]);
        assert_eq!(counts.waiting(at(59)), [], "not in the same minute");
        let [told] = counts.waiting(at(60)).try_into().expect("one address");
        assert_eq!((told.ip, told.failures, told.since), (Some(address(1)), 2, at(1)));
    }

    #[test]
    fn the_rest_is_all_that_no_minute_has_taken() {
        let mut counts = Counts::default();
        let told = (0..100).filter_map(|number| counts.refused(at(0), Some(address(number)))).count();
        assert_eq!(told, EVENTS_A_MINUTE);
        let rest = counts.rest().expect("more than a minute takes");
        assert_eq!((rest.ip, rest.failures), (None, 40));
        assert_eq!(counts.rest(), None);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut counts = Counts::default();
        assert!(counts.refused(at(600), Some(address(1))).is_some());
        assert!(counts.refused(at(0), Some(address(1))).is_some());
    }
}
