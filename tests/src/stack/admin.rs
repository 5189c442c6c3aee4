//! The REST API as an operator uses it, with the few calls that almost every test makes.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use xtask::parts::http::{Answer, Client};

/// Makes the names that tests give unique within a run.
static NAMES: AtomicU64 = AtomicU64::new(0);

/// The secrets that were answered so far, so that a test can look where else they are.
pub(crate) type Secrets = Arc<Mutex<Vec<String>>>;

/// The REST API with the operator's token; any other call goes through [`Client`].
#[derive(Clone)]
pub struct Admin {
    client: Client,
    secrets: Secrets,
}

/// A key as it was answered when it was made or given a new secret.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The workspace's id.
    pub workspace: String,
    /// The key's id.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// The first generation that carries it.
    pub generation: u64,
}

impl NewKey {
    /// The key's path in the REST API.
    pub fn path(&self) -> String {
        format!("/v1/workspaces/{}/keys/{}", self.workspace, self.id)
    }
}

impl Admin {
    pub(crate) fn new(client: Client, secrets: Secrets) -> Self {
        Self { client, secrets }
    }

    /// A name that no other test of this run uses: lower-case, fit for a slug.
    pub fn fresh_name(&self, stem: &str) -> String {
        format!("{stem}-{}", NAMES.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes a workspace and returns it as the contract words it.
    pub fn workspace(&self, stem: &str) -> Result<Value> {
        let name = self.fresh_name(stem);
        let answer = self.post("/v1/workspaces", &json!({"name": name, "slug": name}))?;
        let body = answer.must_be(201)?.json()?;
        Ok(if body["workspace"].is_object() { body["workspace"].clone() } else { body })
    }

    /// Makes a workspace with one key in it, read-write for every API.
    pub fn key(&self, stem: &str) -> Result<NewKey> {
        self.key_with(stem, json!({}))
    }

    /// The same, with further members of the request's body or others in place of the usual ones.
    pub fn key_with(&self, stem: &str, members: Value) -> Result<NewKey> {
        let workspace = self.workspace(stem)?;
        let workspace = workspace["id"].as_str().context("a workspace without id")?;
        self.key_in(workspace, stem, members)
    }

    /// Makes a key in a workspace that is there.
    pub fn key_in(&self, workspace: &str, stem: &str, members: Value) -> Result<NewKey> {
        let mut body = json!({"name": self.fresh_name(stem), "access": "read-write", "apis": ["*"]});
        if let (Some(body), Value::Object(members)) = (body.as_object_mut(), members) {
            body.extend(members);
        }
        let answer = self.post(&format!("/v1/workspaces/{workspace}/keys"), &body)?;
        let answer = answer.must_be(201)?.json()?;
        self.note(&answer);
        Ok(NewKey {
            workspace: workspace.to_owned(),
            id: text(&answer["key"], "id")?,
            // A key that was brought as a hash has no secret to show.
            secret: answer["secret"].as_str().unwrap_or_default().to_owned(),
            generation: generation(&answer)?,
        })
    }

    /// Brings a key of the test's own by its SHA-256, read-write for every API.
    pub fn bring(&self, workspace: &str, stem: &str, secret: &str) -> Result<NewKey> {
        let digest = hex::encode(Sha256::digest(secret));
        let key = self.key_in(workspace, stem, json!({"sha256": digest}))?;
        Ok(NewKey { secret: secret.to_owned(), ..key })
    }

    /// Sends lines to be imported, and returns what is said of each.
    pub fn import(&self, lines: &[Value]) -> Result<Vec<Value>> {
        let body = lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat();
        let ndjson = Some(("application/x-ndjson", body.into_bytes()));
        let answer = self.send_bytes("POST", "/v1/keys/import", &[], ndjson)?.must_be(200)?;
        answer.text().lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Makes an API with these routes, or gives it these, and returns the generation that carries them.
    pub fn api(&self, name: &str, routes: &Value) -> Result<u64> {
        let answer = self.put(&format!("/v1/apis/{name}"), &json!({"title": name, "routes": routes}))?;
        ensure!(answer.status == 200 || answer.status == 201, "the API was not taken: {}", answer.text());
        generation(&answer.json()?)
    }

    /// POSTs one of a key's verbs (`disable`, `enable`, `rotate`, `rotation/finish`, …).
    pub fn act(&self, key: &NewKey, verb: &str, body: &Value) -> Result<Value> {
        let answer = self.try_act(key, verb, body)?.must_be(200)?.json()?;
        self.note(&answer);
        Ok(answer)
    }

    /// The same without a look at the answer's status.
    pub fn try_act(&self, key: &NewKey, verb: &str, body: &Value) -> Result<Answer> {
        self.post(&format!("{}/{verb}", key.path()), body)
    }

    /// Starts a rotation, or regenerates with a grace of 0; returns the key with its new secret.
    pub fn rotate(&self, key: &NewKey, grace_seconds: u32) -> Result<NewKey> {
        let answer = self.act(key, "rotate", &json!({"grace_seconds": grace_seconds}))?;
        Ok(NewKey { secret: text(&answer, "secret")?, generation: generation(&answer)?, ..key.clone() })
    }

    /// Every secret that was answered to this or another handle of the same stack.
    pub fn secrets(&self) -> Vec<String> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, answer: &Value) {
        if let Some(secret) = answer["secret"].as_str() {
            self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(secret.to_owned());
        }
    }

    /// What is published, as `GET /v1/snapshot` says it.
    pub fn snapshot(&self) -> Result<Value> {
        self.get("/v1/snapshot")?.must_be(200)?.json()
    }
}

impl Deref for Admin {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// The generation that a mutation's answer names.
pub fn generation(answer: &Value) -> Result<u64> {
    answer["generation"].as_u64().with_context(|| format!("no generation in {answer}"))
}

fn text(value: &Value, name: &str) -> Result<String> {
    let text = value[name].as_str().with_context(|| format!("no `{name}` in {value}"))?;
    Ok(text.to_owned())
}
