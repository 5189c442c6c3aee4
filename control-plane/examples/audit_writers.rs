//! How many events a second the audit log takes: tasks that each disable and enable a key of their own,
//! through the use cases themselves, with tree and search, commits synced. For `cargo xtask bench audit`.
//!
//! `audit_writers FOLDER SECONDS TASKS` goes on with the database in the folder, `audit-writers.db`, or makes it, and
//! prints a line of JSON.

use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyward_control_plane::clock::{Clock as _, SystemClock};
use keyward_control_plane::domain::actor::Actor;
use keyward_control_plane::domain::key::Environment;
use keyward_control_plane::domain::restrictions::RestrictionsInput;
use keyward_control_plane::entropy::{self, SystemEntropy};
use keyward_control_plane::lifecycle::vault::Kek;
use keyward_control_plane::lifecycle::{
    Context, CreateKey, CreateWorkspace, DisableKey, EnableKey, Entropy, KeyFields, KeyRef, KeySource, Lifecycle,
    PutApi, Refusal, Vault, Verb,
};
use keyward_control_plane::store::AuditStore as _;
use keyward_control_plane::store::sqlite::SqliteStore;
use keyward_shared::fingerprint::Pepper;
use keyward_shared::policy::Access;
use serde_json::{Map, json};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [folder, seconds, tasks] = &*words else { return Err("audit_writers FOLDER SECONDS TASKS".into()) };
    let (long, tasks) = (Duration::from_secs(seconds.parse()?), tasks.parse::<usize>()?);
    let url = format!("sqlite:{}", Path::new(folder).join("audit-writers.db").display());
    let store = SqliteStore::open(&url).await?;
    let vault = Vault::new(Pepper::new([1; 32]), Kek::new([2; 32]));
    let lifecycle = Lifecycle::new(Arc::new(store.clone()), Arc::new(vault));
    let keys = keys(&lifecycle, tasks).await?;

    let before = store.tree().await?.edge.size();
    let began = Instant::now();
    let writers = keys.into_iter().map(|key| {
        let lifecycle = lifecycle.clone();
        tokio::spawn(async move { toggled(&lifecycle, key, began + long).await })
    });
    let mut times = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        times.extend(writer.await??);
    }
    let took = began.elapsed();
    let events = store.tree().await?.edge.size() - before;
    if events != times.len() as u64 {
        return Err(format!("{events} events in the tree of {} that were told of", times.len()).into());
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default().as_micros();
    println!("{}", json!({ "events": events, "micros": took.as_micros(), "p50_micros": at(50), "p99_micros": at(99) }));
    store.close().await;
    Ok(())
}

/// Disables and enables a key until then; how long each took.
async fn toggled(lifecycle: &Lifecycle, target: KeyRef, until: Instant) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        if times.len() % 2 == 0 {
            run(lifecycle, DisableKey { target }).await?;
        } else {
            run(lifecycle, EnableKey { target }).await?;
        }
        times.push(began.elapsed());
    }
    Ok(times)
}

/// So many keys of one workspace.
async fn keys(lifecycle: &Lifecycle, number: usize) -> Result<Vec<KeyRef>, Failure> {
    run(lifecycle, PutApi { name: "data".to_owned(), title: None, routes: Vec::new() }).await?;
    let workspace = CreateWorkspace {
        name: "acme".to_owned(),
        slug: None,
        staff_max_access: None,
        reveal: None,
        max_keys: None,
        external_id: None,
        metadata: Map::new(),
    };
    let workspace = run(lifecycle, workspace).await?.id;
    let mut keys = Vec::new();
    for number in 0..number {
        let fields = KeyFields {
            name: format!("key {number}"),
            access: Access::ReadOnly,
            apis: vec!["data".to_owned()],
            environment: Environment::Live,
            member_id: None,
            team_id: None,
            expires_at: None,
            rotate_every_days: None,
            restrictions: RestrictionsInput::default(),
            external_id: None,
            metadata: Map::new(),
        };
        let created = run(lifecycle, CreateKey { workspace, fields, source: KeySource::Generate }).await?;
        keys.push(KeyRef { workspace, key: created.key.key.id });
    }
    Ok(keys)
}

async fn run<V: Verb>(lifecycle: &Lifecycle, verb: V) -> Result<V::Answer, Failure> {
    let bytes = entropy::draw::<{ Entropy::BYTES }>(&SystemEntropy)?;
    let context = Context::new(Actor::system("bench"), SystemClock.now(), Entropy::from_bytes(&bytes));
    let done: Result<_, Refusal> = lifecycle.execute(&context, verb).await;
    Ok(done?.0)
}
