//! `keyward doctor`: shows on the running parts that a key works at the edge and that
//! disabling it stops it there, and how long each took.
//!
//! It uses nothing but the public API, like any other client, and cleans up after itself
//! also when a step fails. It never prints a secret.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::CliError;
use crate::http_client;
use crate::secrets::{self, SecretText};

/// Show that a key works at the edge, and stops working when it is disabled
///
/// Makes a temporary workspace and key, pings the edge until the key is accepted, disables
/// the key, pings until it is refused, and deletes both. Exits with 0 when all of that went
/// as it should, with 1 otherwise. Prints times, never the key.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Doctor {
    /// Base URL of the edge
    #[arg(long, value_name = "URL")]
    edge: Url,
    /// Base URL of the control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    control_plane: Url,
    /// File that holds an operator's token
    #[arg(long, value_name = "FILE", default_value = ".keyward/secrets/operator-token")]
    token_file: PathBuf,
    /// How long to wait for the edge at each step; over KV a minute or two are usual
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// How often the edge is asked.
const PING_EVERY: Duration = Duration::from_millis(100);

/// One exchange takes no longer.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(10);

/// What doctor says when a step does not go as it should.
#[derive(Debug, thiserror::Error)]
enum Finding {
    #[error("{what} did not answer: {source}")]
    Unreachable { what: String, source: reqwest::Error },
    #[error("{what} answered {status}{code}")]
    Refused { what: String, status: StatusCode, code: String },
    #[error("{what} answered without `{member}`; is that a Keyward control plane?")]
    Incomplete { what: String, member: &'static str },
    #[error(
        "the edge still answered {last} to the key after {seconds} s, instead of {wanted}; \
         look at `GET /v1/snapshot` of the control plane and `GET /.keyward/status` of the edge"
    )]
    TooLate { wanted: u16, last: String, seconds: u64 },
}

impl Doctor {
    pub(super) async fn run(self) -> Result<ExitCode, CliError> {
        let token = secrets::file::read(&self.token_file)
            .map_err(|source| CliError::Io { path: self.token_file.clone(), source })?;
        let client = http_client::builder()
            .timeout(EXCHANGE_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(CliError::Client)?;
        let visit = Visit {
            client,
            token,
            control_plane: self.control_plane,
            edge: self.edge,
            limit: Duration::from_secs(self.timeout),
        };
        match visit.make().await {
            Ok(()) => {
                println!("all is well");
                Ok(ExitCode::SUCCESS)
            }
            Err(finding) => {
                println!("not well: {finding}");
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

struct Visit {
    client: Client,
    token: SecretText,
    control_plane: Url,
    edge: Url,
    limit: Duration,
}

impl Visit {
    async fn make(&self) -> Result<(), Finding> {
        let settings = self.call(Method::GET, "v1/settings", None).await?;
        let ping_path = text(&settings, "GET /v1/settings", "ping_path")?.to_owned();
        println!("control plane    answers, {}", self.control_plane);
        let status = self.edge_status().await?;
        println!("edge             answers, {}, snapshot {status}", self.edge);

        let name = format!("doctor-{}", std::process::id());
        let body = json!({ "name": name, "reason": "keyward doctor" });
        let made = self.call(Method::POST, "v1/workspaces", Some(body)).await?;
        let workspace = text(&made, "POST /v1/workspaces", "id")?.to_owned();
        let outcome = self.try_a_key(&workspace, &ping_path).await;
        let cleaned = self.clean_up(&workspace).await;
        if cleaned.is_ok() {
            println!("cleaned up       the workspace is deleted");
        }
        outcome.and(cleaned)
    }

    async fn try_a_key(&self, workspace: &str, ping_path: &str) -> Result<(), Finding> {
        let keys = format!("v1/workspaces/{workspace}/keys");
        let body = json!({
            "name": "doctor", "access": "read-only", "apis": ["*"], "reason": "keyward doctor",
        });
        let started = Instant::now();
        let made = self.call(Method::POST, &keys, Some(body)).await?;
        let secret = Zeroizing::new(text(&made, "POST keys", "secret")?.to_owned());
        let key = text(&made["key"], "POST keys", "id")?.to_owned();
        println!("created          {key}, {}", generation(&made));

        let outcome = async {
            let took = self.ping_until(ping_path, &secret, 200, started).await?;
            println!("accepted         after {}", seconds(took));
            let disable = format!("{keys}/{key}/disable");
            let body = json!({ "reason": "keyward doctor" });
            let started = Instant::now();
            let answer = self.call(Method::POST, &disable, Some(body)).await?;
            println!("disabled         {}", generation(&answer));
            let took = self.ping_until(ping_path, &secret, 401, started).await?;
            println!("refused          after {}", seconds(took));
            Ok(())
        }
        .await;
        let path = format!("{keys}/{key}?reason=keyward%20doctor");
        outcome.and(self.call(Method::DELETE, &path, None).await.map(|_| ()))
    }

    async fn clean_up(&self, workspace: &str) -> Result<(), Finding> {
        let path = format!("v1/workspaces/{workspace}");
        let suspend = json!({ "status": "suspended", "reason": "keyward doctor" });
        self.call(Method::PATCH, &path, Some(suspend)).await?;
        let path = format!("{path}?reason=keyward%20doctor");
        self.call(Method::DELETE, &path, None).await?;
        Ok(())
    }

    /// Asks the edge until it answers the key as wanted, and tells how long after `started`.
    async fn ping_until(&self, path: &str, secret: &str, wanted: u16, started: Instant) -> Result<Duration, Finding> {
        loop {
            let url = join(&self.edge, path);
            let answer = self.client.get(url).basic_auth(secret, Some("")).send().await;
            let took = started.elapsed();
            let last = match answer {
                Ok(answer) if answer.status().as_u16() == wanted => return Ok(took),
                Ok(answer) => answer.status().as_u16().to_string(),
                Err(_) => "nothing".to_owned(),
            };
            if took > self.limit {
                return Err(Finding::TooLate { wanted, last, seconds: took.as_secs() });
            }
            tokio::time::sleep(PING_EVERY).await;
        }
    }

    async fn edge_status(&self) -> Result<String, Finding> {
        let what = "the edge".to_owned();
        let url = join(&self.edge, "/.keyward/status");
        let answer = self.client.get(url).send().await;
        let answer =
            answer.map_err(|source| Finding::Unreachable { what: what.clone(), source: source.without_url() })?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        match body["state"].as_str() {
            Some(state) => Ok(state.to_owned()),
            None if status.is_success() => Err(Finding::Incomplete { what, member: "state" }),
            None => Err(Finding::Refused { what, status, code: String::new() }),
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Finding> {
        let shown = path.split('?').next().unwrap_or(path);
        let what = format!("{method} /{shown}");
        let mut request = self.client.request(method, join(&self.control_plane, path)).bearer_auth(self.token.expose());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request
            .send()
            .await
            .map_err(|source| Finding::Unreachable { what: what.clone(), source: source.without_url() })?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let code = body["code"].as_str().map(|code| format!(" ({code})")).unwrap_or_default();
        Err(Finding::Refused { what, status, code })
    }
}

fn join(base: &Url, path: &str) -> String {
    let base = base.as_str().trim_end_matches('/');
    format!("{base}/{}", path.trim_start_matches('/'))
}

fn text<'a>(body: &'a Value, what: &str, member: &'static str) -> Result<&'a str, Finding> {
    body[member].as_str().ok_or_else(|| Finding::Incomplete { what: what.to_owned(), member })
}

fn generation(body: &Value) -> String {
    format!("generation {}", body["generation"])
}

fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}
