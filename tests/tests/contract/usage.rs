//! What edges count arrives once: every call by its secret, whatever becomes of a report on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::slice;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::{Digest, Fingerprint, Pepper};
use keyward_shared::report::{OtherUsage, Report, Sample, Usage};
use keyward_tests::clients::{node, run};
use keyward_tests::reports::Reports;
use keyward_tests::stack::{eventually, generation};
use keyward_tests::{Stack, Workerd};
use serde_json::{Value, json};
use xtask::build::edge::{self, Variant};
use xtask::setup;

use crate::Test;
use crate::edges::instance;

/// A report, its answer lost, and the same once more; twice; and some more on a busy machine.
const REPORTED: Duration = Duration::from_secs(90);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("every_call_is_told_once_when_answers_to_reports_are_lost", told_once).slow(),
        Test::shared("a_report_is_kept_until_it_arrives_or_is_refused", kept),
    ]
}

/// How often a secret was used in several reports: allowed, refused, as the retiring one, for its status.
type Sum = (u32, u32, bool, bool);

fn sums(reports: &[Report]) -> BTreeMap<[u8; 8], Sum> {
    let mut sums = BTreeMap::new();
    for Usage { fingerprint, calls, refused, retiring, refused_by_status, .. } in
        reports.iter().flat_map(|report| &report.body.usage)
    {
        let sum: &mut Sum = sums.entry(*fingerprint).or_default();
        *sum = (sum.0 + calls, sum.1 + refused, sum.2 || *retiring, sum.3 || *refused_by_status);
    }
    sums
}

fn count(reports: &[Report], word: &str) -> u32 {
    let counters = reports.iter().flat_map(|report| &report.body.counters);
    counters.filter(|(counter, _)| counter.as_str() == word).map(|(_, count)| count).sum()
}

/// The fingerprint that an edge with these variables makes of a secret.
pub(crate) fn fingerprint(variables: &BTreeMap<String, String>, secret: &str) -> Result<Fingerprint> {
    let pepper = variables.get("KEYWARD_PEPPER").context("no pepper")?;
    let pepper = BASE64_URL_SAFE_NO_PAD.decode(pepper)?.try_into().ok().context("32 bytes")?;
    Ok(Pepper::new(pepper).fingerprint(&Digest::of(&ApiKey::parse(secret).context("a key")?)))
}

fn prefix(fingerprint: Fingerprint) -> [u8; 8] {
    fingerprint.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn told_once(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (key, disabled) = (admin.key("counted")?, admin.key("disabled")?);
    let reports = Reports::start(stack)?;
    let told = [("KEYWARD_REPORT_URL", reports.url())];
    let told = told.each_ref().map(|(name, value)| (*name, value.as_str()));
    let edge = Workerd::start(stack, &told)?;
    edge.applied(disabled.generation)?;
    let ping = |secret: &str, times: usize, status: u16| -> Result<()> {
        (0..times).try_for_each(|_| edge.edge("/v1/ping").key(secret).send()?.must_be(status).map(drop))
    };
    ping(&key.secret, 3, 200)?;
    ping(&disabled.secret, 1, 200)?;
    edge.applied(generation(&admin.act(&disabled, "disable", &json!({}))?)?)?;
    ping(&disabled.secret, 5, 401)?;
    let rotated = admin.rotate(&key, 3600)?;
    edge.applied(rotated.generation)?;
    ping(&key.secret, 2, 200)?;
    ping(&rotated.secret, 4, 200)?;
    for _ in 0..3 {
        edge.edge("/v1/ping").basic("somebody", &rotated.secret).send()?.must_be(401)?;
    }
    ping("0123456789abcdef0123456789abcdee", 2, 401)?;

    let variables = Workerd::variables(stack, &told)?;
    let of = |secret: &str, sum: Sum| Ok((prefix(fingerprint(&variables, secret)?), sum));
    let expected: BTreeMap<_, _> = [
        of(&key.secret, (5, 0, true, false)),
        of(&rotated.secret, (4, 3, false, false)),
        of(&disabled.secret, (1, 5, false, true)),
    ]
    .into_iter()
    .collect::<Result<_>>()?;
    let id = instance(&edge)?;
    eventually(REPORTED, || {
        // What asks without a key makes it report, and counts for nobody.
        edge.edge("/v1/ping").send()?.must_be(401)?;
        let taken = reports.taken()?;
        ensure!(sums(&taken) == expected, "{:?}, expected {expected:?}", sums(&taken));
        ensure!((count(&taken, "allowed"), count(&taken, "disabled"), count(&taken, "wrong_user")) == (10, 5, 3));
        let edges = admin.get("/v1/edges?limit=100")?.must_be(200)?.json()?;
        let edges = edges["items"].as_array().context("no list")?;
        let counters = &edges.iter().find(|edge| edge["id"] == id).context("nothing was heard from it")?["counters"];
        for (word, expected) in [("allowed", 10), ("disabled", 5), ("wrong_user", 3)] {
            ensure!(counters[word] == expected, "{counters}");
        }
        Ok(())
    })?;
    // The last of them is sent again, and counts no more than before.
    let before = reports.passed().len();
    eventually(REPORTED, || {
        edge.edge("/v1/ping").send()?.must_be(401)?;
        ensure!(reports.passed().len() > before + 2, "{} reports", reports.passed().len());
        Ok(())
    })?;
    let taken = reports.taken()?;
    ensure!(sums(&taken) == expected, "told again: {:?}", sums(&taken));
    ensure!(reports.passed().len() > taken.len(), "none was sent again");
    ensure!(taken.iter().all(|report| report.body.others == OtherUsage::default() && !report.envelope.lost));
    Ok(())
}

/// What the Worker in Node was told of its reports.
struct Told {
    report: Report,
    outcome: String,
}

fn kept(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (usable, disabled) = (admin.key("usable")?, admin.key("disabled")?);
    let applied = generation(&admin.act(&disabled, "disable", &json!({}))?)?;
    stack.applied(applied)?;
    let variables = Workerd::variables(
        stack,
        &[
            ("KEYWARD_REPORT_URL", "http://reports.test/v1/edges/report"),
            ("KEYWARD_CLIENT_ADDRESS", "cf-connecting-ip"),
        ],
    )?;
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("input");
    let asked = json!({
        "module": edge::entry(&setup::tools()?, Variant::default())?,
        "variables": variables,
        "keys": {"usable": usable.secret, "disabled": disabled.secret},
    });
    fs::write(&input, asked.to_string())?;
    let said = run(node().arg("tests/node/reports.mjs").stdin(File::open(input)?))?;
    let lines: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let refused: Vec<&str> = lines.iter().filter_map(|line| line["refused"].as_str()).collect();
    let allowed = lines.iter().find_map(|line| line["allowed"].as_u64()).context("it did not end")?;
    let mut told = Vec::new();
    for line in lines.iter().filter(|line| line["report"].is_string()) {
        let bytes = line["report"].as_str().unwrap_or_default();
        let outcome = line["outcome"].as_str().unwrap_or_default().to_owned();
        told.push(Told { report: Report::decode(&hex::decode(bytes)?)?, outcome });
    }
    sent_until_taken(&told)?;

    let mut reports: Vec<Report> = told.into_iter().map(|told| told.report).collect();
    reports.dedup_by_key(|report| (report.envelope.instance, report.envelope.sequence));
    let another = reports.pop().context("no reports")?;
    ensure!((another.envelope.instance, another.envelope.sequence) == ([0xff; 10], 1), "{:?}", another.envelope);
    ensure!(!another.envelope.lost && count(slice::from_ref(&another), "allowed") == 1, "{another:?}");
    for (sequence, report) in (1..).zip(&reports) {
        let Report { envelope, .. } = report;
        ensure!(envelope.sequence == sequence && envelope.location == "AMS", "{envelope:?}");
        ensure!(refused.iter().all(|id| id.split('-').next() == Some(hex::encode(envelope.instance).as_str())));
    }
    ensure!(reports.is_sorted_by(|one, next| one.body.until == next.body.since), "a time that no report is of");
    let of = |secret: &str| fingerprint(&variables, secret);
    let times = u32::try_from(refused.len())?;
    let expected = BTreeMap::from([
        (prefix(of(&usable.secret)?), (u32::try_from(allowed)? - 1, 0, false, false)),
        (prefix(of(&disabled.secret)?), (0, times, false, true)),
    ]);
    ensure!(sums(&reports) == expected, "{:?}, expected {expected:?}", sums(&reports));
    ensure!(count(&reports, "disabled") == times && count(&reports, "allowed") == u32::try_from(allowed)? - 1);
    samples(&reports, &refused, of(&disabled.secret)?)?;
    addresses(&reports)
}

/// The same report again until it arrives or is no report at all; then another.
fn sent_until_taken(told: &[Told]) -> Result<()> {
    for outcome in ["204", "lost", "503", "cut off", "400"] {
        ensure!(told.iter().any(|told| told.outcome == outcome), "none was {outcome}");
    }
    let mut gaps = 0;
    for pair in told.windows(2) {
        let [one, next] = pair else { continue };
        let is_over = matches!(one.outcome.as_str(), "204" | "400");
        ensure!(is_again(one, next) != is_over, "after one that was {}: {:?}", one.outcome, next.report);
        gaps += u32::from(is_over && next.report.envelope.lost);
        ensure!(one.outcome != "400" || next.report.envelope.lost, "a report that was thrown away is no gap");
    }
    // They are a minute apart: held up is what failed twice.
    for (at, next) in told.iter().enumerate() {
        let failed = |one: &&Told| is_again(one, next) && matches!(one.outcome.as_str(), "lost" | "503");
        let failures = told[..at].iter().filter(failed).count();
        ensure!(next.report.envelope.held_up == (failures >= 2), "{failures} failures: {:?}", next.report.envelope);
    }
    ensure!(told.iter().any(|told| told.report.envelope.held_up), "none was held up");
    // That one, and the one that a panic would leave.
    ensure!(gaps == 2 && !told[0].report.envelope.lost, "{gaps} gaps");
    Ok(())
}

/// Whether it is the same report, which may have been held up since.
fn is_again(one: &Told, next: &Told) -> bool {
    let mut again = one.report.clone();
    again.envelope.held_up |= next.report.envelope.held_up;
    one.report.envelope.sequence == next.report.envelope.sequence && again == next.report
}

/// Samples are of requests that were refused, by their ids.
fn samples(reports: &[Report], refused: &[&str], fingerprint: Fingerprint) -> Result<()> {
    let ordinal = |id: &&str| u32::from_str_radix(id.split('-').nth(1)?, 36).ok();
    let refused: Vec<u32> = refused.iter().filter_map(ordinal).collect();
    let sampled: Vec<_> = reports.iter().flat_map(|report| &report.body.samples).collect();
    let ordinals: BTreeSet<u32> = sampled.iter().map(|sample| sample.ordinal).collect();
    ensure!(ordinals.len() == sampled.len() && ordinals.iter().all(|ordinal| refused.contains(ordinal)));
    ensure!(refused[..4].iter().all(|ordinal| ordinals.contains(ordinal)), "the first of them are all kept");
    ensure!(sampled.len() < refused.len(), "not each of many");
    let all = |sample: &&Sample| sample.fingerprint == Some(fingerprint) && sample.refusal.as_str() == "disabled";
    ensure!(sampled.iter().all(all), "{sampled:?}");
    let hitters: Vec<_> = reports.iter().flat_map(|report| &report.body.hitters).collect();
    ensure!(hitters.iter().map(|hitter| hitter.count as usize).sum::<usize>() == refused.len());
    ensure!(hitters.iter().all(|hitter| refused.contains(&hitter.first) && refused.contains(&hitter.last)));
    Ok(())
}

/// Four refusals at one address, one at each of forty, and twenty at another, of which 32 are told, each with by
/// how much it may be too high.
fn addresses(reports: &[Report]) -> Result<()> {
    let mut sums: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for report in reports {
        ensure!(report.envelope.addresses.len() <= 32);
        for refused in &report.envelope.addresses {
            let sum = sums.entry(&refused.address).or_default();
            *sum = (sum.0 + refused.count, sum.1 + refused.error);
        }
    }
    ensure!(sums.values().map(|(count, _)| count).sum::<u32>() == 64, "each is counted once: {sums:?}");
    ensure!(sums["203.0.113.7"] == (4, 0) && sums["2001:db8::1"].1 > 0, "{sums:?}");
    for (address, (count, error)) in &sums {
        let truth = match *address {
            "203.0.113.7" => 4,
            "2001:db8::1" => 20,
            _ => 1,
        };
        ensure!((count - error..=*count).contains(&truth), "{address}: {sums:?}");
    }
    ensure!(!sums.contains_key("not an address"), "{sums:?}");
    Ok(())
}
