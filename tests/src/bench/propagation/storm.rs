//! Ten thousand changes in a minute: what KV is asked, and how soon a key that is disabled in the middle of
//! them is refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::line::{Line, Question};
use super::load::Load;
use crate::bench::figures::{as_f64, milliseconds};
use crate::bench::{Row, Target};
use crate::stack::NewKey;
use crate::{Fleet, FleetOptions, Lanes};

const CONNECTIONS: u32 = 16;
const SPAN: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(20);
/// How often keys are disabled in the middle of it, a second apart.
const DISABLED: usize = 5;

pub(super) fn measure(changes: u32, within: Duration) -> Result<Vec<Row>> {
    let fleet = Fleet::start(&FleetOptions::new(1, Lanes::Both).as_shipped())?;
    let admin = fleet.admin()?;
    let steady = admin.key("steady")?;
    let make =
        |count| (0..count).map(|_| admin.key_in(&steady.workspace, "stormy", json!({}))).collect::<Result<Vec<_>>>();
    let (victims, keys) = (make(DISABLED)?, make(CONNECTIONS as usize)?);
    fleet.applied(fleet.published()?["generation"].as_u64().context("no generation")?)?;
    let edge = fleet.edge(0).address();
    eprintln!("Measuring {changes} changes in {} s", within.as_secs());
    let load = Load::start(&[edge], &steady.secret)?;
    let (began, seen, made) = (Instant::now(), fleet.kv()?.calls().len(), AtomicU64::new(0));
    let refused_after = thread::scope(|scope| {
        let writers: Vec<_> =
            keys.iter().map(|key| scope.spawn(|| write(&fleet, key, changes / CONNECTIONS, within, &made))).collect();
        thread::sleep(within / 3);
        let mut slowest = Duration::ZERO;
        for victim in &victims {
            admin.act(victim, "disable", &json!({}))?;
            let acknowledged = Instant::now();
            let (mut line, question) = (Line::to(edge)?, Question::of(&victim.secret));
            while line.ask(&question)? != 401 {
                ensure!(acknowledged.elapsed() < PATIENCE, "it is never refused");
                thread::sleep(Duration::from_millis(5));
            }
            slowest = slowest.max(acknowledged.elapsed());
            thread::sleep(Duration::from_millis(700));
        }
        for writer in writers {
            writer.join().ok().context("a thread panicked")??;
        }
        anyhow::Ok(slowest)
    })?;
    let took = began.elapsed();
    load.end()?;
    fleet.published()?;
    let calls: Vec<Instant> = fleet.kv()?.calls().iter().skip(seen).map(|call| call.at).collect();
    let within_span = |from: &Instant| calls.iter().filter(|at| (*from..*from + SPAN).contains(*at)).count();
    let most = calls.iter().map(within_span).max().unwrap_or_default();
    let violations = fleet.kv()?.violations();
    ensure!(violations.is_empty() || !calls.is_empty(), "KV was never asked");
    let made = as_f64(made.into_inner());
    Ok(vec![
        Row::new(
            format!("{changes} changes asked for in {} s: made a second", within.as_secs()),
            made / took.as_secs_f64(),
            "/s",
        )
        .target(Target::AtLeast(0.95 * f64::from(changes) / within.as_secs_f64())),
        Row::new("the same: KV calls a second, of any 10 s", as_f64(most as u64) / SPAN.as_secs_f64(), "/s")
            .target(Target::AtMost(2.0)),
        Row::new("the same: calls that Cloudflare would have refused", as_f64(violations.len() as u64), "calls")
            .target(Target::AtMost(0.0)),
        Row::new(
            format!("the same: disable acknowledged to first 401 over http, slowest of {DISABLED}"),
            milliseconds(refused_after).round(),
            "ms",
        )
        .target(Target::AtMost(1_500.0)),
    ])
}

/// Renames a key again and again, at an even pace.
fn write(fleet: &Fleet, key: &NewKey, changes: u32, within: Duration, made: &AtomicU64) -> Result<()> {
    let (admin, began) = (fleet.admin()?, Instant::now());
    for change in 0..changes {
        thread::sleep((within * change / changes).saturating_sub(began.elapsed()));
        admin.patch(&key.path(), &json!({"name": format!("{}-{change}", key.id)}))?.must_be(200)?;
        made.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
