//! The API over a database in a temporary directory, with a clock that tests set.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::http::{Method, StatusCode};
use keyward_control_plane::api::sign_ins::SignIns;
use keyward_control_plane::api::snapshot::{HeadBytes, SnapshotError, SnapshotSource, SnapshotStatus};
use keyward_control_plane::api::{self, ApiState};
use keyward_control_plane::clock::Clock;
use keyward_control_plane::config::ClientAddress;
use keyward_control_plane::domain::actor::Actor;
use keyward_control_plane::domain::audit::note::VerifierKey;
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::domain::token::TokenHash;
use keyward_control_plane::entropy::{self, SystemEntropy};
use keyward_control_plane::lifecycle::notary::Notary;
use keyward_control_plane::lifecycle::vault::Kek;
use keyward_control_plane::lifecycle::{Context, CreateToken, Entropy, Lifecycle, Vault};
use keyward_control_plane::receipts::Receipts;
use keyward_control_plane::store::sqlite::SqliteStore;
use keyward_shared::fingerprint::Pepper;
use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;

pub(crate) use crate::call::{Call, Reply};

/// The operator's token.
pub(crate) const TOKEN: &str = "kwt_operatoroperatoroperatoroperatoroperatorope";

/// What edges show.
pub(crate) const EDGE_CREDENTIAL: &str = "edge-credential-edge-credential-edge";

/// What fingerprints are made with.
pub(crate) const PEPPER: [u8; 32] = [1; 32];

/// What caches in front of the http lane show.
pub(crate) const LANE_TOKEN: &str = "lane-token-lane-token-lane-token-lane-token";

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;

/// The running API.
pub(crate) struct Service {
    router: Router,
    lifecycle: Lifecycle,
    notary: Arc<Notary>,
    dir: TempDir,
    clock: Arc<SetClock>,
    published: Arc<Published>,
    sign_ins: SignIns,
    receipts: Arc<Receipts>,
}

/// A clock that stands still until it is moved.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A publisher that has published one head and one object.
#[derive(Default)]
struct Published {
    halted: AtomicBool,
    nothing_yet: AtomicBool,
}

#[async_trait]
impl SnapshotSource for Published {
    async fn head(&self) -> Option<Arc<HeadBytes>> {
        let head = HeadBytes { bytes: b"head".to_vec(), etag: "\"head-1\"".to_owned() };
        (!self.nothing_yet.load(Ordering::SeqCst)).then(|| Arc::new(head))
    }

    async fn object(&self, name: &str) -> Result<Option<Vec<u8>>, SnapshotError> {
        match name {
            "0a" => Ok(Some(b"object".to_vec())),
            "slow" => std::future::pending().await,
            "panic" => panic!("a fault of ours"),
            "away" => Err(SnapshotError("no database".into())),
            _ => Ok(None),
        }
    }

    fn halted(&self) -> Option<String> {
        self.halted.load(Ordering::SeqCst).then(|| "KV is ahead of the record".to_owned())
    }

    async fn status(&self) -> Result<SnapshotStatus, SnapshotError> {
        Ok(SnapshotStatus {
            generation: 2,
            published_generation: 1,
            published_at: Some(UnixMillis::from_millis(START)),
            tree_generation: 1,
            objects: 3,
            bytes: 400,
            last_error: None,
        })
    }
}

impl Service {
    /// A new deployment with an operator.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(START)));
        Self::over(dir, clock).await
    }

    /// The same deployment after a restart.
    pub(crate) async fn restarted(self) -> Self {
        drop((self.router, self.lifecycle, self.notary));
        Self::over(self.dir, self.clock).await
    }

    async fn over(dir: TempDir, clock: Arc<SetClock>) -> Self {
        let url = format!("sqlite:{}", dir.path().join("keyward.db").display());
        let store = Arc::new(SqliteStore::open(&url).await.unwrap());
        let vault = Vault::new(Pepper::new(PEPPER), Kek::new([2; 32]));
        let notary = Arc::new(Notary::new(store.clone(), "test", &[3; 32]));
        let lifecycle = Lifecycle::new(store, Arc::new(vault)).with_notary(notary.clone());
        lifecycle.ensure_operator_token(&context(&clock), TOKEN, "operator").await.unwrap();
        let published = Arc::new(Published::default());
        let sign_ins = SignIns::default();
        let receipts = Arc::new(Receipts::default());
        let router = api::router(ApiState {
            lifecycle: lifecycle.clone(),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            snapshot: published.clone(),
            receipts: receipts.clone(),
            edge_credential: TokenHash::of(EDGE_CREDENTIAL),
            lane_token: Some(TokenHash::of(LANE_TOKEN)),
            client_address: ClientAddress::Peer,
            spool_dir: dir.path().into(),
            mailed_dir: Some(dir.path().into()),
            metrics: Arc::default(),
            sign_ins: sign_ins.clone(),
        });
        Self { router, lifecycle, notary, dir, clock, published, sign_ins, receipts }
    }

    /// Whether somebody waits to hear from edges.
    pub(crate) fn is_awaited(&self) -> bool {
        self.receipts.is_wanted()
    }

    /// As when the process is told to stop.
    pub(crate) fn end_waits(&self) {
        self.receipts.end();
    }

    /// Drops what is kept of edges no longer.
    pub(crate) async fn forget_edges(&self) -> u64 {
        self.lifecycle.forget_edges(self.clock.now()).await.unwrap()
    }

    /// Moves the clock.
    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// The time, in milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().as_millis().cast_unsigned()
    }

    /// A request with the operator's token.
    pub(crate) fn request(&self, method: Method, path: &str) -> Call<'_> {
        Call::new(&self.router, TOKEN, method, path)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.request(Method::POST, path).json(&body).send().await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.request(Method::PATCH, path).json(&body).send().await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.request(Method::PUT, path).json(&body).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, path).send().await
    }

    /// Makes a workspace and tells its path.
    pub(crate) async fn workspace(&self, name: &str) -> String {
        let made = self.post("/v1/workspaces", json!({ "name": name })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        format!("/v1/workspaces/{}", made.text("id"))
    }

    /// Makes a read-write key for every API and tells its path.
    pub(crate) async fn key(&self, workspace: &str, name: &str) -> String {
        let body = json!({ "name": name, "access": "read-write", "apis": ["*"] });
        let made = self.post(&format!("{workspace}/keys"), body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        format!("{workspace}/keys/{}", made.body["key"]["id"].as_str().unwrap())
    }

    /// Adds a member with this role to the workspace at that path, behind the API's back, and tells the
    /// member's identifier.
    pub(crate) async fn member(&self, workspace: &str, role: &str) -> String {
        let workspace: WorkspaceId = workspace.rsplit('/').next().unwrap().parse().unwrap();
        let id = MemberId::from_random(random());
        sqlx::query(
            "INSERT INTO member (id, workspace_id, kind, name, role, is_default, created_at, version)
             VALUES (?1, ?2, 'person', ?3, ?3, 0, ?4, 1)",
        )
        .bind(id.as_u64().cast_signed())
        .bind(workspace.as_u64().cast_signed())
        .bind(role)
        .bind(START)
        .execute(&self.database().await)
        .await
        .unwrap();
        id.to_string()
    }

    /// Makes a token behind the API's back: a member's, or an operator's; narrowed, where scopes are
    /// named.
    pub(crate) async fn token(&self, member: Option<&str>, scopes: &[&str]) -> String {
        let member = member.map(|member| member.parse::<MemberId>().unwrap().as_u64().cast_signed());
        let text = format!("kwt_{:043}", u64::from_be_bytes(random()));
        let TokenHash(hash) = TokenHash::of(&text);
        sqlx::query(
            "INSERT INTO token (id, member_id, name, hash, scopes, created_at) VALUES (?1, ?2, 'token', ?3, ?4, ?5)",
        )
        .bind(i64::from_be_bytes(random()))
        .bind(member)
        .bind(&hash[..])
        .bind(json!(scopes).to_string())
        .bind(START)
        .execute(&self.database().await)
        .await
        .unwrap();
        text
    }

    /// Makes an operator's token that is valid for so many seconds, as `keyward token create` does.
    pub(crate) async fn operator_token(&self, seconds: u32) -> String {
        let verb = CreateToken { name: "short".to_owned(), expires_at: Some(self.clock.now().plus_seconds(seconds)) };
        let (created, _) = self.lifecycle.execute(&context(&self.clock), verb).await.unwrap();
        created.text.to_string()
    }

    /// A member with this role, and a token that has all of the role's rights.
    pub(crate) async fn somebody(&self, workspace: &str, role: &str) -> (String, String) {
        let member = self.member(workspace, role).await;
        let token = self.token(Some(&member), &[]).await;
        (member, token)
    }

    /// Gives a member another role behind the API's back.
    pub(crate) async fn change_role(&self, member: &str, role: &str) {
        let member: MemberId = member.parse().unwrap();
        let query = sqlx::query("UPDATE member SET role = ?2 WHERE id = ?1");
        query.bind(member.as_u64().cast_signed()).bind(role).execute(&self.database().await).await.unwrap();
    }

    /// Adds a team, with this member in it, behind the API's back, and tells the team's identifier.
    pub(crate) async fn team_with(&self, workspace: &str, member: Option<&str>) -> String {
        let workspace: WorkspaceId = workspace.rsplit('/').next().unwrap().parse().unwrap();
        let (id, database) = (TeamId::from_random(random()), self.database().await);
        sqlx::query("INSERT INTO team (id, workspace_id, name, created_at, version) VALUES (?1, ?2, ?3, ?4, 1)")
            .bind(id.as_u64().cast_signed())
            .bind(workspace.as_u64().cast_signed())
            .bind(id.to_string())
            .bind(START)
            .execute(&database)
            .await
            .unwrap();
        if let Some(member) = member {
            let member: MemberId = member.parse().unwrap();
            let query = sqlx::query("INSERT INTO member_team (member_id, team_id) VALUES (?1, ?2)");
            let query = query.bind(member.as_u64().cast_signed()).bind(id.as_u64().cast_signed());
            query.execute(&database).await.unwrap();
        }
        id.to_string()
    }

    /// The paths of all routes. The router tells them to programmers only.
    pub(crate) fn routes(&self) -> BTreeSet<String> {
        let told = format!("{:?}", self.router);
        let told = told.split("fallback_router").next().unwrap_or_default();
        let paths = told.split("RouteId(").filter_map(|part| part.split_once(": \"")?.1.split('"').next());
        paths.map(str::to_owned).collect()
    }

    async fn database(&self) -> sqlx::SqlitePool {
        let url = format!("sqlite:{}", self.dir.path().join("keyward.db").display());
        sqlx::SqlitePool::connect(&url).await.unwrap()
    }

    /// By which checkpoints are verified.
    pub(crate) fn verifier(&self) -> VerifierKey {
        self.notary.verifier(1).unwrap()
    }

    /// Locks the database as another process could, until the connection is dropped.
    pub(crate) async fn lock_database(&self) -> sqlx::SqliteConnection {
        let url = format!("sqlite:{}", self.dir.path().join("keyward.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        connection
    }

    /// Does something to the database behind the API's back.
    pub(crate) async fn behind(&self, sql: &str) {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&self.database().await).await.unwrap();
    }

    /// Puts a file where exports wait to be fetched.
    pub(crate) fn leave_file(&self, name: &str, content: &[u8]) {
        std::fs::write(self.dir.path().join(name), content).unwrap();
    }

    /// Takes it away again.
    pub(crate) fn lose_file(&self, name: &str) {
        std::fs::remove_file(self.dir.path().join(name)).unwrap();
    }

    /// The newest committed generation.
    pub(crate) async fn generation(&self) -> i64 {
        let query = sqlx::query_scalar("SELECT generation FROM counter");
        query.fetch_one(&self.database().await).await.unwrap()
    }

    /// The calls and the refusals counted of the key at that path.
    pub(crate) async fn usage_of(&self, key: &str) -> (i64, i64) {
        let key: KeyId = key.rsplit('/').next().unwrap().parse().unwrap();
        let sql = "SELECT coalesce(sum(calls), 0), coalesce(sum(refused), 0)
            FROM secret_usage JOIN secret ON secret.id = secret_id WHERE key_id = ?1";
        let query = sqlx::query_as(sql).bind(key.as_u64().cast_signed());
        query.fetch_one(&self.database().await).await.unwrap()
    }

    /// Lets the publisher stop until an operator has decided.
    pub(crate) fn halt_publishing(&self) {
        self.published.halted.store(true, Ordering::SeqCst);
    }

    /// Lets nothing have been published.
    pub(crate) fn unpublish(&self) {
        self.published.nothing_yet.store(true, Ordering::SeqCst);
    }

    /// How many audit events of changes there are. Of refused tries to sign in nobody knows when they are told.
    pub(crate) async fn audit_events(&self) -> i64 {
        let query = sqlx::query_scalar("SELECT count(*) FROM audit_event WHERE action <> 'Login'");
        query.fetch_one(&self.database().await).await.unwrap()
    }

    /// Action, entity and target of each audit event of a generation, and of which request it is.
    pub(crate) async fn events_of(&self, generation: i64) -> Vec<(String, String, String, String)> {
        let sql = "SELECT action, entity, target_id, request_id FROM audit_event WHERE generation = ?1 ORDER BY seq";
        sqlx::query_as(sql).bind(generation).fetch_all(&self.database().await).await.unwrap()
    }

    /// Everything the newest audit event of a change says in words: action, entity, reason, request.
    pub(crate) async fn last_event(&self) -> (String, String, Option<String>, String) {
        let sql = "SELECT action, entity, reason, request_id FROM audit_event WHERE action <> 'Login'
            ORDER BY seq DESC LIMIT 1";
        sqlx::query_as(sql).fetch_one(&self.database().await).await.unwrap()
    }

    /// The details of each audit event of an action, oldest first.
    pub(crate) async fn details_of(&self, action: &str) -> Vec<Value> {
        let query = sqlx::query_scalar("SELECT details FROM audit_event WHERE action = ?1 ORDER BY seq").bind(action);
        let rows: Vec<String> = query.fetch_all(&self.database().await).await.unwrap();
        rows.iter().map(|details| serde_json::from_str(details).unwrap()).collect()
    }

    /// Every audit event, with all that is stored of it, hashes and what it is found by apart.
    pub(crate) async fn audit_log(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', actor_id, actor_name, target_id, target_name, reason, details, request_id)
            FROM audit_event ORDER BY seq";
        sqlx::query_scalar(sql).fetch_all(&self.database().await).await.unwrap()
    }

    /// Tells the audit log of refused tries to sign in that wait, as is done each minute.
    pub(crate) async fn tell_waiting(&self) {
        self.sign_ins.tell_waiting(&self.lifecycle, self.clock.now()).await;
    }

    /// Who made the newest audit event of a change, and for whom: kind, identifier, name, member.
    pub(crate) async fn last_actor(&self) -> (String, String, String, Option<String>) {
        let sql = "SELECT actor_kind, actor_id, actor_name, on_behalf_of FROM audit_event WHERE action <> 'Login'
            ORDER BY seq DESC LIMIT 1";
        sqlx::query_as(sql).fetch_one(&self.database().await).await.unwrap()
    }
}

/// What a command does its work in.
fn context(clock: &SetClock) -> Context {
    let bytes = entropy::draw::<{ Entropy::BYTES }>(&SystemEntropy).unwrap();
    Context::new(Actor::system("test"), clock.now(), Entropy::from_bytes(&bytes))
}

/// Eight random bytes.
fn random() -> [u8; 8] {
    entropy::draw::<8>(&SystemEntropy).unwrap()[..].try_into().unwrap()
}
