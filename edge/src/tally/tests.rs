//! When reports are sent, and that they say what was counted, once.

use keyward_shared::api_key::ApiKey;
use keyward_shared::decision::{Grant, Reason, Refusal};
use keyward_shared::fingerprint::{Digest, Fingerprint, Pepper};
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::Access;
use keyward_shared::record::Slot;
use keyward_shared::report::{Envelope, MAX_USAGE, OtherUsage, Report, Usage};

use super::*;

const NOW: u64 = 1_700_000_000_000;

fn order(generation: u64) -> HeadOrder {
    HeadOrder { epoch: 1, generation, issued_at: NOW }
}

/// The fingerprint of the secret with this number.
pub(super) fn fingerprint(number: u32) -> Fingerprint {
    let key = ApiKey::parse(&format!("{number:032}")).expect("a key");
    Pepper::new([7; 32]).fingerprint(&Digest::of(&key))
}

fn prefix(number: u32) -> [u8; 8] {
    fingerprint(number).as_bytes()[..8].try_into().expect("eight bytes")
}

/// A call that is allowed.
fn allowed(number: u32, slot: Slot) -> Judged {
    let grant = Grant {
        key: KeyId::from_u64(number.into()),
        workspace: WorkspaceId::from_u64(1),
        member: MemberId::from_u64(1),
        access: Access::ReadOnly,
        slot,
    };
    Judged { decision: Decision::Allow(grant), fingerprint: Some(fingerprint(number)), slot: Some(slot) }
}

/// A call that is refused, with a secret that the replica knows, or none.
fn refused(secret: Option<(u32, Slot)>, refusal: Refusal) -> Judged {
    Judged {
        decision: Decision::Deny(refusal),
        fingerprint: secret.map(|(number, _)| fingerprint(number)),
        slot: secret.map(|(_, slot)| slot),
    }
}

/// Twice as many secrets as are told one by one.
const TOO_MANY: u32 = 8_192;
const DISABLED: Refusal = Refusal::Unauthorized(Reason::Disabled);
const UNKNOWN: Refusal = Refusal::Unauthorized(Reason::Unknown);

/// A tally whose isolate has had its first head.
fn tally() -> Tally {
    let mut tally = Tally::new(NOW);
    tally.note_applied(order(1), false, NOW);
    tally
}

fn taken(tally: &mut Tally, now: u64) -> Option<Body> {
    let standing = Standing {
        lanes: Lanes { kv: false, http: true },
        state: State::Fresh,
        peppers: Vec::new(),
        held: Some(order(1)),
    };
    let body = tally.take(standing, false, now).expect("within bounds")?.to_vec();
    let empty = Body::default();
    let mut encoded = Vec::new();
    empty.encode(&mut encoded).expect("within bounds");
    let mut bytes = Report { envelope: Envelope::default(), body: empty }.encode().expect("within bounds");
    bytes.truncate(bytes.len() - encoded.len());
    bytes.extend(body);
    Some(Report::decode(&bytes).expect("a report").body)
}

#[test]
fn an_isolate_without_a_head_says_nothing() {
    let mut tally = Tally::new(NOW);
    tally.note(Counter::HeadRefused);
    assert!(!tally.is_due(NOW + 3_600_000) && taken(&mut tally, NOW).is_none());
}

#[test]
fn what_was_counted_is_told_once() {
    let mut tally = tally();
    tally.note(Counter::Public);
    tally.note(Counter::Public);
    tally.count(&refused(None, Refusal::BadPath), 3, NOW);
    let first = taken(&mut tally, NOW + 5).expect("news");
    let bad_path = Counter::Refused(RefusalKind::of(Refusal::BadPath));
    assert_eq!(first.counters, [(Counter::Public, 2), (bad_path, 1)]);
    assert_eq!(first.applied, [Applied { epoch: 1, generation: 1, at: NOW }]);
    assert_eq!((first.since, first.until), (NOW, NOW + 5));
    tally.sent(true, NOW + 6, 0);
    assert!(!tally.is_due(NOW + 3_600_000), "nothing is new");
    tally.note(Counter::Public);
    assert!(!tally.is_due(NOW + 10_005) && tally.is_due(NOW + 10_006));
    let second = taken(&mut tally, NOW + 10_006).expect("news");
    assert_eq!((second.counters, second.applied), (vec![(Counter::Public, 1)], Vec::new()));
    assert_eq!(second.since, NOW + 5);
}

#[test]
fn whoever_waits_hears_of_it_at_once_but_not_more_often_than_each_second() {
    let mut tally = tally();
    taken(&mut tally, NOW).expect("news");
    tally.sent(true, NOW, 0);
    tally.note_applied(order(2), true, NOW + 200);
    assert!(!tally.is_due(NOW + 999) && tally.is_due(NOW + 1_000));
    let told = taken(&mut tally, NOW + 1_000).expect("news");
    assert_eq!(told.applied, [Applied { epoch: 1, generation: 2, at: NOW + 200 }]);
}

#[test]
fn the_same_generation_signed_again_is_no_news() {
    let mut tally = tally();
    taken(&mut tally, NOW).expect("news");
    tally.sent(true, NOW, 0);
    tally.note_applied(HeadOrder { issued_at: NOW + 1, ..order(1) }, true, NOW + 1);
    assert!(!tally.is_due(NOW + 3_600_000));
}

#[test]
fn a_report_that_was_cut_off_or_did_not_arrive_is_sent_again_ever_more_seldom() {
    let mut tally = tally();
    taken(&mut tally, NOW).expect("news");
    assert!(!tally.is_due(NOW + 9_999) && tally.is_due(NOW + 10_000), "cut off without a word");
    let mut pauses = Vec::new();
    let mut now = NOW + 10_000;
    for _ in 0..8 {
        let standing = Standing { lanes: Lanes::default(), state: State::Stale, peppers: Vec::new(), held: None };
        assert_eq!(tally.take(standing, true, now), Ok(Some(&[][..])), "the same report again");
        tally.sent(false, now, 999);
        let pause = (0..=MAX_BACKOFF_MS).find(|pause| tally.is_due(now + pause)).expect("sent again");
        pauses.push(pause);
        now += pause;
    }
    assert!(pauses.is_sorted() && pauses.iter().all(|pause| (5_000..=60_000).contains(pause)), "{pauses:?}");
    tally.sent(true, now, 0);
    assert!(!tally.is_due(now + 3_600_000));
}

#[test]
fn what_is_counted_while_nothing_arrives_is_bounded_and_kept() {
    let mut tally = tally();
    for generation in 2..1_000 {
        tally.note_applied(order(generation), false, NOW + generation);
    }
    tally.counters[Counter::Allowed.index()] = u32::MAX;
    tally.note(Counter::Allowed);
    let told = taken(&mut tally, NOW + 5_000).expect("news");
    assert_eq!(told.applied.len(), MAX_APPLIED);
    assert_eq!(told.applied.last().map(|applied| applied.generation), Some(999));
    assert_eq!(told.counters, [(Counter::Allowed, u32::MAX)]);
}

#[test]
fn a_head_that_is_waited_for_while_a_report_is_under_way_is_told_a_second_after_it() {
    let mut tally = tally();
    taken(&mut tally, NOW).expect("news");
    tally.note_applied(order(2), true, NOW + 10);
    tally.sent(true, NOW + 20, 0);
    assert!(!tally.is_due(NOW + 1_019) && tally.is_due(NOW + 1_020));
}

#[test]
fn a_head_that_was_applied_but_not_told_is_urgent_once_somebody_waits_for_it() {
    let mut tally = tally();
    taken(&mut tally, NOW).expect("news");
    tally.sent(true, NOW, 0);
    tally.note_applied(order(2), false, NOW + 3_000);
    assert!(!tally.is_due(NOW + 3_000));
    tally.note_applied(HeadOrder { issued_at: NOW + 1, ..order(2) }, true, NOW + 3_500);
    assert!(tally.is_due(NOW + 3_500));
}

#[test]
fn every_call_is_told_by_secret_and_outcome() {
    let mut tally = tally();
    tally.count(&allowed(1, Slot::Current), 1, NOW + 1);
    tally.count(&allowed(1, Slot::Current), 2, NOW + 2);
    tally.count(&refused(Some((1, Slot::Current)), Refusal::ReadOnlyKey), 3, NOW + 3);
    tally.count(&allowed(2, Slot::Retiring), 4, NOW + 4);
    tally.count(&refused(Some((3, Slot::Current)), DISABLED), 5, NOW + 5);
    tally.count(&refused(Some((3, Slot::Current)), DISABLED), 6, NOW + 6);
    let stranger = Judged { fingerprint: Some(fingerprint(4)), ..refused(None, UNKNOWN) };
    tally.count(&stranger, 7, NOW + 7);
    tally.count(&refused(None, Refusal::BadPath), 8, NOW + 8);
    let mut told = taken(&mut tally, NOW + 10).expect("news");
    told.usage.sort_unstable_by_key(|usage| usage.last_ago);
    let expected = [
        Usage {
            fingerprint: prefix(3),
            retiring: false,
            refused_by_status: true,
            calls: 0,
            refused: 2,
            last_ago: 4,
            first_denied_ago: Some(5),
        },
        Usage {
            fingerprint: prefix(2),
            retiring: true,
            refused_by_status: false,
            calls: 1,
            refused: 0,
            last_ago: 6,
            first_denied_ago: None,
        },
        Usage {
            fingerprint: prefix(1),
            retiring: false,
            refused_by_status: false,
            calls: 2,
            refused: 1,
            // Of the last that was allowed.
            last_ago: 8,
            first_denied_ago: None,
        },
    ];
    assert_eq!(told.usage, expected);
    assert_eq!(told.others, OtherUsage::default());
    let hitters: Vec<_> = told.hitters.iter().map(|hitter| (hitter.fingerprint, hitter.count, hitter.last)).collect();
    assert_eq!(hitters, [(fingerprint(1), 1, 3), (fingerprint(3), 2, 6), (fingerprint(4), 1, 7)]);
    let samples: Vec<_> =
        told.samples.iter().map(|sample| (sample.ordinal, sample.refusal.as_str(), sample.fingerprint)).collect();
    assert_eq!(
        samples,
        [
            (3, "read_only_key", Some(fingerprint(1))),
            (5, "disabled", Some(fingerprint(3))),
            (6, "disabled", Some(fingerprint(3))),
            (7, "unknown", Some(fingerprint(4))),
            (8, "bad_path", None),
        ]
    );
    tally.sent(true, NOW + 10, 0);
    tally.note(Counter::Public);
    let then = taken(&mut tally, NOW + 20_000).expect("news");
    assert!(then.usage.is_empty() && then.hitters.is_empty() && then.samples.is_empty(), "told twice: {then:?}");
}

#[test]
fn the_first_call_that_decides_something_is_told_at_once_and_only_the_first() {
    for (number, judged) in [(1, allowed(1, Slot::Retiring)), (2, refused(Some((2, Slot::Current)), DISABLED))] {
        let mut tally = tally();
        taken(&mut tally, NOW).expect("news");
        tally.sent(true, NOW, 0);
        tally.count(&allowed(number, Slot::Current), 1, NOW + 100);
        assert!(!tally.is_due(NOW + 9_999), "an ordinary call can wait");
        tally.count(&judged, 2, NOW + 200);
        assert!(!tally.is_due(NOW + 999) && tally.is_due(NOW + 1_000));
        taken(&mut tally, NOW + 1_000).expect("news");
        tally.sent(true, NOW + 1_000, 0);
        tally.count(&judged, 3, NOW + 1_500);
        assert!(!tally.is_due(NOW + 10_999) && tally.is_due(NOW + 11_000));
    }
}

#[test]
fn many_retiring_secrets_in_use_hurry_one_report_in_each_interval() {
    let mut tally = tally();
    let mut reports = 0;
    for (calls, at) in (0..).zip((NOW..NOW + 60_000).step_by(20)) {
        tally.count(&allowed(calls % 100, Slot::Retiring), calls, at);
        if tally.is_due(at) {
            taken(&mut tally, at).expect("news");
            tally.sent(true, at, 0);
            reports += 1;
        }
    }
    assert!((6..=12).contains(&reports), "{reports} in a minute");
}

#[test]
fn whoever_waits_is_told_each_second_whatever_was_hurried() {
    let mut tally = tally();
    taken(&mut tally, NOW).expect("news");
    tally.sent(true, NOW, 0);
    for (number, at) in (1..).zip((NOW + 1_000..NOW + 9_000).step_by(1_000)) {
        tally.count(&allowed(number, Slot::Retiring), number, at);
        tally.note_applied(order(u64::from(number) + 1), true, at);
        assert!(tally.is_due(at));
        taken(&mut tally, at).expect("news");
        tally.sent(true, at, 0);
    }
}

#[test]
fn one_waits_for_the_time_of_a_report_and_another_for_an_earlier_one() {
    let mut tally = tally();
    assert!(tally.is_wanting(NOW) && tally.await_due(NOW).is_some_and(|pause| pause == 0), "at once");
    taken(&mut tally, NOW).expect("news");
    tally.count(&allowed(1, Slot::Current), 1, NOW + 50);
    assert!(!tally.is_wanting(NOW + 50) && tally.await_due(NOW + 50).is_none(), "one is under way");
    tally.sent(true, NOW + 100, 0);
    assert!(tally.is_wanting(NOW + 200) && !tally.is_due(NOW + 200));
    assert_eq!(tally.await_due(NOW + 200), Some(9_900));
    tally.count(&allowed(2, Slot::Current), 2, NOW + 300);
    assert!(!tally.is_wanting(NOW + 300) && tally.await_due(NOW + 300).is_none(), "somebody waits");
    tally.count(&allowed(3, Slot::Retiring), 3, NOW + 400);
    assert!(tally.is_wanting(NOW + 400));
    assert_eq!(tally.await_due(NOW + 400), Some(700));
    assert!(!tally.is_wanting(NOW + 500));
    // Who waited was cut off: whoever comes next sends it.
    assert!(tally.is_wanting(NOW + 1_100) && tally.is_due(NOW + 1_100));
    taken(&mut tally, NOW + 1_100).expect("news");
    tally.sent(true, NOW + 1_100, 0);
    assert!(!tally.is_wanting(NOW + 1_200), "there is nothing to say");
    tally.count(&allowed(1, Slot::Current), 4, NOW + 1_300);
    assert_eq!(tally.await_due(NOW + 1_300), Some(9_800));
}

#[test]
fn nobody_waits_longer_than_an_interval() {
    let mut tally = tally();
    let mut now = NOW;
    for _ in 0..5 {
        taken(&mut tally, now).expect("news");
        tally.sent(false, now, 999);
        tally.note(Counter::Public);
        let pause = (0..=60_000).find(|pause| tally.is_due(now + pause)).expect("sent again");
        if pause > 10_000 {
            assert!(!tally.is_wanting(now) && tally.await_due(now).is_none());
            now += pause - 10_000;
        }
        let left = tally.await_due(now).expect("somebody waits");
        assert!(left <= 10_000);
        now += left;
    }
    assert!(now - NOW > 60_000);
}

#[test]
fn a_clock_that_is_set_back_holds_no_report_up() {
    let back = NOW - 600_000;
    let mut tally = tally();
    taken(&mut tally, NOW).expect("news");
    assert!(tally.is_due(back), "one that was under way");
    tally.sent(true, NOW, 0);
    tally.count(&allowed(1, Slot::Current), 1, back);
    assert_eq!(tally.await_due(NOW), Some(10_000));
    assert!(tally.is_due(back) && tally.is_wanting(back));
    let told = taken(&mut tally, back).expect("news");
    assert_eq!((told.since, told.until, told.usage[0].last_ago), (back, back, 0));
}

#[test]
fn strangers_leave_room_for_the_refusals_of_those_that_are_known() {
    let mut tally = tally();
    let strangers = 600;
    for number in 0..strangers {
        let stranger = Judged { fingerprint: Some(fingerprint(10_000 + number)), ..refused(None, UNKNOWN) };
        tally.count(&stranger, number, NOW);
    }
    tally.count(&refused(Some((1, Slot::Current)), Refusal::Restricted), strangers, NOW);
    for number in 0..strangers {
        let stranger = Judged { fingerprint: Some(fingerprint(20_000 + number)), ..refused(None, UNKNOWN) };
        tally.count(&stranger, strangers + 1 + number, NOW);
    }
    let told = taken(&mut tally, NOW + 10).expect("news");
    let known: Vec<_> = told.samples.iter().filter(|sample| sample.refusal.as_str() == "restricted").collect();
    assert_eq!(known.iter().map(|sample| sample.ordinal).collect::<Vec<_>>(), [strangers]);
    assert!(told.samples.iter().any(|sample| sample.ordinal == 2 * strangers), "the newest stranger is there too");
}

#[test]
fn nothing_is_urgent_while_reports_do_not_arrive() {
    let mut tally = tally();
    taken(&mut tally, NOW).expect("news");
    tally.sent(false, NOW, 999);
    tally.count(&allowed(1, Slot::Retiring), 1, NOW + 1);
    tally.note_applied(order(2), true, NOW + 2);
    assert!(!tally.is_due(NOW + 9_000));
}

#[test]
fn a_report_is_never_larger_than_its_reader_takes() {
    let mut tally = tally();
    for number in 0..TOO_MANY {
        tally.count(&allowed(number, Slot::Retiring), number, NOW);
        tally.count(&refused(Some((number, Slot::Retiring)), DISABLED), u32::MAX - number, NOW);
    }
    for generation in 2..100 {
        tally.note_applied(order(generation), false, NOW);
    }
    // Long after, for the sake of long numbers.
    let told = taken(&mut tally, NOW + 10_000_000_000).expect("a report that is read");
    assert_eq!((told.usage.len(), 2 * MAX_USAGE), (MAX_USAGE, TOO_MANY as usize));
    let (calls, refused) = (told.usage.iter().map(|usage| u64::from(usage.calls)).sum::<u64>(), told.others.refused);
    assert_eq!((calls, told.others.calls, refused), (4_096, 4_096, 4_096));
    assert_eq!((told.others.secrets, told.others.retiring, told.others.last), (8_192, 8_192, NOW));
}

#[test]
fn to_count_takes_no_memory() {
    let mut tally = tally();
    let judged: Vec<Judged> = (0..TOO_MANY)
        .flat_map(|number| {
            let stranger = Judged { fingerprint: Some(fingerprint(number)), ..refused(None, UNKNOWN) };
            [allowed(number, Slot::Current), refused(Some((number, Slot::Retiring)), DISABLED), stranger]
        })
        .chain([refused(None, Refusal::BadPath)])
        .collect();
    for round in 0..3 {
        let memory = allocation_counter::measure(|| {
            for (ordinal, judged) in (0..).zip(&judged) {
                tally.count(judged, ordinal, NOW);
            }
            for generation in 2..100 {
                tally.note_applied(order(100 * round + generation), true, NOW);
            }
        });
        assert_eq!(memory.count_total, 0, "in round {round}");
        // Nor does what was told before make room be made anew.
        taken(&mut tally, NOW + 20_000 * round).expect("news");
        tally.sent(true, NOW + 20_000 * round, 0);
    }
}
