use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use xtask::parts::http::{Answer, Client};

use super::script::Fault::{
    Away, Break, CacheFor, Cut, Delay, Drip, Endless, Flip, Lose, LoseAnswer, Old, RefuseSome, ShowAfter, Stall, Status,
};
use super::*;

/// One that is asked over HTTP by both sides.
struct Asked {
    kv: FakeKv,
    api: Client,
    near: Vec<Client>,
}

impl Asked {
    fn by(readers: usize) -> Result<Self> {
        let kv = FakeKv::start()?;
        let client = |reader: Reader| Client::new(&format!("http://{}", reader.address), None);
        let near = (0..readers).map(|_| kv.reader().map(client)).collect::<Result<_>>()?;
        let api = Client::new(&kv.url(), None);
        Ok(Self { kv, api, near })
    }

    fn write(&self, key: &str, value: &[u8]) -> Result<Answer> {
        let body = Some(("application/octet-stream", value.to_vec()));
        self.api.send_bytes("PUT", &format!("/values/{key}"), &[], body)
    }

    fn write_bulk(&self, pairs: &[(&str, &[u8])]) -> Result<Answer> {
        let pair =
            |(key, value): &(&str, &[u8])| json!({"key": key, "value": BASE64_STANDARD.encode(value), "base64": true});
        self.api.put("/bulk", &pairs.iter().map(pair).collect())
    }

    /// What a reader gets, asking to cache it for so many seconds.
    fn read(&self, reader: usize, key: &str, cache_ttl: u32) -> Result<Option<Vec<u8>>> {
        let answer = self.near[reader].get(&format!("/{key}?urlencoded=true&cache_ttl={cache_ttl}"))?;
        if answer.status == 404 { Ok(None) } else { Ok(Some(answer.must_be(200)?.body)) }
    }

    fn sees(&self, reader: usize, key: &str, value: Option<&[u8]>) -> Result<()> {
        let seen = self.read(reader, key, 30)?;
        ensure!(seen.as_deref() == value, "reader {reader} sees {seen:?} of {key} instead of {value:?}");
        Ok(())
    }
}

#[test]
fn what_is_written_by_the_api_is_read_by_it_and_by_workers() -> Result<()> {
    let asked = Asked::by(1)?;
    asked.sees(0, "head", None)?;
    let missing = asked.api.get("/values/head")?.must_be(404)?.json()?;
    assert_eq!((&missing["success"], &missing["errors"][0]["code"]), (&json!(false), &json!(10_009)));
    assert_eq!(asked.write("head", b"\x00one")?.must_be(200)?.json()?["success"], true);
    let written = asked.write_bulk(&[("object-a", b"a\xff"), ("object-b", b"b")])?.must_be(200)?.json()?;
    assert_eq!(written["result"], json!({"successful_key_count": 2, "unsuccessful_keys": []}));
    asked.sees(0, "head", Some(b"\x00one"))?;
    asked.sees(0, "object-a", Some(b"a\xff"))?;
    assert_eq!(asked.api.get("/values/object-a")?.must_be(200)?.body, b"a\xff");
    let names = |answer: Answer| -> Result<Vec<Value>> {
        Ok(answer.must_be(200)?.json()?["result"].as_array().context("no list")?.clone())
    };
    assert_eq!(
        names(asked.api.get("/keys?prefix=object-")?)?,
        [json!({"name": "object-a"}), json!({"name": "object-b"})]
    );
    let texts = asked.api.post("/bulk/get", &json!({"keys": ["object-b", "none"]}))?.must_be(200)?.json()?;
    assert_eq!(texts["result"]["values"], json!({"object-b": "b", "none": null}));
    asked.api.post("/bulk/delete", &json!(["object-a", "object-b"]))?.must_be(429)?;
    thread::sleep(limits::BETWEEN_WRITES);
    asked.api.post("/bulk/delete", &json!(["object-a"]))?.must_be(200)?;
    asked.api.delete("/values/object-b")?.must_be(200)?;
    asked.sees(0, "object-a", None)?;
    assert!(names(asked.api.get("/keys?prefix=object-")?)?.is_empty());
    Ok(())
}

#[test]
fn a_binding_writes_lists_and_deletes() -> Result<()> {
    let asked = Asked::by(1)?;
    let near = &asked.near[0];
    let body = || Some(("application/octet-stream", b"value".to_vec()));
    for key in ["a%2Fb", "c", "d"] {
        near.send_bytes("PUT", &format!("/{key}?urlencoded=true"), &[], body())?.must_be(200)?;
    }
    near.send_bytes("PUT", "/e?urlencoded=true&expiration_ttl=60", &[], body())?.must_be(400)?;
    assert_eq!(asked.kv.value("a/b").as_deref(), Some(&b"value"[..]), "names are decoded");
    let first = near.get("/?key_count_limit=2")?.must_be(200)?.json()?;
    assert_eq!(first, json!({"keys": [{"name": "a/b"}, {"name": "c"}], "list_complete": false, "cursor": "c"}));
    let rest = near.get("/?key_count_limit=2&cursor=c")?.must_be(200)?.json()?;
    assert_eq!(rest, json!({"keys": [{"name": "d"}], "list_complete": true}));
    thread::sleep(limits::BETWEEN_WRITES);
    near.delete("/c?urlencoded=true")?.must_be(200)?;
    asked.sees(0, "c", None)
}

#[test]
fn a_reader_may_hear_of_writes_late_and_another_at_once() -> Result<()> {
    let asked = Asked::by(2)?;
    let late = Duration::from_millis(400);
    asked.kv.script([When::read_by(0).then(ShowAfter(late))]);
    let written_at = Instant::now();
    asked.kv.put("head", b"one".to_vec());
    asked.sees(1, "head", Some(b"one"))?;
    let before = asked.read(0, "head", 30)?;
    ensure!(before.is_none() || written_at.elapsed() >= late, "it saw {before:?}");
    thread::sleep(late);
    asked.sees(0, "head", Some(b"one"))?;
    asked.kv.put("head", b"two".to_vec());
    asked.sees(0, "head", Some(b"one"))?;
    asked.sees(1, "head", Some(b"two"))
}

#[test]
fn what_was_written_long_enough_ago_is_heard_of_and_what_came_after_is_not() -> Result<()> {
    let asked = Asked::by(1)?;
    let late = Duration::from_mins(1);
    asked.kv.script([When::read().then(ShowAfter(late))]);
    asked.kv.put("head", b"one".to_vec());
    asked.sees(0, "head", None)?;
    asked.kv.age(late);
    asked.sees(0, "head", Some(b"one"))?;
    asked.kv.put("head", b"two".to_vec());
    asked.sees(0, "head", Some(b"one"))
}

#[test]
fn late_for_some_keys_only_is_another_order() -> Result<()> {
    let asked = Asked::by(1)?;
    asked.kv.script([When::read().of("object-*").then(ShowAfter(Duration::from_mins(1)))]);
    asked.write_bulk(&[("object-a", b"a")])?.must_be(200)?;
    asked.write("head", b"one")?.must_be(200)?;
    asked.sees(0, "head", Some(b"one"))?;
    asked.sees(0, "object-a", None)
}

#[test]
fn absences_are_cached_near_the_reader_for_as_long_as_it_asks() -> Result<()> {
    let asked = Asked::by(2)?;
    asked.kv.script([When::read().then(CacheFor(Duration::MAX))]);
    asked.sees(0, "object-a", None)?;
    asked.kv.put("object-a", b"a".to_vec());
    asked.sees(0, "object-a", None)?;
    asked.sees(1, "object-a", Some(b"a"))?;
    // Who asks for something younger has it read anew, and then it is there for all.
    assert_eq!(asked.read(0, "object-a", 0)?.as_deref(), Some(&b"a"[..]));
    asked.sees(0, "object-a", Some(b"a"))?;
    // A bound of the script is shorter than what is asked for.
    asked.kv.script([When::read().then(CacheFor(Duration::from_millis(300)))]);
    asked.kv.put("object-a", b"b".to_vec());
    thread::sleep(Duration::from_millis(350));
    asked.sees(0, "object-a", Some(b"b"))?;
    asked.kv.delete("object-a");
    asked.sees(0, "object-a", Some(b"b"))?;
    thread::sleep(Duration::from_millis(350));
    asked.sees(0, "object-a", None)
}

#[test]
fn a_reader_may_be_shown_what_was_before() -> Result<()> {
    let asked = Asked::by(2)?;
    for value in [b"1", b"2", b"3"] {
        asked.kv.put("head", value.to_vec());
    }
    asked.kv.script([When::read_by(1).of("head").then(Old(1)).times(1), When::read_by(0).of("head").then(Old(9))]);
    asked.sees(1, "head", Some(b"2"))?;
    asked.sees(1, "head", Some(b"3"))?;
    asked.sees(0, "head", Some(b"1"))
}

#[test]
fn what_a_reader_gets_may_be_cut_flipped_or_broken_off() -> Result<()> {
    let asked = Asked::by(1)?;
    asked.kv.put("object-a", vec![0; 4]);
    for (fault, seen) in [
        (Cut(3), &[0, 0, 0][..]),
        (Cut(0), &[]),
        (Cut(9), &[0; 4]),
        (Flip(0), &[0x80, 0, 0, 0]),
        (Flip(15), &[0, 1, 0, 0]),
        (Flip(32), &[0x80, 0, 0, 0]),
    ] {
        asked.kv.script([When::read().then(fault)]);
        asked.sees(0, "object-a", Some(seen)).with_context(|| format!("{fault:?}"))?;
    }
    for bytes in [0, 2, 4] {
        asked.kv.script([When::read().then(Break(bytes))]);
        let read = asked.read(0, "object-a", 30);
        assert!(read.is_err(), "broken after {bytes} bytes, and {read:?} was read");
    }
    asked.kv.script([When::read().then(Endless)]);
    assert!(asked.read(0, "object-a", 30).is_err(), "what never ends was read to its end");
    asked.kv.script([When::read().then(Drip(Duration::from_millis(50)))]);
    let began = Instant::now();
    asked.sees(0, "object-a", Some(&[0; 4]))?;
    assert!(began.elapsed() >= Duration::from_millis(200), "four bytes took {:?}", began.elapsed());
    asked.kv.work();
    asked.sees(0, "object-a", Some(&[0; 4]))
}

#[test]
fn either_side_may_be_refused_kept_waiting_or_turned_away() -> Result<()> {
    let asked = Asked::by(2)?;
    asked.kv.put("head", b"one".to_vec());
    for status in [429, 500, 503] {
        asked.kv.script([When::called().then(Status(status))]);
        asked.write("head", b"two")?.must_be(status)?;
        asked.near[0].get("/head?urlencoded=true")?.must_be(status)?;
    }
    asked.kv.script([When::called().then(Away)]);
    assert!(asked.write("head", b"two").is_err() && asked.read(0, "head", 30).is_err());
    asked.kv.script([When::read_by(1).then(Delay(Duration::from_millis(300)))]);
    for (reader, is_late) in [(0, false), (1, true)] {
        let began = Instant::now();
        asked.sees(reader, "head", Some(b"one"))?;
        assert_eq!(began.elapsed() >= Duration::from_millis(300), is_late, "reader {reader}");
    }
    asked.kv.script([When::called().then(Stall)]);
    thread::scope(|scope| -> Result<()> {
        let stalled = scope.spawn(|| asked.write("head", b"two"));
        asked.kv.wait_for(0, |call| call.fault == kv::Fault::Stall)?;
        thread::sleep(Duration::from_millis(200));
        assert!(!stalled.is_finished(), "somebody answered");
        asked.kv.work();
        assert!(stalled.join().is_ok_and(|answer| answer.is_err()), "it was answered");
        Ok(())
    })?;
    asked.sees(0, "head", Some(b"one"))
}

#[test]
fn a_part_of_a_bulk_write_may_be_refused() -> Result<()> {
    let asked = Asked::by(1)?;
    asked.kv.script([When::written().then(RefuseSome(2)).times(1)]);
    let pairs: [(&str, &[u8]); 3] = [("a", b"a"), ("b", b"b"), ("c", b"c")];
    let written = asked.write_bulk(&pairs)?.must_be(200)?.json()?;
    assert_eq!(written["result"], json!({"successful_key_count": 1, "unsuccessful_keys": ["a", "c"]}));
    for (key, value) in [("a", None), ("b", Some(&b"b"[..])), ("c", None)] {
        asked.sees(0, key, value)?;
    }
    let call = asked.kv.wait_for(0, |call| call.status == Some(200))?;
    assert_eq!(call.asked, crate::kv::Asked::PutBulk(["b".to_owned()].into()));
    asked.write_bulk(&[pairs[0], pairs[2]])?.must_be(200)?;
    asked.sees(0, "a", Some(b"a"))
}

#[test]
fn a_write_may_be_acknowledged_and_lost_or_done_and_not_acknowledged() -> Result<()> {
    let asked = Asked::by(1)?;
    asked.kv.script([When::written().of("lost-*").then(Lose), When::written().of("done").then(LoseAnswer)]);
    asked.write("lost-alone", b"one")?.must_be(200)?;
    asked.write_bulk(&[("lost-among", b"one"), ("kept", b"one")])?.must_be(200)?;
    asked.sees(0, "lost-alone", None)?;
    asked.sees(0, "lost-among", None)?;
    asked.sees(0, "kept", Some(b"one"))?;
    assert!(asked.write("done", b"one").is_err());
    asked.sees(0, "done", Some(b"one"))?;
    let calls = asked.kv.calls();
    assert!(calls[0].is_done(), "as far as its caller could learn: {:?}", calls[0]);
    assert!(!calls[2].is_done() && calls[2].status == Some(200), "{:?}", calls[2]);
    Ok(())
}

#[test]
fn rules_hold_for_some_times_for_every_nth_for_a_while_and_by_chance() -> Result<()> {
    let asked = Asked::by(1)?;
    asked.kv.put("head", b"one".to_vec());
    let statuses = |count: usize| -> Result<Vec<u16>> {
        (0..count).map(|_| Ok(asked.near[0].get("/head?urlencoded=true")?.status)).collect()
    };
    asked.kv.script([When::read().then(Status(500)).times(2)]);
    assert_eq!(statuses(4)?, [500, 500, 200, 200]);
    asked.kv.script([When::read().then(Status(500)).every(3)]);
    assert_eq!(statuses(6)?, [200, 200, 500, 200, 200, 500]);
    asked.kv.script([When::read().then(Status(500)).during(Duration::from_millis(300))]);
    assert_eq!(statuses(1)?, [500]);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(statuses(1)?, [200]);
    let by_chance = |seed| {
        asked.kv.script_from(seed, [When::read().then(Status(500)).in_a_hundred(50)]);
        statuses(32)
    };
    let first = by_chance(1)?;
    assert!(first.contains(&200) && first.contains(&500), "{first:?}");
    assert_eq!(by_chance(1)?, first, "a seed replays");
    assert_ne!(by_chance(2)?, first);
    Ok(())
}

#[test]
fn cloudflares_limits_are_kept_and_what_goes_beyond_is_told() -> Result<()> {
    let asked = Asked::by(0)?;
    asked.write("head", b"one")?.must_be(200)?;
    asked.write("head", b"two")?.must_be(429)?;
    assert_eq!(asked.kv.value("head").as_deref(), Some(&b"one"[..]));
    let pairs: Vec<_> = (0..=limits::MAX_PAIRS).map(|at| json!({"key": format!("k{at}"), "value": ""})).collect();
    asked.api.put("/bulk", &json!(pairs))?.must_be(400)?;
    asked.api.put("/bulk", &json!(pairs[1..]))?.must_be(200)?;
    asked.write(&"k".repeat(513), b"")?.must_be(400)?;
    asked.write("large", &vec![0; limits::MAX_VALUE_BYTES + 1])?.must_be(413)?;
    let body = Some(("application/json", vec![b' '; limits::MAX_BODY_BYTES + 1]));
    asked.api.send_bytes("PUT", "/bulk", &[], body)?.must_be(413)?;
    assert_eq!(
        asked.kv.violations(),
        [
            Violation::KeyTooOften("head".to_owned()),
            Violation::TooManyPairs(limits::MAX_PAIRS + 1),
            Violation::BadKey("k".repeat(513)),
            Violation::ValueTooLarge { key: "large".to_owned(), bytes: limits::MAX_VALUE_BYTES + 1 },
            Violation::BodyTooLarge(limits::MAX_BODY_BYTES + 1),
        ]
    );
    Ok(())
}

#[test]
fn who_calls_too_often_is_blocked_and_workers_read_on() -> Result<()> {
    let asked = Asked::by(1)?;
    asked.kv.put("head", b"one".to_vec());
    for _ in 0..MAX_CALLS {
        asked.api.get("/values/head")?.must_be(200)?;
    }
    asked.api.get("/values/head")?.must_be(429)?;
    asked.write("head", b"two")?.must_be(429)?;
    assert_eq!(asked.kv.violations(), [Violation::TooManyCalls, Violation::CallWhileBlocked]);
    asked.sees(0, "head", Some(b"one"))
}
