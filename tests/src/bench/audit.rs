//! The audit log with a million events: how soon something is found in it, what an export costs, and how
//! many events a second it takes.

mod events;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use xtask::build::native::{self, Profile};
use xtask::step;

use super::database::{Filled, Population};
use super::figures::{as_f64, milliseconds, percentile};
use super::rest::Connection;
use super::serving::Serving;
use super::{Report, Row, Scale, Target};
use crate::clients;

const EVENTS: u64 = 1_000_000;
/// Keys beside them, to be disabled and enabled.
const POPULATION: Population = Population { keys: 1_000, crowd: 1_000 };
const FIRST_PAGE: Target = Target::AtMost(100.0);
const RATE: Target = Target::AtLeast(2_000.0);
const EXPORT_MEMORY: Target = Target::AtMost(32.0);
/// Events of a page.
const LIMIT: u32 = 50;
/// Times that each question is asked.
const ASKED: u64 = 100;
const EXPORT_SECONDS: &str = "900";
/// Tasks that write through the library, and connections that do over REST.
const TASKS: u64 = 64;
const CONNECTIONS: u64 = 16;
/// The folder of a copy that those tasks write to.
const WRITERS: &str = "writers";
/// Keys of one bulk change.
const BULK: usize = 1_000;

/// Measures and reports.
pub(super) fn measure(scale: Scale) -> Result<Report> {
    let long = Duration::from_secs(if scale.full { 60 } else { 20 });
    let program = native::keyward(Profile::Release)?;
    let filled = Arc::new(Filled::with(&program, POPULATION)?);
    let database = filled.copy()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    eprintln!("Filling in {EVENTS} events");
    let file = database.data_dir().join("keyward.db");
    runtime.block_on(events::fill(&file, EVENTS))?;
    let bare = fs::metadata(&file)?.len();
    eprintln!("Bringing them into tree and search");
    let began = Instant::now();
    let mut rows = Vec::new();
    let migrating = xtask::parts::control_plane::ControlPlane {
        program: program.clone(),
        data_dir: database.data_dir(),
        listen: xtask::parts::ports::free()?,
        database: None,
        kv_url: None,
        settings: Vec::new(),
    };
    clients::run(&mut migrating.command("migrate"))?;
    let took = began.elapsed();
    rows.push(Row::new(format!("{EVENTS} events into tree and search"), took.as_secs_f64(), "s"));
    let whole = fs::metadata(&file)?.len();
    rows.push(Row::new("of disk for tree and search, an event", as_f64(whole - bare) / as_f64(EVENTS), "bytes"));
    // Migrating has left all of it in the one file.
    fs::create_dir(database.beside(WRITERS))?;
    fs::copy(&file, database.beside(WRITERS).join("audit-writers.db"))?;
    let serving = Serving::start(&program, database, None, None)?;
    rows.extend(pages(&runtime, &serving, &filled)?);
    rows.extend(exports(&serving)?);
    rows.extend(written(&runtime, &serving, &filled, long)?);
    let mut report = Report::new("audit", rows);
    report.note = Some(format!(
        "A page is of {LIMIT} events, asked for {ASKED} times over one connection, each time for another value. \
         Through the library {TASKS} tasks disable and enable keys of their own, with tree and search, commits \
         synced; over REST the client's own work is on the same cores."
    ));
    Ok(report)
}

async fn connect(serving: &Serving) -> Result<Connection> {
    Connection::open(serving.control_plane.listen, serving.admin.token().context("no token")?).await
}

/// A question to the log.
#[derive(Clone, Copy)]
struct Question {
    name: &'static str,
    /// The filters, the nth time that it is asked.
    filters: fn(u64) -> Result<String>,
    answer: Answer,
    /// Whether an admin of a workspace asks, of which few events are.
    by_member: bool,
}

/// What is to be answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Events,
    Nothing,
    /// That too many words begin so.
    Refusal,
}

const QUESTIONS: &[Question] = &[
    asks("no filter", |_| Ok(String::new())),
    asks("workspace", |nth| Ok(format!("workspace={}", events::workspace(nth)))),
    asks("team", |nth| Ok(format!("team={}", events::team(nth, nth)))),
    asks("two teams", |nth| Ok(format!("team={}&team={}", events::team(nth, 0), events::team(nth + 1, 1)))),
    asks("actor's team", |nth| Ok(format!("actor_team={}", events::team(nth, nth)))),
    asks("a common action", |_| Ok("action=Update".to_owned())),
    asks("a rare action", |_| Ok("action=Export".to_owned())),
    asks("actor", |nth| Ok(format!("actor={}", events::member(nth, nth)))),
    asks("entity", |_| Ok("entity=Members".to_owned())),
    asks("target", |nth| Ok(format!("target={}", events::key(nth * 997)))),
    asks("a day, far back", days),
    asks("workspace and action", |nth| Ok(format!("workspace={}&action=Reveal", events::workspace(nth)))),
    asks("a day, far back, and action", |nth| Ok(format!("{}&action=Reveal", days(nth)?))),
    asks("`q`, a word of each event", |_| Ok("q=key".to_owned())),
    asks("`q`, a word of one event", |_| Ok(format!("q={}", events::RARE_WORD))),
    asks("`q`, a name", |nth| Ok(format!("q=service%20{}", nth % 1_000))),
    asks("`q`, the beginning of a word of one", |_| Ok("q=moon*".to_owned())),
    asks("`q`, the beginning of 11,111 external ids", |nth| Ok(format!("q=cus_{}*", 10 + nth % 90))),
    asks("`q`, two such beginnings", |nth| Ok(format!("q=cus_{0}*+cus_{0}*", 10 + nth % 90))),
    asks("`q` and workspace", |nth| Ok(format!("q=ticket&workspace={}", events::workspace(nth)))),
    in_vain("two filters of many events each that never meet", |_| Ok("action=Update&entity=Members".to_owned())),
    in_vain("a filter of many events and a `q` of many that never meet", |_| Ok("entity=Members&q=edit".to_owned())),
    in_vain("a `q` that nothing has", |nth| Ok(format!("q=nowhere{nth}"))),
    asks("a second of an hour of 200,000 events", busy_second),
    asks("such a second, and action", |nth| Ok(format!("{}&action=Update", busy_second(nth)?))),
    in_vain("such a second, and an action that it has not", |nth| Ok(format!("{}&action=Import", busy_second(nth)?))),
    asks("up to the begin of that hour", |_| Ok(format!("to={}", events::busy_second(0)?[0]))),
    refused("the beginning of a word of each", |_| Ok("q=ord*".to_owned())),
    refused("the beginning of each one's external id", |_| Ok("q=cus_*".to_owned())),
    refused("two beginnings, of many and of all", |_| Ok("q=cus_12*+cus_*".to_owned())),
    by_member(in_vain("a `q` of other workspaces' words", |nth| Ok(format!("q=service+{}", nth % 1_000)))),
    by_member(in_vain("the beginning of others' external ids", |nth| Ok(format!("q=cus_{}*", 10 + nth % 90)))),
    by_member(refused("the beginning of each one's external id", |_| Ok("q=cus_*".to_owned()))),
];

const fn asks(name: &'static str, filters: fn(u64) -> Result<String>) -> Question {
    Question { name, filters, answer: Answer::Events, by_member: false }
}

const fn in_vain(name: &'static str, filters: fn(u64) -> Result<String>) -> Question {
    Question { name, filters, answer: Answer::Nothing, by_member: false }
}

const fn refused(name: &'static str, filters: fn(u64) -> Result<String>) -> Question {
    Question { name, filters, answer: Answer::Refusal, by_member: false }
}

const fn by_member(question: Question) -> Question {
    Question { by_member: true, ..question }
}

fn busy_second(nth: u64) -> Result<String> {
    let [from, to] = events::busy_second(nth * 37)?;
    Ok(format!("from={from}&to={to}"))
}

/// One day of the first thirty of about 280.
fn days(nth: u64) -> Result<String> {
    let day = 24 * 60 * 2;
    let (from, to) = (events::at(nth % 30 * day + 1)?, events::at((nth % 30 + 1) * day)?);
    Ok(format!("from={from}&to={to}"))
}

/// The token of an admin of a workspace that has its own few events.
fn member(serving: &Serving, filled: &Filled) -> Result<String> {
    let members = format!("{}/members", filled.crowd_path());
    let ada = serving.admin.post(&members, &json!({ "name": "Ada", "role": "admin" }))?.must_be(201)?.json()?;
    let tokens = format!("{members}/{}/tokens", ada["id"].as_str().context("no id")?);
    let made = serving.admin.post(&tokens, &json!({ "name": "audit" }))?.must_be(201)?.json()?;
    Ok(made["secret"].as_str().context("no token")?.to_owned())
}

/// The first page of each question.
fn pages(runtime: &Runtime, serving: &Serving, filled: &Filled) -> Result<Vec<Row>> {
    let mut operator = runtime.block_on(connect(serving))?;
    let token = member(serving, filled)?;
    let mut member = runtime.block_on(Connection::open(serving.control_plane.listen, &token))?;
    let mut rows = Vec::new();
    for Question { name, filters, answer: wanted, by_member } in QUESTIONS {
        let (connection, by) = if *by_member { (&mut member, "by a member, ") } else { (&mut operator, "") };
        let kind = if *wanted == Answer::Refusal { "refusal" } else { "first page" };
        eprintln!("Asking for {by}{name}");
        let mut times = Vec::new();
        for nth in 0..ASKED {
            let path = format!("/v1/audit/events?limit={LIMIT}&{}", filters(nth)?);
            let path = path.trim_end_matches('&').replace(' ', "%20");
            let began = Instant::now();
            let answer = runtime.block_on(connection.get(&path))?;
            times.push(began.elapsed());
            if *wanted == Answer::Refusal {
                answer.json(400)?;
                continue;
            }
            let page = answer.json(200)?;
            let found = page["items"].as_array().map_or(0, Vec::len);
            ensure!((found == 0) == (*wanted == Answer::Nothing), "{path}: {found} events");
        }
        times.sort_unstable();
        let row = |percent| {
            Row::new(format!("{kind}, {by}{name}: p{percent}"), milliseconds(percentile(&times, percent)), "ms")
        };
        rows.extend([row(50), row(99).target(FIRST_PAGE)]);
    }
    Ok(rows)
}

/// All events, in both formats: how long, and how much memory.
fn exports(serving: &Serving) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for format in ["jsonl", "csv"] {
        eprintln!("Exporting as {format}");
        serving.forget_peak_memory()?;
        let before = serving.peak_memory_mib()?;
        let file = serving.database.beside(&format!("audit.{format}"));
        let token = serving.admin.token().context("no token")?;
        let began = Instant::now();
        clients::run(
            clients::curl()
                .args(["--max-time", EXPORT_SECONDS, "--fail", "--header"])
                .arg(format!("Authorization: Bearer {token}"))
                .arg("--output")
                .arg(&file)
                .arg(format!("{}/v1/audit/export?format={format}", serving.control_plane.url())),
        )?;
        let took = began.elapsed();
        let grown = serving.peak_memory_mib()? - before;
        let lines = BufReader::new(fs::File::open(&file)?).lines().count() as u64;
        ensure!(lines >= EVENTS, "{lines} lines are exported of {EVENTS} events");
        fs::remove_file(&file)?;
        rows.push(Row::new(format!("export of {EVENTS} events, {format}"), took.as_secs_f64(), "s"));
        let memory = format!("the server's memory above what it was, export as {format}");
        rows.push(Row::new(memory, grown, "MiB").target(EXPORT_MEMORY));
    }
    Ok(rows)
}

/// Events a second: through the library, one change a request, and in bulk.
fn written(runtime: &Runtime, serving: &Serving, filled: &Arc<Filled>, long: Duration) -> Result<Vec<Row>> {
    eprintln!("Writing through the library for {} s", long.as_secs());
    let writers = native::example("audit_writers")?;
    let folder = serving.database.beside(WRITERS);
    let mut command = std::process::Command::new(writers);
    command.arg(&folder).args([long.as_secs().to_string(), TASKS.to_string()]);
    let said = clients::run(&mut command).with_context(|| step::shown(&command))?;
    let said: Value = serde_json::from_str(&said)?;
    let figure = |name: &str| said[name].as_f64().with_context(|| format!("no {name} in {said}"));
    let name = format!("events behind the {EVENTS} through the library, {TASKS} tasks");
    let rate = figure("events")? / (figure("micros")? / 1e6);
    let time = |percent| anyhow::Ok(figure(&format!("p{percent}_micros"))? / 1e3);
    let mut rows = vec![
        Row::new(name.clone(), rate, "events/s").target(RATE),
        Row::new(format!("{name}: p50"), time(50)?, "ms"),
        Row::new(format!("{name}: p99"), time(99)?, "ms"),
    ];
    eprintln!("Writing over REST");
    let rate = runtime.block_on(single(serving, filled, long))?;
    rows.push(Row::new(format!("events over REST, a change each, {CONNECTIONS} connections"), rate, "events/s"));
    let rate = runtime.block_on(bulk(serving, filled, long))?;
    rows.push(Row::new(format!("events over REST, in bulk changes of {BULK} keys"), rate, "events/s"));
    Ok(rows)
}

/// What a key is told, in turns.
const fn turn(nth: u64) -> &'static str {
    if nth.is_multiple_of(2) { "disable" } else { "enable" }
}

/// Each connection disables and enables a key of its own.
async fn single(serving: &Serving, filled: &Arc<Filled>, long: Duration) -> Result<f64> {
    let began = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..CONNECTIONS {
        let mut connection = connect(serving).await?;
        let path = filled.key_path(number);
        tasks.push(tokio::spawn(async move {
            let mut done = 0;
            while began.elapsed() < long {
                let (action, name) = (turn(done), format!("single-{number}-{done}"));
                connection.post(&format!("{path}/{action}"), &name, "{}").await?.json(200)?;
                done += 1;
            }
            anyhow::Ok(done)
        }));
    }
    let mut events = 0;
    for task in tasks {
        events += task.await??;
    }
    Ok(as_f64(events) / began.elapsed().as_secs_f64())
}

/// All keys of a workspace, again and again: an event for each, and one for the change.
async fn bulk(serving: &Serving, filled: &Arc<Filled>, long: Duration) -> Result<f64> {
    let mut connection = connect(serving).await?;
    let path = format!("{}/keys/bulk", filled.crowd_path());
    let (began, mut events, mut nth) = (Instant::now(), 0, 0);
    while began.elapsed() < long {
        let body = json!({ "filter": { "environment": "live" }, "action": turn(nth) }).to_string();
        let answer = connection.post(&path, &format!("bulk-{nth}"), &body).await?.json(200)?;
        let changed = answer["changed"].as_u64().context("no `changed`")?;
        ensure!(changed == BULK as u64, "{changed} keys of {BULK}");
        events += changed + 1;
        nth += 1;
    }
    Ok(as_f64(events) / began.elapsed().as_secs_f64())
}
