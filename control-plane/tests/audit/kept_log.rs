//! A log with checkpoints, in a database that can be written to at will and put back.

use std::path::PathBuf;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use keyward_control_plane::domain::actor::Actor;
use keyward_control_plane::domain::audit::merkle::{Edge, Hash, Place};
use keyward_control_plane::domain::audit::{
    Action, AuditEvent, Details, Entity, LoggedEvent, Target, canonical, hash, search,
};
use keyward_control_plane::domain::text::Reason;
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::lifecycle::notary::Notary;
use keyward_control_plane::store::audit::{AuditStore as _, StoredCheckpoint};
use keyward_control_plane::store::sqlite::{DatabaseSource, SqliteStore};
use keyward_control_plane::verify::{Report, Trust, Witness, verify};
use keyward_shared::id::{TeamId, WorkspaceId};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection};
use tempfile::TempDir;

/// Whose log it is.
pub(crate) const DEPLOYMENT: &str = "acme";
/// The seed of its signing key.
pub(crate) const SEED: [u8; 32] = [7; 32];
/// The largest number that a double holds with all before it: the next has the same canonical form.
pub(crate) const EDGE_OF_DOUBLES: u64 = 1 << 53;
const START: i64 = 1_760_000_000_000;

pub(crate) struct KeptLog {
    _dir: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) events: Vec<LoggedEvent>,
    pub(crate) checkpoints: Vec<StoredCheckpoint>,
}

impl KeptLog {
    /// A log of `groups` groups of `size` events, with a checkpoint behind each.
    pub(crate) async fn make(groups: u64, size: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyward.db");
        let store = Arc::new(SqliteStore::open(&format!("sqlite:{}", path.display())).await.unwrap());
        let notary = Notary::new(Arc::clone(&store) as Arc<_>, DEPLOYMENT, &SEED);
        let mut checkpoints = Vec::new();
        for group in 0..groups {
            let numbers = group * size..(group + 1) * size;
            store.tell(numbers.clone().map(event).collect()).await.unwrap();
            checkpoints.extend(notary.sign(at(numbers.end)).await.unwrap());
        }
        let mut events = Vec::new();
        for seq in 1..=groups * size {
            events.push(store.event(seq).await.unwrap().unwrap());
        }
        store.close().await;
        Self { _dir: dir, path, events, checkpoints }
    }

    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.events.len()).unwrap()
    }

    /// A way to the database past all that guards it.
    pub(crate) async fn connect(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(&self.path).connect().await.unwrap()
    }

    /// Its newest checkpoint, as somebody kept it elsewhere.
    pub(crate) fn witness(&self) -> Witness {
        let kept = self.checkpoints.last().unwrap();
        Witness { from: "an edge".to_owned(), checkpoint: trust().open(&kept.note).unwrap() }
    }
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&SEED)
}

pub(crate) fn trust() -> Trust {
    let keys = vec![signing_key().verifying_key().to_bytes()];
    Trust { keys, named: Vec::new(), deployment: Some(DEPLOYMENT.to_owned()) }
}

/// What is found in the database as the connection sees it.
pub(crate) async fn look(connection: SqliteConnection, witnesses: Vec<Witness>) -> (SqliteConnection, Report) {
    look_by_pages(connection, witnesses, 1_024).await
}

/// The same, so many events at a time.
pub(crate) async fn look_by_pages(
    connection: SqliteConnection,
    witnesses: Vec<Witness>,
    page_size: u64,
) -> (SqliteConnection, Report) {
    let mut source = DatabaseSource::over(connection).await.unwrap().with_pages_of(page_size);
    let report = verify(&mut source, witnesses, &trust()).await.unwrap();
    (source.into_inner(), report)
}

pub(crate) async fn run(connection: &mut SqliteConnection, sql: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(connection).await.unwrap();
}

fn at(number: u64) -> UnixMillis {
    // Ten minutes apart, so that the log has many hours.
    UnixMillis::from_millis(START + i64::try_from(number).unwrap() * 600_000)
}

/// An event like none before it.
pub(crate) fn event(number: u64) -> AuditEvent {
    let mut actor = Actor::system("kept log");
    actor.team_ids = (0..number % 3).map(TeamId::from_u64).collect();
    actor.ip = (number.is_multiple_of(2)).then(|| [10, 0, 0, 1].into());
    actor.request_id = format!("req_{number}");
    let before = json!({ "name": format!("Key {number}"), "é": 0.1, "weight": 1.5e-7 });
    let after = json!({ "name": format!("Key {number} \"new\""), "é": 0.2, "weight": null });
    AuditEvent {
        at: at(number),
        actor,
        action: [Action::Create, Action::Update, Action::Disable][usize::try_from(number % 3).unwrap()],
        entity: Entity::ApiKeys,
        target: Target { id: format!("key_{number:011}"), name: format!("Key {number}") },
        workspace_id: (!number.is_multiple_of(5)).then(|| WorkspaceId::from_u64(number)),
        team_id: (number.is_multiple_of(4)).then(|| TeamId::from_u64(number)),
        reason: (number % 2 == 1).then(|| Reason::parse("reason", "as they asked").unwrap()),
        details: Details::new("patch", Some(&before), Some(&after)).with("limit", EDGE_OF_DOUBLES),
    }
}

/// Writes an event over the one with its number, or where there is none.
pub(crate) async fn put(connection: &mut SqliteConnection, document: &Value, hash: Hash) {
    put_all(connection, &[(document.clone(), hash)]).await;
}

async fn put_all(connection: &mut SqliteConnection, events: &[(Value, Hash)]) {
    let rows: Vec<Value> = events.iter().map(|(document, hash)| row(document, *hash)).collect();
    let columns: Vec<String> = (0..18).map(|column| format!("value ->> {column}")).collect();
    let sql = format!(
        "INSERT OR REPLACE INTO audit_event (seq, at, actor_kind, actor_id, actor_name, actor_ip, on_behalf_of, \
         action, entity, target_id, target_name, workspace_id, team_id, actor_team_ids, reason, details, request_id, \
         generation, hash) SELECT {}, unhex(value ->> 18) FROM json_each(?1)",
        columns.join(", ")
    );
    let rows = Value::from(rows).to_string();
    sqlx::query(AssertSqlSafe(sql)).bind(rows).execute(connection).await.unwrap();
}

fn row(document: &Value, hash: Hash) -> Value {
    let text = |part: &Value| String::from_utf8(canonical(part).unwrap()).unwrap();
    let at = UnixMillis::parse(document["at"].as_str().unwrap()).unwrap();
    let workspace = document["workspace_id"].as_str().map(|id| id.parse::<WorkspaceId>().unwrap().as_u64());
    let team = document["team_id"].as_str().map(|id| id.parse::<TeamId>().unwrap().as_u64());
    let actor = &document["actor"];
    json!([
        document["seq"],
        at.as_millis(),
        actor["kind"],
        actor["id"],
        actor["name"],
        actor["ip"],
        actor["on_behalf_of"],
        document["action"],
        document["entity"],
        document["target"]["id"],
        document["target"]["name"],
        workspace,
        team,
        text(&document["actor_team_ids"]),
        document["reason"],
        text(&document["details"]),
        document["request_id"],
        document["generation"],
        hex::encode(hash),
    ])
}

/// Writes the whole log anew from these events, as if it had always been so: numbers, hashes, tree,
/// hours and what finds them. Only what was signed stays.
pub(crate) async fn rewrite(connection: &mut SqliteConnection, documents: &[Value]) -> Vec<Hash> {
    let mut edge = Edge::empty();
    let (mut nodes, mut rows, mut roots, mut found) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (seq, document) in (1_u64..).zip(documents) {
        let mut document = document.clone();
        document["seq"] = seq.into();
        let leaf = hash(&document).unwrap();
        let mut keep = |place: Place, hash: Hash| nodes.push((place.0, hex::encode(hash)));
        keep(Place::new(0, seq - 1), leaf);
        edge.push(leaf, keep);
        roots.push(edge.root());
        found.push((seq, search::facets(&document), search::words(&document)));
        rows.push((document, leaf));
    }
    run(
        connection,
        "DELETE FROM audit_event; DELETE FROM audit_node; DELETE FROM audit_time; DELETE FROM audit_search",
    )
    .await;
    put_all(connection, &rows).await;
    sqlx::query("INSERT INTO audit_node SELECT value ->> 0, unhex(value ->> 1) FROM json_each(?1)")
        .bind(json!(nodes).to_string())
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO audit_search (rowid, facets, words) SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)",
    )
    .bind(json!(found).to_string())
    .execute(&mut *connection)
    .await
    .unwrap();
    let size = edge.size();
    run(
        connection,
        format!(
            "INSERT INTO audit_time SELECT 3600000, at / 3600000, min(seq), max(seq) FROM audit_event GROUP BY 2;
             INSERT INTO audit_time SELECT 1000, at / 1000, min(seq), max(seq) FROM audit_event GROUP BY 2;
             UPDATE audit_log SET size = {size}; UPDATE counter SET audit_seq = {size}"
        ),
    )
    .await;
    roots
}
