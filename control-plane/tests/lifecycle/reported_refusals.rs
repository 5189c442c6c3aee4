//! Refusals that edges tell of: samples in a ring, and who is refused most of a day.

use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::store::{EdgeStore as _, RefusalSample};
use keyward_shared::decision::{Reason, Refusal};
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::report::{
    Body, Envelope, Hitter, Lanes, OtherUsage, RefusalKind, RefusedAddress, Report, Sample, State,
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
            lost: false,
            location: String::new(),
            addresses: vec![RefusedAddress { count: 3, error: 1, address: "192.0.2.1".to_owned() }],
        },
        body: Body {
            since: until - 10_000,
            until,
            lanes: Lanes { kv: false, http: true },
            state: State::Fresh,
            software: "0.1.0".to_owned(),
            peppers: Vec::new(),
            held: None,
            applied: Vec::new(),
            counters: Vec::new(),
            usage: Vec::new(),
            others: OtherUsage::default(),
            hitters: Vec::new(),
            samples: vec![
                Sample { ordinal: 2 * sequence, refusal: unknown(), fingerprint: Some(whose(1)), ago: 2_000 },
                Sample { ordinal: 2 * sequence + 1, refusal: unknown(), fingerprint: None, ago: 0 },
            ],
        },
    }
}

#[tokio::test]
async fn a_sample_is_found_by_its_request_and_the_oldest_make_room() {
    let house = House::new().await;
    house.store.take_report(&report(&house, 1), house.now()).await.expect("taken");
    let sample = async |ordinal| house.store.sample([3; 10], ordinal).await.expect("a store");
    let at = |ago: i64| UnixMillis::from_millis(house.now().as_millis() - ago);
    let told = |ago, fingerprint| RefusalSample { at: at(ago), reason: "unknown".to_owned(), fingerprint };
    assert_eq!(sample(2).await, Some(told(2_000, Some(whose(1)))));
    assert_eq!(sample(3).await, Some(told(0, None)));
    assert_eq!((sample(4).await, house.store.sample([4; 10], 2).await.expect("a store")), (None, None));
    // Once around the ring.
    house.rows("UPDATE usage_bound SET samples = 500001").await;
    house.store.take_report(&report(&house, 2), house.now()).await.expect("taken");
    assert_eq!((sample(2).await.is_some(), sample(3).await.is_some()), (true, false));
    assert!(sample(4).await.is_some() && sample(5).await.is_some());
    house.pass(7 * 24 * 3600 + 1);
    house.store.forget_edges(house.now()).await.expect("forgotten");
    assert_eq!((sample(2).await, sample(4).await), (None, None));
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
        house.store.take_report(&report, house.now()).await.expect("taken");
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
}
