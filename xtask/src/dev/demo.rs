//! What a first start makes through the REST API: three APIs, a workspace, a key. Later starts keep
//! what they find, edits included, and make a new key only when the old one is of no use.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::parts::http::{Answer, Client};
use crate::stop;

const APIS: [(&str, &str); 3] = [("data", "Data"), ("segmentation", "Segmentation"), ("push", "Push")];
const SLUG: &str = "demo";
/// How long the edge may take to know the key.
const PATIENCE: Duration = Duration::from_mins(1);
const ASK_EVERY: Duration = Duration::from_millis(100);
/// A refusal counts once it has lasted this long at an edge that is up to date.
const REFUSED_FOR: Duration = Duration::from_secs(3);
/// How many names are tried for a new key.
const MOST_KEYS: usize = 100;

/// The demo key, secret and all.
pub(super) struct DemoKey {
    pub(super) workspace_id: String,
    pub(super) id: String,
    pub(super) secret: String,
}

/// The two ends that the demo is made and tried at.
pub(super) struct Demo {
    pub(super) admin: Client,
    pub(super) edge: Client,
}

impl Demo {
    /// A demo key that the edge accepts: the last one, or a new one.
    pub(super) fn key(&self, last: Option<DemoKey>) -> Result<DemoKey> {
        if let Some(key) = last
            && self.is_active(&key)?
            && self.is_accepted(&key)?
        {
            return Ok(key);
        }
        self.make_apis()?;
        let workspace = self.workspace()?;
        let key = self.make_key(workspace)?;
        ensure!(self.is_accepted(&key)?, "the edge refuses the new demo key");
        Ok(key)
    }

    fn is_active(&self, key: &DemoKey) -> Result<bool> {
        let path = format!("/v1/workspaces/{}/keys/{}", key.workspace_id, key.id);
        let answer = self.admin.get(&path)?;
        match answer.status {
            200 => Ok(answer.json()?["status"] == "active"),
            404 => Ok(false),
            _ => bail!("the control plane does not tell of the demo key: {}", answer.text()),
        }
    }

    /// Whether the edge accepts the key once it knows all that the control plane does.
    fn is_accepted(&self, key: &DemoKey) -> Result<bool> {
        let newest = self.admin.get("/v1/snapshot")?.must_be(200)?.json()?["generation"].clone();
        let credentials = basic(&key.secret);
        let started = Instant::now();
        let mut refused_since = None;
        loop {
            ensure!(!stop::requested(), "stopped");
            let answer = self.edge.send("GET", "/v1/ping", &[("authorization", credentials.as_str())], None)?;
            match answer.status {
                200 => return Ok(true),
                401 if self.edge_knows(&newest)? => {
                    let since = *refused_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > REFUSED_FOR {
                        return Ok(false);
                    }
                }
                _ => {}
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "the edge does not accept the demo key after {} s, it answers {}: {}",
                PATIENCE.as_secs(),
                answer.status,
                answer.text()
            );
            thread::sleep(ASK_EVERY);
        }
    }

    fn edge_knows(&self, generation: &Value) -> Result<bool> {
        let status = self.edge.get("/.keyward/status")?.must_be(200)?.json()?;
        Ok(status["generation"].as_u64() >= generation.as_u64())
    }

    fn make_apis(&self) -> Result<()> {
        let known = self.admin.get("/v1/apis")?.must_be(200)?.json()?;
        for (name, title) in APIS {
            if items(&known).any(|api| api["name"] == name) {
                continue;
            }
            let body = json!({"title": title, "routes": [{"path_prefix": format!("/v1/{name}")}]});
            made(self.admin.put(&format!("/v1/apis/{name}"), &body)?)
                .with_context(|| format!("cannot make the API {name}"))?;
        }
        Ok(())
    }

    /// The demo workspace's id; made when no page of the list holds it.
    fn workspace(&self) -> Result<String> {
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/workspaces?limit=200{cursor}");
            let page = self.admin.get(&path)?.must_be(200)?.json()?;
            if let Some(found) = items(&page).find(|workspace| workspace["slug"] == SLUG) {
                return text(found, "id");
            }
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        let body = json!({"name": "Demo", "slug": SLUG});
        let workspace =
            made(self.admin.post("/v1/workspaces", &body)?).context("cannot make the demo workspace")?.json()?;
        // A creation may wrap what it made, with the generation beside it.
        text(&workspace, "id").or_else(|_| text(&workspace["workspace"], "id"))
    }

    fn make_key(&self, workspace_id: String) -> Result<DemoKey> {
        for number in 1..=MOST_KEYS {
            let name = if number == 1 { "demo".to_owned() } else { format!("demo {number}") };
            let body = json!({"name": name, "access": "read-write", "apis": ["*"]});
            let answer = self.admin.post(&format!("/v1/workspaces/{workspace_id}/keys"), &body)?;
            if answer.status == 409 && answer.json()?["code"] == "name_taken" {
                continue;
            }
            let answer = made(answer).context("cannot make the demo key")?.json()?;
            return Ok(DemoKey { workspace_id, id: text(&answer["key"], "id")?, secret: text(&answer, "secret")? });
        }
        bail!("all names for a demo key are taken; delete some of the demo workspace's keys")
    }
}

fn made(answer: Answer) -> Result<Answer> {
    let status = if answer.status == 200 { 200 } else { 201 };
    answer.must_be(status)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn text(value: &Value, name: &str) -> Result<String> {
    let text = value[name].as_str().with_context(|| format!("the answer has no `{name}`"))?;
    Ok(text.to_owned())
}

/// The credentials `KEY:` of HTTP Basic (RFC 7617).
fn basic(key: &str) -> String {
    format!("Basic {}", base64::engine::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{key}:")))
}
