//! A deployment in a temporary directory, with a clock that is set and random bytes that are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use keyward_control_plane::domain::actor::{Actor, ActorKind};
use keyward_control_plane::domain::change::Generation;
use keyward_control_plane::domain::key::Environment;
use keyward_control_plane::domain::member::Role;
use keyward_control_plane::domain::restrictions::RestrictionsInput;
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::domain::workspace::Workspace;
use keyward_control_plane::lifecycle::vault::Kek;
use keyward_control_plane::lifecycle::{
    Context, CreateKey, CreateWorkspace, CreatedKey, Entropy, KeyFields, KeyRef, KeySource, KeyView, Lifecycle,
    LineEntropy, PutApi, Refusal, Vault, Verb,
};
use keyward_control_plane::store::sqlite::SqliteStore;
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::{Digest, Fingerprint, Pepper};
use keyward_shared::id::{MemberId, WorkspaceId};
use keyward_shared::policy::Access;
use serde_json::Map;
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _};
use tempfile::TempDir;

/// The time at which every test begins.
pub(crate) const START: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);

pub(crate) struct House {
    dir: TempDir,
    pub(crate) store: SqliteStore,
    pub(crate) lifecycle: Lifecycle,
    drawn: AtomicU64,
    now: AtomicI64,
}

/// Keyward itself, who may do everything.
pub(crate) fn system() -> Actor {
    Actor::system("test")
}

/// A member, with a token that is not narrowed.
pub(crate) fn acting(member: MemberId) -> Actor {
    Actor { kind: ActorKind::Member, member: Some(member), ..system() }
}

pub(crate) fn vault() -> Vault {
    Vault::new(Pepper::new([1; 32]), Kek::new([2; 32]))
}

impl House {
    /// A deployment with the APIs `data` (number 1) and `push` (number 2).
    pub(crate) async fn new() -> Self {
        let house = Self::empty().await;
        for name in ["data", "push"] {
            let put = PutApi { name: name.to_owned(), title: None, routes: Vec::new() };
            house.run(put).await.expect("an API");
        }
        house
    }

    pub(crate) async fn empty() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(&url(&dir)).await.expect("a store");
        let lifecycle = Lifecycle::new(Arc::new(store.clone()), Arc::new(vault()));
        Self { dir, store, lifecycle, drawn: AtomicU64::new(0), now: AtomicI64::new(START.as_millis()) }
    }

    /// The same database, opened again by another process.
    pub(crate) async fn restarted(self) -> Self {
        self.store.close().await;
        let store = SqliteStore::open(&url(&self.dir)).await.expect("a store");
        let lifecycle = Lifecycle::new(Arc::new(store.clone()), Arc::new(vault()));
        Self { store, lifecycle, ..self }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis::from_millis(self.now.load(Ordering::Relaxed))
    }

    pub(crate) fn pass(&self, seconds: u32) {
        self.now.fetch_add(i64::from(seconds) * 1000, Ordering::Relaxed);
    }

    pub(crate) fn context(&self) -> Context {
        Context::new(system(), self.now(), Entropy::from_bytes(&self.draw()))
    }

    pub(crate) fn line_entropy(&self) -> LineEntropy {
        LineEntropy::from_bytes(&self.draw())
    }

    fn draw<const BYTES: usize>(&self) -> [u8; BYTES] {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut bytes = [0; BYTES];
        for (part, chunk) in (0_u8..).zip(bytes.chunks_mut(32)) {
            let drawn = Sha256::new().chain_update(number).chain_update([part]).finalize();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
        bytes
    }

    pub(crate) async fn run<V: Verb>(&self, verb: V) -> Result<V::Answer, Refusal> {
        self.lifecycle.execute(&self.context(), verb).await.map(|(answer, _)| answer)
    }

    /// Adds a member with this role, behind the store's back.
    pub(crate) async fn member(&self, workspace: WorkspaceId, role: Role) -> MemberId {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let (id, home, role) = (number.cast_signed() << 32, workspace.as_u64().cast_signed(), role.as_str());
        let sql = format!(
            "INSERT INTO member (id, workspace_id, kind, name, role, is_default, created_at, version)
             VALUES ({id}, {home}, 'person', '{role}', '{role}', 0, 0, 1)"
        );
        self.rows(&sql).await;
        MemberId::from_u64(id.cast_unsigned())
    }

    /// What [`House::run`] does, as that member.
    pub(crate) async fn run_as<V: Verb>(&self, member: MemberId, verb: V) -> Result<V::Answer, Refusal> {
        let context = Context { actor: acting(member), ..self.context() };
        self.lifecycle.execute(&context, verb).await.map(|(answer, _)| answer)
    }

    pub(crate) async fn workspace(&self, name: &str) -> Workspace {
        self.run(workspace(name)).await.expect("a workspace")
    }

    pub(crate) async fn key(&self, workspace: WorkspaceId, name: &str) -> (KeyRef, ApiKey) {
        let CreatedKey { key, secret } = self.run(create(workspace, name)).await.expect("a key");
        (target(&key), secret.expect("a secret"))
    }

    pub(crate) async fn view(&self, target: KeyRef) -> KeyView {
        self.lifecycle.get_key(&system(), target, self.now()).await.expect("a key")
    }

    /// What the last mutation left for the publisher: fingerprints and whether it was narrowing, the
    /// settings as nothing.
    pub(crate) async fn touched(&self) -> Vec<(Option<Fingerprint>, bool)> {
        let sql = "SELECT fingerprint, narrowing FROM outbox
            WHERE generation = (SELECT generation FROM counter) ORDER BY fingerprint";
        self.rows(sql).await.iter().map(|row| (read_fingerprint(row.get(0)), row.get(1))).collect()
    }

    /// The secrets of a key: fingerprint, slot, deadline in seconds, whether a snapshot holds it.
    pub(crate) async fn secrets(&self, target: KeyRef) -> Vec<(Fingerprint, Option<i64>, Option<i64>, bool)> {
        let id = target.key.as_u64().cast_signed();
        let sql = format!("SELECT fingerprint, slot, deadline_s, live FROM secret WHERE key_id = {id} ORDER BY id");
        let rows = self.rows(&sql).await;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            (read_fingerprint(row.get(0)).expect("a fingerprint"), row.get(1), row.get(2), row.get(3))
        };
        rows.iter().map(read).collect()
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].get(0)
    }

    pub(crate) async fn generation(&self) -> u64 {
        let Generation(generation) = self.lifecycle.generation().await.expect("a generation");
        generation
    }

    pub(crate) async fn events(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM audit_event").await
    }

    /// Asks the database behind the store's back.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<sqlx::sqlite::SqliteRow> {
        let mut connection = self.connection().await;
        sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("rows")
    }

    pub(crate) async fn connection(&self) -> sqlx::SqliteConnection {
        let options: SqliteConnectOptions = url(&self.dir).parse().expect("a URL");
        options.connect().await.expect("a connection")
    }

    /// Every byte that the database has on disk.
    pub(crate) fn disk(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.dir.path()).expect("a directory");
        files.flat_map(|file| std::fs::read(file.expect("a file").path()).expect("its bytes")).collect()
    }
}

fn url(dir: &TempDir) -> String {
    format!("sqlite:{}", dir.path().join("keyward.db").display())
}

fn read_fingerprint(bytes: Vec<u8>) -> Option<Fingerprint> {
    bytes.try_into().ok().map(Fingerprint::from_bytes)
}

pub(crate) fn fingerprint(secret: &ApiKey) -> Fingerprint {
    Pepper::new([1; 32]).fingerprint(&Digest::of(secret))
}

pub(crate) fn target(key: &KeyView) -> KeyRef {
    KeyRef { workspace: key.key.workspace_id, key: key.key.id }
}

pub(crate) fn workspace(name: &str) -> CreateWorkspace {
    CreateWorkspace {
        name: name.to_owned(),
        slug: None,
        staff_max_access: None,
        reveal: None,
        max_keys: None,
        external_id: None,
        metadata: Map::new(),
    }
}

pub(crate) fn fields(name: &str) -> KeyFields {
    KeyFields {
        name: name.to_owned(),
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
    }
}

pub(crate) fn create(workspace: WorkspaceId, name: &str) -> CreateKey {
    CreateKey { workspace, fields: fields(name), source: KeySource::Generate }
}

pub(crate) fn bring(workspace: WorkspaceId, name: &str, sha256: &str) -> CreateKey {
    CreateKey { source: KeySource::Sha256(sha256.to_owned()), ..create(workspace, name) }
}
