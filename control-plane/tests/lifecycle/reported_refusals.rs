//! Refusals that edges tell of: samples in a ring, and who is refused most of a day.

use std::collections::BTreeMap;
use std::net::IpAddr;

use keyward_control_plane::domain::time::{UnixDay, UnixMillis};
use keyward_control_plane::store::{EdgeStore as _, Received, RefusalSample, Refused, RefusedBy, RefusedQuery, Who};
use keyward_shared::decision::{Reason, Refusal};
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::report::{
    Body, Envelope, Hitter, Lanes, MAX_ADDRESSES, MAX_HITTERS, RefusalKind, RefusedAddress, Report, Sample, State,
};

use crate::house::House;

fn unknown() -> RefusalKind {
    RefusalKind::of(Refusal::Unauthorized(Reason::Unknown))
}

fn whose(number: u16) -> Fingerprint {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    Fingerprint::from_bytes(bytes)
}

fn hitter(number: u16, count: u32) -> Hitter {
    Hitter { fingerprint: whose(number), refusal: unknown(), count, error: 0, first: 1, last: 1, last_ago: 0 }
}

fn report(house: &House, sequence: u32) -> Report {
    let until = house.now().as_millis().cast_unsigned();
    Report {
        envelope: Envelope {
            instance: [3; 10],
            sequence,
            addresses: vec![RefusedAddress { count: 3, error: 1, address: "192.0.2.1".to_owned() }],
            ..Envelope::default()
        },
        body: Body {
            since: until - 10_000,
            until,
            lanes: Lanes { kv: false, http: true },
            state: State::Fresh,
            software: "0.1.0".to_owned(),
            samples: vec![
                Sample { ordinal: 2 * sequence, refusal: unknown(), fingerprint: Some(whose(1)), ago: 2_000 },
                Sample { ordinal: 2 * sequence + 1, refusal: unknown(), fingerprint: None, ago: 0 },
            ],
            ..Body::default()
        },
    }
}

/// The same as it comes.
fn received(report: &Report) -> Received {
    Received::decode(&report.encode().expect("within bounds")).expect("a report")
}

#[tokio::test]
async fn a_sample_is_found_by_its_request_and_the_oldest_make_room() {
    let house = House::new().await;
    house.store.take_report(&received(&report(&house, 1)), house.now()).await.expect("taken");
    let sample = async |ordinal| house.store.sample([3; 10], ordinal).await.expect("a store");
    let at = |ago: i64| UnixMillis::from_millis(house.now().as_millis() - ago);
    let told = |ago, fingerprint| RefusalSample { at: at(ago), kind: unknown(), fingerprint };
    assert_eq!(sample(2).await, Some(told(2_000, Some(whose(1)))));
    assert_eq!(sample(3).await, Some(told(0, None)));
    assert_eq!((sample(4).await, house.store.sample([4; 10], 2).await.expect("a store")), (None, None));
    // Once around the ring.
    house.rows("UPDATE usage_bound SET strangers = 250001").await;
    house.store.take_report(&received(&report(&house, 2)), house.now()).await.expect("taken");
    assert_eq!((sample(2).await.is_some(), sample(3).await.is_some()), (true, false));
    assert!(sample(4).await.is_some() && sample(5).await.is_some());
    house.pass(7 * 24 * 3600 + 1);
    house.store.forget_edges(house.now()).await.expect("forgotten");
    assert_eq!((sample(2).await, sample(4).await), (None, None));
}

#[tokio::test]
async fn strangers_leave_the_refusals_of_known_keys_their_places() {
    let house = House::new().await;
    let restricted = RefusalKind::of(Refusal::Restricted);
    let mut first = report(&house, 1);
    first.body.samples = vec![Sample { ordinal: 9, refusal: restricted, fingerprint: Some(whose(1)), ago: 0 }];
    house.store.take_report(&received(&first), house.now()).await.expect("taken");
    // Their ring begins anew where the known one's only sample is in its own.
    house.store.take_report(&received(&report(&house, 2)), house.now()).await.expect("taken");
    house.rows("UPDATE usage_bound SET strangers = 250000").await;
    house.store.take_report(&received(&report(&house, 3)), house.now()).await.expect("taken");
    let sample = async |ordinal| house.store.sample([3; 10], ordinal).await.expect("a store");
    assert_eq!(sample(9).await.map(|sample| sample.kind), Some(restricted));
    assert_eq!((sample(4).await, sample(5).await), (None, None), "the oldest strangers made room");
    assert!(sample(6).await.is_some() && sample(7).await.is_some());
}

#[tokio::test]
async fn of_a_day_those_refused_most_are_kept_and_by_how_much_they_may_be_too_high() {
    let house = House::new().await;
    let of = async |number: u16| {
        let sql = format!(
            "SELECT coalesce(sum(count), -1) FROM refusal_hitter WHERE kind = 0 AND who = x'{}'",
            hex::encode(whose(number).as_bytes())
        );
        house.number(&sql).await
    };
    let mut sequence = 0;
    let mut tell = async |hitters: Vec<Hitter>| {
        sequence += 1;
        let mut report = report(&house, sequence);
        report.body.hitters = hitters;
        house.store.take_report(&received(&report), house.now()).await.expect("taken");
    };
    for first in (0..1_024).step_by(64) {
        tell((first..first + 64).map(|number| hitter(number, 5 + u32::from(number == 9) * 100)).collect()).await;
    }
    assert_eq!(house.number("SELECT count(*) FROM refusal_hitter WHERE kind = 0").await, 1_000);
    assert_eq!(of(9).await, 105);
    tell(vec![hitter(9, 1), hitter(5_000, 3)]).await;
    assert_eq!(of(9).await, 106, "who has a place is counted");
    let least = house.number("SELECT count - error FROM refusal_hitter WHERE kind = 0 ORDER BY error DESC").await;
    assert!(of(5_000).await >= 8 && least == 3, "who is new may have had what the least has: {}", of(5_000).await);
    assert_eq!(house.number("SELECT count FROM refusal_hitter WHERE kind = 1").await, 3 * i64::from(sequence));
    assert_eq!(house.number("SELECT error FROM refusal_hitter WHERE kind = 1").await, i64::from(sequence));
    house.pass(31 * 24 * 3600);
    house.store.forget_edges(house.now()).await.expect("forgotten");
    assert_eq!(house.number("SELECT count(*) FROM refusal_hitter").await, 0);
    assert_eq!(house.number("SELECT count(*) FROM refusal_untold").await, 0);
}

/// What an edge counts between two reports: Space-Saving, in as few words as it can be told in.
struct Counted {
    places: usize,
    counts: BTreeMap<u16, (u32, u32)>,
}

impl Counted {
    fn new(places: usize) -> Self {
        Self { places, counts: BTreeMap::new() }
    }

    fn count(&mut self, number: u16) {
        if !self.counts.contains_key(&number) {
            let mut begun = 0;
            if self.counts.len() == self.places {
                let least = self.counts.iter().min_by_key(|(_, (count, _))| *count).map(|(number, _)| *number);
                begun = least.and_then(|least| self.counts.remove(&least)).map_or(0, |(count, _)| count);
            }
            self.counts.insert(number, (begun, begun));
        }
        self.counts.entry(number).and_modify(|(count, _)| *count += 1);
    }
}

/// Numbers that seem to be chance and are the same each time (Knuth's MMIX).
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// The number that a secret or an address was made of.
fn number(refused: &Refused) -> u16 {
    match refused.who {
        Who::Key(fingerprint, kind) => {
            assert_eq!(kind, unknown());
            u16::from_be_bytes(fingerprint.as_bytes()[..2].try_into().expect("two"))
        }
        Who::Address(IpAddr::V4(address)) => u16::from_be_bytes(address.octets()[2..].try_into().expect("two")),
        Who::Address(IpAddr::V6(address)) => panic!("{address}"),
    }
}

/// Everybody who is told of, in their order, and how often anybody was refused beyond that.
async fn most(house: &House, by: RefusedBy, from: UnixDay, to: UnixDay) -> (Vec<Refused>, u64) {
    let (mut all, mut untold) = (Vec::new(), 0);
    loop {
        let after = u32::try_from(all.len()).expect("few");
        let query = RefusedQuery { by, from, to, after, limit: 200 };
        let page = house.store.most_refused(&query).await.expect("a store");
        untold = page.untold.max(untold);
        if page.refused.is_empty() {
            return (all, untold);
        }
        all.extend(page.refused);
    }
}

#[tokio::test]
async fn sums_over_edges_and_days_are_within_their_bounds_whatever_strangers_do() {
    let house = House::new().await;
    let mut truth: [BTreeMap<u16, u64>; 2] = Default::default();
    let first = UnixDay::of(house.now());
    let mut seed = 7;
    for (day, truth) in truth.iter_mut().enumerate() {
        for sequence in 1..=40_u32 {
            for edge in 1..=3_u8 {
                let mut keys = Counted::new(MAX_HITTERS);
                let mut addresses = Counted::new(MAX_ADDRESSES);
                for _ in 0..next(&mut seed) % 400 {
                    // One of them far more often than the others, and some more often than most.
                    let number = (next(&mut seed) % 8_192) >> (next(&mut seed) % 13);
                    let number =
                        if next(&mut seed).is_multiple_of(4) { 0 } else { u16::try_from(number).expect("small") };
                    *truth.entry(number).or_default() += 1;
                    keys.count(number);
                    addresses.count(number);
                }
                let sequence = u32::try_from(day).expect("two") * 100 + sequence;
                let mut report = report(&house, sequence);
                report.envelope.instance = [edge; 10];
                report.body.hitters = keys
                    .counts
                    .iter()
                    .map(|(of, (count, error))| Hitter { error: *error, ..hitter(*of, *count) })
                    .collect();
                let address = |of: u16| format!("10.0.{}.{}", of >> 8, of & 0xff);
                report.envelope.addresses = addresses
                    .counts
                    .iter()
                    .map(|(of, (count, error))| RefusedAddress { count: *count, error: *error, address: address(*of) })
                    .collect();
                house.store.take_report(&received(&report), house.now()).await.expect("taken");
            }
        }
        house.pass(24 * 3600);
    }
    let rows = "SELECT max(kept) FROM (SELECT count(*) AS kept FROM refusal_hitter GROUP BY day, kind)";
    assert_eq!(house.number(rows).await, 1_000, "there is more than has room");
    let of = |days: std::ops::Range<usize>, number: u16| -> u64 {
        truth[days].iter().filter_map(|truth| truth.get(&number)).sum()
    };
    for by in [RefusedBy::Key, RefusedBy::Address] {
        for days in [0..1, 1..2, 0..2] {
            let day = |number: usize| first.plus(i64::try_from(number).expect("small"));
            let (refused, untold) = most(&house, by, day(days.start), day(days.end)).await;
            assert!(refused.is_sorted_by_key(|refused| std::cmp::Reverse(refused.count)));
            assert!(untold > 0 && refused.len() > 900);
            let mut told: BTreeMap<u16, &Refused> = BTreeMap::new();
            for refused in &refused {
                assert!(told.insert(number(refused), refused).is_none(), "twice: {refused:?}");
            }
            for number in 0..8_192 {
                let (count, error) = told.get(&number).map_or((0, 0), |refused| (refused.count, refused.error));
                let truth = of(days.clone(), number);
                assert!(count - error <= truth, "{by:?} {days:?} {number}: {truth} times, not {count} - {error}");
                assert!(truth <= count + untold, "{by:?} {days:?} {number}: {truth} times, not {count} + {untold}");
            }
            // And whoever matters stands out.
            assert_eq!(number(&refused[0]), 0);
            assert!(refused[0].count - refused[0].error > refused[1].count + untold, "{:?}, {untold}", &refused[..2]);
        }
        let (none, untold) = most(&house, by, first.plus(2), first.plus(9)).await;
        assert_eq!((none.len(), untold), (0, 0));
    }
}

#[tokio::test]
async fn whoever_has_no_place_on_a_day_that_is_full_may_have_had_what_the_least_has() {
    let house = House::new().await;
    let today = UnixDay::of(house.now());
    for (sequence, rows) in (1..=16).zip((1..).map(|reports| reports * 63)) {
        let numbers = u16::try_from(rows).expect("small") - 63..u16::try_from(rows).expect("small");
        let mut report = report(&house, sequence);
        // None of them is full: whatever is missing, is missing here.
        report.body.hitters = numbers.map(|number| hitter(number, 5)).collect();
        house.store.take_report(&received(&report), house.now()).await.expect("taken");
        let (refused, untold) = most(&house, RefusedBy::Key, today, today.plus(1)).await;
        assert_eq!((refused.len(), untold), (rows.min(1_000), if rows < 1_000 { 0 } else { 5 }));
    }
}

#[tokio::test]
async fn an_address_is_one_however_it_is_spelled_and_what_is_none_is_not_kept() {
    let house = House::new().await;
    let mut report = report(&house, 1);
    let spelled = ["2001:DB8::1", "2001:db8:0:0::1", "::ffff:192.0.2.7", "192.0.2.7", "a.b", "1:2", "x"];
    report.envelope.addresses =
        spelled.map(|address| RefusedAddress { count: 2, error: 0, address: address.to_owned() }).into_iter().collect();
    house.store.take_report(&received(&report), house.now()).await.expect("taken");
    let today = UnixDay::of(house.now());
    let (refused, untold) = most(&house, RefusedBy::Address, today, today.plus(1)).await;
    let told: Vec<_> = refused.iter().map(|refused| (refused.who, refused.count, refused.error)).collect();
    let address = |text: &str| Who::Address(text.parse().expect("an address"));
    assert_eq!((told, untold), (vec![(address("192.0.2.7"), 4, 0), (address("2001:db8::1"), 4, 0)], 0));
}
