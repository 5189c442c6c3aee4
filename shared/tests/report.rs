//! An edge's report: what was written is read, what was spoiled is an error or what its bytes say, and
//! every count is held to its bound by who writes and by who reads.

use keyward_shared::decision::{Reason, Refusal};
use keyward_shared::fingerprint::PepperId;
use keyward_shared::report::{
    Applied, Body, Counter, Envelope, Hitter, Lanes, MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_APPLIED, MAX_HITTERS,
    MAX_LOCATION_BYTES, MAX_PEPPERS, MAX_REPORT_BYTES, MAX_SAMPLES, MAX_SOFTWARE_BYTES, MAX_USAGE, OtherUsage,
    RefusalKind, RefusedAddress, Report, ReportError, Sample, State, Usage,
};
use keyward_shared::snapshot::HeadOrder;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::arbitrary::{fingerprint, spoil, spoils};
use crate::fixtures;

/// Where the bodies of these reports begin: behind an envelope without location and addresses.
const BODY_AT: usize = 22;
/// Where the counters of [`empty_report`] are counted: behind a body without software, peppers and heads.
const COUNTERS_AT: usize = BODY_AT + 16 + 4 + 24 + 1;
const USAGE_AT: usize = COUNTERS_AT + 1;

/// A report that says as little as one can.
fn empty_report() -> Report {
    Report { envelope: Envelope { instance: [7; 10], sequence: 1, ..Envelope::default() }, body: Body::default() }
}

/// A report that says something of everything.
pub(crate) fn full_report() -> Report {
    let unknown = RefusalKind::of(Refusal::Unauthorized(Reason::Unknown));
    Report {
        envelope: Envelope {
            instance: *b"\0\x01\x02\x03\x04\xfb\xfc\xfd\xfe\xff",
            sequence: 300,
            lost: true,
            held_up: false,
            location: "FRA".to_owned(),
            addresses: vec![RefusedAddress { count: 9, error: 2, address: "2001:db8::1".to_owned() }],
        },
        body: Body {
            since: 1_700_000_000_000,
            until: 1_700_000_010_000,
            lanes: Lanes { kv: true, http: true },
            state: State::Stale,
            software: "0.1.0".to_owned(),
            peppers: vec![fixtures::pepper().id(), PepperId::from_u64(1)],
            held: Some(HeadOrder { epoch: 3, generation: 120, issued_at: 1_700_000_009_000 }),
            applied: vec![
                Applied { epoch: 3, generation: 119, at: 1_700_000_001_000 },
                Applied { epoch: 3, generation: 120, at: 1_700_000_009_100 },
            ],
            counters: vec![(Counter::RollbackIgnored, 1), (Counter::Allowed, 12_345), (Counter::Refused(unknown), 67)],
            usage: vec![
                Usage {
                    fingerprint: [1; 8],
                    retiring: false,
                    refused_by_status: false,
                    calls: 12_000,
                    refused: 0,
                    last_ago: 0,
                    first_denied_ago: None,
                },
                Usage {
                    fingerprint: [2; 8],
                    retiring: true,
                    refused_by_status: true,
                    calls: 345,
                    refused: 300,
                    last_ago: 127,
                    first_denied_ago: Some(128),
                },
            ],
            others: OtherUsage { secrets: 5, calls: 6, refused: 7, last: 1_700_000_002_000, retiring: 1 },
            hitters: vec![Hitter {
                fingerprint: fixtures::fingerprint(0xab, 0xcd),
                refusal: unknown,
                count: 67,
                error: 3,
                first: 1_000,
                last: 1_100,
                last_ago: 250,
            }],
            samples: vec![
                Sample {
                    ordinal: 1_000,
                    refusal: unknown,
                    fingerprint: Some(fixtures::fingerprint(0xab, 0xcd)),
                    ago: 9_000,
                },
                Sample { ordinal: 1_001, refusal: RefusalKind::of(Refusal::BadPath), fingerprint: None, ago: 0 },
            ],
        },
    }
}

/// The longest that every part can be.
fn fullest_report() -> Report {
    let full = full_report();
    let mut report = full.clone();
    let address = RefusedAddress { count: u32::MAX, error: u32::MAX, address: "a".repeat(MAX_ADDRESS_BYTES) };
    report.envelope.location = "l".repeat(MAX_LOCATION_BYTES);
    report.envelope.addresses = vec![address; MAX_ADDRESSES];
    let body = &mut report.body;
    body.software = "s".repeat(MAX_SOFTWARE_BYTES);
    body.applied = vec![full.body.applied[0]; MAX_APPLIED];
    body.counters = (0..Counter::COUNT).map(|index| (Counter::at(index).expect("a counter"), u32::MAX)).collect();
    let usage = Usage {
        calls: u32::MAX,
        refused: u32::MAX,
        last_ago: u64::MAX,
        first_denied_ago: Some(u64::MAX),
        ..full.body.usage[1]
    };
    body.usage = vec![usage; MAX_USAGE];
    body.hitters = vec![Hitter { last_ago: u64::MAX, ..full.body.hitters[0] }; MAX_HITTERS];
    body.samples = vec![Sample { ago: u64::MAX, ..full.body.samples[0] }; MAX_SAMPLES];
    report
}

#[test]
fn the_fullest_report_is_not_too_large_for_its_reader() {
    let report = fullest_report();
    let bytes = report.encode().expect("within bounds");
    assert!(bytes.len() <= MAX_REPORT_BYTES, "{} bytes", bytes.len());
    assert_eq!(Report::decode(&bytes), Ok(report));
}

#[test]
fn nothing_larger_than_a_report_is_looked_at() {
    let mut bytes = fullest_report().encode().expect("within bounds");
    bytes.resize(MAX_REPORT_BYTES, 0);
    assert!(matches!(Report::decode(&bytes), Err(ReportError::Trailing { .. })));
    bytes.push(0);
    let memory = allocation_counter::measure(|| {
        let refused = Report::decode(&bytes);
        assert!(matches!(refused, Err(ReportError::TooMany { what: "bytes", .. })), "{refused:?}");
    });
    assert_eq!(memory.count_total, 0);
}

#[test]
fn who_writes_keeps_every_bound() {
    type Exceed = fn(&mut Report);
    let exceed: [(&str, Exceed); 9] = [
        ("location", |report| report.envelope.location.push('l')),
        ("addresses", |report| report.envelope.addresses.extend_from_within(..1)),
        ("address", |report| report.envelope.addresses[0].address.push('a')),
        ("software", |report| report.body.software.push('s')),
        ("peppers", |report| report.body.peppers.extend_from_within(..1)),
        ("applied", |report| report.body.applied.extend_from_within(..1)),
        ("usage", |report| report.body.usage.extend_from_within(..1)),
        ("hitters", |report| report.body.hitters.extend_from_within(..1)),
        ("samples", |report| report.body.samples.extend_from_within(..1)),
    ];
    for (named, exceed) in exceed {
        let mut report = fullest_report();
        exceed(&mut report);
        assert!(matches!(report.encode(), Err(ReportError::TooMany { what, .. }) if what == named), "{named}");
    }
    assert_eq!(fullest_report().body.peppers.len(), MAX_PEPPERS);
}

#[test]
fn who_writes_says_nothing_without_meaning() {
    type Spoil = fn(&mut Report);
    let spoil: [(&str, Spoil); 8] = [
        ("location", |report| report.envelope.location = "Frankfurt am".to_owned()),
        ("address", |report| report.envelope.addresses[0].address.push('\n')),
        ("software", |report| report.body.software.push('ü')),
        ("times", |report| report.body.since = report.body.until + 1),
        ("times", |report| report.body.until = 1 << 47),
        ("times", |report| report.body.applied[1].at = u64::MAX),
        ("times", |report| report.body.others.last = 1 << 47),
        ("applied order", |report| report.body.applied.reverse()),
    ];
    for (named, spoil) in spoil {
        let mut report = full_report();
        spoil(&mut report);
        assert_eq!(report.encode(), Err(ReportError::Meaningless { what: named }));
    }
}

/// The bytes of [`empty_report`] with others in the place of some.
fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut report = empty_report().encode().expect("within bounds");
    report[at..at + bytes.len()].copy_from_slice(bytes);
    report
}

#[test]
fn who_reads_believes_no_count_without_the_bytes_for_it() {
    let end = empty_report().encode().expect("within bounds").len();
    let peppers_at = BODY_AT + 16 + 3;
    let counts = [
        (BODY_AT - 1, MAX_ADDRESSES, "addresses"),
        (peppers_at, MAX_PEPPERS, "peppers"),
        (COUNTERS_AT - 1, MAX_APPLIED, "applied"),
        (COUNTERS_AT, 40, "counters"),
        (end - 2, MAX_HITTERS, "hitters"),
        (end - 1, MAX_SAMPLES, "samples"),
    ];
    for (at, max, named) in counts {
        let most = u8::try_from(max).expect("a byte");
        let mut bytes = with(at, &[most + 1]);
        bytes.resize(MAX_REPORT_BYTES, 0);
        assert_eq!(Report::decode(&bytes), Err(ReportError::TooMany { what: named, got: max + 1, max }));
        bytes[at] = most;
        bytes.truncate(end);
        let memory = allocation_counter::measure(|| {
            assert!(Report::decode(&bytes).is_err(), "{named}");
        });
        assert!(memory.bytes_max < 1024, "{named}: {} bytes", memory.bytes_max);
    }
    let mut bytes = with(USAGE_AT, &[0x10, 0x01]);
    bytes.resize(MAX_REPORT_BYTES, 0);
    assert_eq!(Report::decode(&bytes), Err(ReportError::TooMany { what: "usage", got: MAX_USAGE + 1, max: MAX_USAGE }));
    assert_eq!(Report::decode(&with(USAGE_AT, &[0x10, 0])), Err(ReportError::Meaningless { what: "usage" }));
}

#[test]
fn lost_and_held_up_are_bits_of_one_byte() {
    for flags in 0..4 {
        let envelope = Report::decode(&with(19, &[flags])).expect("a report").envelope;
        assert_eq!((envelope.lost, envelope.held_up), (flags & 1 > 0, flags & 2 > 0), "{flags}");
    }
}

#[test]
fn a_digest_is_of_every_byte_but_for_what_a_report_that_comes_again_may_say() {
    let bytes = with(19, &[0]);
    let digest = Report::digest(&bytes);
    assert_eq!(Report::digest(&with(19, &[2])), digest, "held up");
    for (at, byte) in bytes.iter().enumerate() {
        let other = with(at, &[byte ^ 1]);
        assert_ne!(Report::digest(&other), digest, "{at}");
    }
}

#[test]
fn who_reads_takes_no_value_without_meaning() {
    for (at, value, named) in [
        (19, 4, "flags"),
        (BODY_AT, 1, "times"),
        (BODY_AT + 8, 1, "times"),
        (BODY_AT + 16, 4, "lanes"),
        (BODY_AT + 17, 4, "state"),
    ] {
        assert_eq!(Report::decode(&with(at, &[value])), Err(ReportError::Meaningless { what: named }));
    }
    assert!(matches!(Report::decode(&with(0, b"KWHD")), Err(ReportError::Kind { .. })));
    assert_eq!(Report::decode(&with(4, &[2])), Err(ReportError::Version { got: 2 }));
}

/// [`empty_report`] with one secret's usage, whose numbers are these bytes.
fn with_usage(flags: u8, numbers: &[u8]) -> Vec<u8> {
    let mut bytes = with(USAGE_AT, &[0, 1]);
    let mut usage = vec![9; 8];
    usage.push(flags);
    usage.extend_from_slice(numbers);
    bytes.splice(USAGE_AT + 2..USAGE_AT + 2, usage);
    bytes
}

#[test]
fn numbers_are_as_short_as_they_can_be_and_of_64_bits() {
    let read = |flags, numbers: &[u8]| Report::decode(&with_usage(flags, numbers)).map(|report| report.body.usage[0]);
    let usage = read(3, &[1, 0x80, 1, 0xff, 0x7f, 0]).expect("a report");
    assert_eq!((usage.calls, usage.refused, usage.last_ago, usage.first_denied_ago), (1, 128, 16_383, None));
    assert!(usage.retiring && usage.refused_by_status);
    let most = [&[1, 0][..], &[0xff; 9], &[1, 0]].concat();
    assert_eq!(read(0, &most).map(|usage| usage.last_ago), Ok(u64::MAX));
    let meaningless = |what| Err(ReportError::Meaningless { what });
    assert_eq!(read(4, &[1, 0, 0, 0]), meaningless("usage flags"));
    assert_eq!(read(0, &[0x81, 0, 0, 0, 0]), meaningless("number"));
    let too_many = [&[1, 0][..], &[0xff; 9], &[2, 0]].concat();
    assert_eq!(read(0, &too_many), meaningless("number"));
    let endless = [&[1, 0][..], &[0x80; 40]].concat();
    assert_eq!(read(0, &endless), meaningless("number"));
    assert_eq!(read(0, &[0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0]), meaningless("calls"));
}

#[test]
fn what_a_newer_edge_counts_is_read_over() {
    let mut bytes = with(COUNTERS_AT, &[2]);
    let counters = [&[255, 0, 0, 0, 1][..], &[Counter::Public.code(), 0, 0, 0, 2]].concat();
    bytes.splice(USAGE_AT..USAGE_AT, counters);
    let end = bytes.len();
    bytes[end - 1] = 1;
    // A sample: ordinal, a refusal of tomorrow, no fingerprint, now.
    bytes.extend([&[0, 0, 0, 1, 200][..], &[0; 17]].concat());
    let report = Report::decode(&bytes).expect("a report");
    assert_eq!(report.body.counters, [(Counter::Public, 2)]);
    assert!(report.body.samples.is_empty());
}

fn text(max: usize) -> impl Strategy<Value = String> {
    vec(b'!'..=b'~', 0..=max).prop_map(|bytes| String::from_utf8(bytes).expect("ASCII"))
}

fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift)
}

fn time() -> impl Strategy<Value = u64> {
    0..1_u64 << 47
}

fn refusal() -> impl Strategy<Value = RefusalKind> {
    let kinds: Vec<_> = (0..=u8::MAX).map_while(RefusalKind::from_code).collect();
    select(kinds)
}

fn counter() -> impl Strategy<Value = Counter> {
    (0..Counter::COUNT).prop_map(|index| Counter::at(index).expect("a counter"))
}

fn usage() -> impl Strategy<Value = Usage> {
    (any::<([u8; 8], bool, bool, u32, u32)>(), number(), option::of(number())).prop_map(
        |((fingerprint, retiring, refused_by_status, calls, refused), last_ago, first_denied_ago)| Usage {
            fingerprint,
            retiring,
            refused_by_status,
            calls,
            refused,
            last_ago,
            first_denied_ago: first_denied_ago.map(|ago| ago.max(1)),
        },
    )
}

fn others() -> impl Strategy<Value = OtherUsage> {
    (any::<(u32, u64, u64, u64)>(), time()).prop_map(|((secrets, calls, refused, retiring), last)| OtherUsage {
        secrets,
        calls,
        refused,
        last,
        retiring,
    })
}

fn hitter() -> impl Strategy<Value = Hitter> {
    (fingerprint(), refusal(), any::<[u32; 4]>(), number()).prop_map(
        |(fingerprint, refusal, [count, error, first, last], last_ago)| Hitter {
            fingerprint,
            refusal,
            count,
            error,
            first,
            last,
            last_ago,
        },
    )
}

fn sample() -> impl Strategy<Value = Sample> {
    (any::<u32>(), refusal(), option::of(fingerprint()), number())
        .prop_map(|(ordinal, refusal, fingerprint, ago)| Sample { ordinal, refusal, fingerprint, ago })
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let address = (any::<(u32, u32)>(), text(MAX_ADDRESS_BYTES)).prop_map(|((count, error), address)| RefusedAddress {
        count,
        error,
        address,
    });
    (any::<([u8; 10], u32, bool, bool)>(), text(MAX_LOCATION_BYTES), vec(address, 0..4)).prop_map(
        |((instance, sequence, lost, held_up), location, addresses)| Envelope {
            instance,
            sequence,
            lost,
            held_up,
            location,
            addresses,
        },
    )
}

fn report() -> impl Strategy<Value = Report> {
    let applied = vec((any::<u64>(), any::<u64>(), time()), 0..5).prop_map(|mut applied| {
        applied.sort_unstable();
        applied.into_iter().map(|(epoch, generation, at)| Applied { epoch, generation, at }).collect::<Vec<_>>()
    });
    let held = option::of(any::<(u64, u64, u64)>().prop_filter("a head", |order| *order != (0, 0, 0)));
    let state = (
        (time(), time(), any::<bool>(), any::<bool>()),
        select(State::ALL.to_vec()),
        text(MAX_SOFTWARE_BYTES),
        vec(any::<u64>(), 0..=MAX_PEPPERS),
        held,
        applied,
    );
    let counted =
        (vec((counter(), any::<u32>()), 0..8), vec(usage(), 0..20), others(), vec(hitter(), 0..8), vec(sample(), 0..8));
    (envelope(), state, counted).prop_map(
        |(
            envelope,
            ((a, b, kv, http), state, software, peppers, held, applied),
            (counters, usage, others, hitters, samples),
        )| {
            let body = Body {
                since: a.min(b),
                until: a.max(b),
                lanes: Lanes { kv, http },
                state,
                software,
                peppers: peppers.into_iter().map(PepperId::from_u64).collect(),
                held: held.map(|(epoch, generation, issued_at)| HeadOrder { epoch, generation, issued_at }),
                applied,
                counters,
                usage,
                others,
                hitters,
                samples,
            };
            Report { envelope, body }
        },
    )
}

proptest! {
    #[test]
    fn a_report_is_read_as_it_was_written(report in report()) {
        let bytes = report.encode().expect("within bounds");
        prop_assert_eq!(Report::decode(&bytes), Ok(report));
    }

    #[test]
    fn a_spoiled_report_is_an_error_or_what_its_bytes_say(report in report(), spoils in spoils()) {
        let bytes = spoil(&report.encode().expect("within bounds"), &spoils);
        let mut read = None;
        let memory = allocation_counter::measure(|| read = Some(Report::decode(&bytes)));
        prop_assert!(memory.bytes_max <= 4096 + 8 * bytes.len() as u64, "{} bytes", memory.bytes_max);
        if let Some(Ok(report)) = read {
            let again = report.encode().expect("what was read can be written");
            prop_assert!(again.len() <= bytes.len());
            prop_assert_eq!(Report::decode(&again), Ok(report));
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..400)) {
        let mut report = empty_report().encode().expect("within bounds");
        report.truncate(BODY_AT);
        report.extend(&bytes);
        let _ = Report::decode(&report);
        let _ = Report::decode(&bytes);
    }
}

#[test]
fn a_known_secret_alone_is_refused_for_what_its_record_says_or_where_it_may_not_go() {
    for code in 0..u8::try_from(RefusalKind::COUNT).expect("few") {
        let kind = RefusalKind::from_code(code).expect("a kind");
        let everybodys = [
            "no_credentials",
            "check_digits",
            "malformed",
            "unknown",
            "no_snapshot",
            "snapshot_expired",
            "object_unavailable",
        ];
        assert_eq!(kind.is_of_known_secret(), !everybodys.contains(&kind.as_str()), "{}", kind.as_str());
    }
}
