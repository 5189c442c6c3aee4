//! The table of who may do what, driven over HTTP cell by cell: every action, asked by every standing,
//! about what is their own and about what is another's.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::Method;
use keyward_control_plane::domain::permission::Permission;
use keyward_control_plane::domain::scope::Scope;
use serde_json::{Value, json};

use crate::service::{Reply, Service};
use crate::tokens;

/// Actions that no request here asks for. Each other one has at least one request; a new action has
/// to be put here or be given requests in [`asks`].
const WITHOUT_REQUESTS: [Permission; 1] = [
    // No route: the command line makes and revokes operators' tokens.
    Permission::OperatorManage,
];

/// The columns; of each the same six, about their own things and about another member's.
const STANDINGS: [&str; 6] = ["operator", "owner", "admin", "staff", "read-only", "lite"];

/// What is told whom. What they do not see is not found; what they see and may not do is forbidden.
const AGREED: &str = "\
WorkspaceCreate 2xx 403 403 403 403 403 | 2xx 403 403 403 403 403
WorkspaceRead   2xx 2xx 2xx 2xx 2xx 2xx | 2xx 2xx 2xx 2xx 2xx 2xx
WorkspaceEdit   2xx 2xx 2xx 403 403 403 | 2xx 2xx 2xx 403 403 403
WorkspaceGovern 2xx 403 403 403 403 403 | 2xx 403 403 403 403 403
WorkspaceDelete 2xx 403 403 403 403 403 | 2xx 403 403 403 403 403
MemberRead      2xx 2xx 2xx 2xx 2xx 2xx | 2xx 2xx 2xx 404 404 404
MemberManage    2xx 2xx 2xx 403 403 403 | 2xx 2xx 2xx 404 404 404
OwnerManage     2xx 2xx 403 404 404 404 | 2xx 2xx 403 404 404 404
TeamRead        2xx 2xx 2xx 2xx 2xx 2xx | 2xx 2xx 2xx 404 404 404
TeamManage      2xx 2xx 2xx 403 403 403 | 2xx 2xx 2xx 404 404 404
TokenRead       2xx 2xx 2xx 2xx 2xx 2xx | 2xx 2xx 2xx 404 404 404
TokenManage     2xx 2xx 2xx 2xx 2xx 2xx | 2xx 2xx 2xx 404 404 404
KeyRead         2xx 2xx 2xx 2xx 2xx 404 | 2xx 2xx 2xx 404 404 404
KeyCreate       2xx 2xx 2xx 2xx 2xx 403 | 2xx 2xx 2xx 403 403 403
KeyEdit         2xx 2xx 2xx 2xx 2xx 404 | 2xx 2xx 2xx 404 404 404
KeyRotate       2xx 2xx 2xx 2xx 2xx 404 | 2xx 2xx 2xx 404 404 404
KeyStop         2xx 2xx 2xx 2xx 2xx 404 | 2xx 2xx 2xx 404 404 404
KeyStart        2xx 2xx 2xx 2xx 2xx 404 | 2xx 2xx 2xx 404 404 404
KeyEnd          2xx 2xx 2xx 2xx 2xx 404 | 2xx 2xx 2xx 404 404 404
KeyAssign       2xx 2xx 2xx 403 403 404 | 2xx 2xx 2xx 404 404 404
KeyReveal       2xx 2xx 2xx 2xx 2xx 404 | 2xx 2xx 2xx 404 404 404
KeyLookup       2xx 2xx 2xx 403 403 403 | 2xx 2xx 2xx 403 403 403
KeyImport       2xx 403 403 403 403 403 | 2xx 403 403 403 403 403
Explain         2xx 2xx 2xx 403 403 403 | 2xx 2xx 2xx 403 403 403
AuditRead       2xx 2xx 2xx 403 403 403 | 2xx 2xx 2xx 403 403 403
CatalogueRead   2xx 2xx 2xx 2xx 2xx 2xx | 2xx 2xx 2xx 2xx 2xx 2xx
CatalogueManage 2xx 403 403 403 403 403 | 2xx 403 403 403 403 403
SettingsRead    2xx 2xx 2xx 2xx 2xx 2xx | 2xx 2xx 2xx 2xx 2xx 2xx
SettingsManage  2xx 403 403 403 403 403 | 2xx 403 403 403 403 403
SnapshotRead    2xx 403 403 403 403 403 | 2xx 403 403 403 403 403
";

/// Makes names unique.
static NAMES: AtomicU32 = AtomicU32::new(0);

fn fresh(stem: &str) -> String {
    format!("{stem}-{}", NAMES.fetch_add(1, Ordering::Relaxed))
}

/// One request.
type Ask = (Method, String, Value);

/// A workspace with somebody in it, or an operator beside it, who asks.
struct Scene<'a> {
    service: &'a Service,
    workspace: String,
    /// Who asks.
    token: String,
    /// Whose things it is about, and in which role they are.
    subject: String,
    role: &'a str,
    /// Whether these are their own.
    own: bool,
}

impl<'a> Scene<'a> {
    /// Somebody of that standing, about to ask about their own things or another's. An operator has
    /// none of their own.
    async fn of(service: &'a Service, standing: &'a str, own: bool) -> Self {
        let workspace = service.workspace(&fresh("Acme")).await;
        let other = service.member(&workspace, "staff").await;
        if standing == "operator" {
            let token = service.token(None, &[]).await;
            return Self { service, workspace, token, subject: other, role: "staff", own };
        }
        let (member, token) = service.somebody(&workspace, standing).await;
        let (subject, role) = if own { (member, standing) } else { (other, "staff") };
        Self { service, workspace, token, subject, role, own }
    }

    /// A read-only key of the subject's with a rotation that runs; made before the role had no keys.
    async fn key(&self) -> String {
        if self.role == "lite" {
            self.service.change_role(&self.subject, "staff").await;
        }
        let made = self.service.post(&format!("{}/keys", self.workspace), self.new_key()).await.is(201);
        let key = made.header("location").to_owned();
        self.service.post(&format!("{key}/rotate"), json!({ "grace_seconds": 600 })).await.is(200);
        if self.role == "lite" {
            self.service.change_role(&self.subject, "lite").await;
        }
        key
    }

    fn new_key(&self) -> Value {
        json!({ "name": fresh("key"), "access": "read-only", "apis": ["*"], "member_id": self.subject })
    }

    /// A token of the subject's.
    async fn token(&self) -> String {
        let made = self.service.post(&tokens::of(&self.workspace, &self.subject), new_token()).await.is(201);
        made.header("location").to_owned()
    }

    /// What whoever asks is told.
    async fn ask(&self, (method, path, body): &Ask) -> Reply {
        let call = self.service.request(method.clone(), path).bearer(&self.token);
        match path.as_str() {
            _ if method == Method::GET => call.send().await,
            "/v1/keys/import" => call.raw("application/x-ndjson", body.to_string()).send().await,
            _ => call.json(body).send().await,
        }
    }
}

fn new_token() -> Value {
    json!({ "name": "one", "scopes": ["tokens:write"] })
}

fn get(path: impl Into<String>) -> Ask {
    (Method::GET, path.into(), Value::Null)
}

fn post(path: impl Into<String>, body: Value) -> Ask {
    (Method::POST, path.into(), body)
}

fn patch(path: impl Into<String>, body: Value) -> Ask {
    (Method::PATCH, path.into(), body)
}

fn delete(path: impl Into<String>) -> Ask {
    (Method::DELETE, path.into(), json!({}))
}

/// Every request that this action is needed for, to be made in this order.
#[expect(clippy::too_many_lines, reason = "an arm for every action")]
async fn asks(scene: &Scene<'_>, permission: Permission) -> Vec<Ask> {
    let Scene { service, workspace, subject, .. } = scene;
    let verb = async |verb: &str| post(format!("{}/{verb}", scene.key().await), json!({ "grace_seconds": 900 }));
    let plain = async |verb: &str| post(format!("{}/{verb}", scene.key().await), json!({}));
    match permission {
        Permission::WorkspaceCreate => vec![post("/v1/workspaces", json!({ "name": "B" }))],
        Permission::WorkspaceRead => vec![get("/v1/workspaces"), get(workspace)],
        Permission::WorkspaceEdit => {
            let edit = json!({ "name": "B", "staff_max_access": "read-only", "metadata": {} });
            vec![patch(workspace, edit)]
        }
        Permission::WorkspaceGovern => [
            json!({ "status": "suspended" }),
            json!({ "status": "active" }),
            json!({ "slug": fresh("b") }),
            json!({ "max_keys": 10_000 }),
            json!({ "external_id": "b" }),
        ]
        .map(|edit| patch(workspace, edit))
        .to_vec(),
        Permission::WorkspaceDelete => {
            service.patch(workspace, json!({ "status": "suspended" })).await.is(200);
            vec![delete(workspace)]
        }
        Permission::MemberRead => vec![get(format!("{workspace}/members/{subject}"))],
        Permission::MemberManage => {
            // Without another one an owner would be the last, and stay.
            service.member(workspace, "owner").await;
            let (members, member) = (format!("{workspace}/members"), format!("{workspace}/members/{subject}"));
            let change = [patch(&member, json!({ "name": "B" })), delete(member)];
            let add = post(members, json!({ "name": "B", "role": "staff" }));
            scene.own.then_some(add).into_iter().chain(change).collect()
        }
        Permission::OwnerManage => {
            let owners = tokens::of(workspace, &service.member(workspace, "owner").await);
            vec![get(&owners), post(&owners, new_token()), delete(&owners)]
        }
        Permission::TeamRead => {
            vec![get(format!("{workspace}/teams/{}", service.team_with(workspace, Some(subject)).await))]
        }
        Permission::TeamManage => {
            let team = format!("{workspace}/teams/{}", service.team_with(workspace, Some(subject)).await);
            let change = [patch(&team, json!({ "name": fresh("team") })), delete(team)];
            let add = post(format!("{workspace}/teams"), json!({ "name": fresh("team") }));
            scene.own.then_some(add).into_iter().chain(change).collect()
        }
        Permission::TokenRead => vec![get(tokens::of(workspace, subject)), get(scene.token().await)],
        Permission::TokenManage => {
            let tokens = tokens::of(workspace, subject);
            vec![post(&tokens, new_token()), delete(scene.token().await), delete(&tokens)]
        }
        Permission::KeyRead => vec![get(scene.key().await)],
        Permission::KeyCreate => vec![post(format!("{workspace}/keys"), scene.new_key())],
        Permission::KeyEdit => vec![patch(scene.key().await, json!({ "name": fresh("other") }))],
        Permission::KeyRotate => {
            vec![post(format!("{}/rotate", scene.key().await), json!({ "grace_seconds": 0 }))]
        }
        Permission::KeyStop => {
            vec![plain("disable").await, plain("rotation/finish").await, plain("rotation/pause").await]
        }
        Permission::KeyStart => vec![
            plain("enable").await,
            plain("rotation/resume").await,
            plain("rotation/cancel").await,
            verb("rotation/extend").await,
        ],
        Permission::KeyEnd => vec![plain("archive").await, delete(scene.key().await)],
        Permission::KeyAssign => {
            let third = service.member(workspace, "staff").await;
            vec![patch(scene.key().await, json!({ "member_id": third }))]
        }
        Permission::KeyReveal => {
            service.patch(workspace, json!({ "reveal": "sealed" })).await.is(200);
            vec![post(format!("{}/reveal", scene.key().await), json!({}))]
        }
        Permission::KeyLookup => {
            let key = json!({ "name": fresh("key"), "access": "read-only", "apis": ["*"] });
            let made = service.post(&format!("{workspace}/keys"), key).await.is(201);
            vec![post("/v1/keys/lookup", json!({ "secret": made.text("secret") }))]
        }
        Permission::KeyImport => {
            let id = workspace.rsplit('/').next();
            vec![post("/v1/keys/import", json!({ "external_id": "1", "workspace": id, "name": fresh("key") }))]
        }
        Permission::Explain => vec![post("/v1/explain", json!({ "path": "/v1/data" }))],
        Permission::AuditRead => {
            let id = workspace.rsplit('/').next().unwrap();
            let events = service.get(&format!("/v1/audit/events?workspace={id}")).await.is(200);
            vec![
                get("/v1/audit/events"),
                get(format!("/v1/audit/events?workspace={id}")),
                get("/v1/audit/checkpoint"),
                get("/v1/audit/checkpoints"),
                get("/v1/audit/proof?from_size=1"),
                get(format!("/v1/audit/proof?seq={}", events.body["items"][0]["seq"])),
            ]
        }
        Permission::CatalogueRead => {
            service.put("/v1/apis/data", json!({})).await;
            vec![get("/v1/apis"), get("/v1/apis/data")]
        }
        Permission::CatalogueManage => {
            let api = format!("/v1/apis/{}", fresh("api"));
            service.put(&api, json!({})).await.is(201);
            let new = format!("/v1/apis/{}", fresh("api"));
            vec![(Method::PUT, new, json!({})), (Method::PUT, api.clone(), json!({})), delete(api)]
        }
        Permission::SettingsRead => vec![get("/v1/settings")],
        Permission::SettingsManage => vec![patch("/v1/settings", json!({ "realm": "B" }))],
        Permission::SnapshotRead => {
            vec![
                get("/v1/snapshot"),
                get("/v1/snapshot/head"),
                get("/v1/snapshot/objects/0a"),
                get("/v1/edges"),
                get("/v1/edges/refusals"),
            ]
        }
        Permission::OperatorManage => Vec::new(),
    }
}

/// Whether nobody can ask for more when it is done: the workspace is gone, or whoever asks, or the token.
fn ends_the_scene(permission: Permission) -> bool {
    matches!(permission, Permission::WorkspaceDelete | Permission::MemberManage | Permission::TokenManage)
}

/// What all requests of one cell are told alike; nothing where there is none.
async fn cell(scene: &Scene<'_>, permission: Permission, standing: &str) -> Option<String> {
    let mut cell = None;
    for ask in asks(scene, permission).await {
        let reply = scene.ask(&ask).await;
        let told = if reply.status.is_success() { "2xx".to_owned() } else { reply.status.as_u16().to_string() };
        match told.as_str() {
            "403" => reply.is_problem(403, "forbidden", None),
            "404" => reply.is_problem(404, "not_found", None),
            _ => {}
        }
        let first = cell.get_or_insert_with(|| told.clone());
        assert_eq!(*first, told, "{permission:?} {standing} {} {}: {}", ask.0, ask.1, reply.body);
    }
    cell
}

#[tokio::test]
async fn every_cell_of_the_table_is_as_agreed() {
    let service = Service::start().await;
    let mut table = String::new();
    let mut without_requests = Vec::new();
    let mut scenes = Vec::new();
    for (own, standing) in [true, false].into_iter().flat_map(|own| STANDINGS.map(|standing| (own, standing))) {
        scenes.push((own, standing, Scene::of(&service, standing, own).await));
    }
    for &permission in Permission::ALL {
        let mut halves = [Vec::new(), Vec::new()];
        for (own, standing, scene) in &scenes {
            let told = if ends_the_scene(permission) {
                cell(&Scene::of(&service, standing, *own).await, permission, standing).await
            } else {
                cell(scene, permission, standing).await
            };
            halves[usize::from(!own)].extend(told);
        }
        let halves = halves.map(|half| half.join(" "));
        if halves.iter().all(String::is_empty) {
            without_requests.push(permission);
        } else {
            let _ = writeln!(table, "{:<16}{}", format!("{permission:?}"), halves.join(" | "));
        }
    }
    assert_eq!(without_requests, WITHOUT_REQUESTS);
    assert!(table == AGREED, "{table}");
}

#[tokio::test]
async fn every_action_needs_its_own_scope_and_no_other() {
    let service = Service::start().await;
    for &permission in Permission::ALL {
        // Whoever manages an owner needs the scope of what is managed.
        let scope = match permission {
            Permission::OwnerManage => continue,
            _ => permission.scope(),
        };
        let others: Vec<_> = Scope::ALL.into_iter().filter(|&other| Some(other) != scope).map(Scope::as_str).collect();
        let narrowed = scope.map_or_else(|| others.clone(), |scope| vec![scope.as_str()]);
        for (scopes, told) in [(narrowed, "2xx"), (others, if scope.is_some() { "403" } else { "2xx" })] {
            let token = service.token(None, &scopes).await;
            let scene = Scene { token, ..Scene::of(&service, "operator", false).await };
            let cell = cell(&scene, permission, "narrowed").await;
            assert!(cell.is_none_or(|cell| cell == told), "{permission:?} {scopes:?}");
        }
    }
}
