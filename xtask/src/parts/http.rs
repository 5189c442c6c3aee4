//! A plain HTTP client for what the parts are asked, one request at a time.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Method, Request};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(35);
/// The largest body of an answer.
const BODY_LIMIT: u64 = 64 << 20;

/// A client of one base URL, with a bearer token or without.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, by lower-case name.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of `base`, which ends without a slash.
    pub fn new(base: &str, token: Option<String>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            // A server may close a connection whose request it refused before its body; a request that
            // was to go over it would be lost, which is no fault of the parts.
            .max_idle_connections(0)
            .build()
            .into();
        Self { agent, base: base.to_owned(), token }
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The bearer token, for requests that this client cannot make.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// GET of a path.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], None)
    }

    /// POST of a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, &[], Some(body))
    }

    /// PUT of a JSON body.
    pub fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("PUT", path, &[], Some(body))
    }

    /// PATCH with a JSON body.
    pub fn patch(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("PATCH", path, &[], Some(body))
    }

    /// DELETE of a path.
    pub fn delete(&self, path: &str) -> Result<Answer> {
        self.send("DELETE", path, &[], None)
    }

    /// Any request, with further headers.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Result<Answer> {
        let body = match body {
            Some(value) => Some(("application/json", serde_json::to_vec(value)?)),
            None => None,
        };
        self.send_bytes(method, path, headers, body)
    }

    /// Any request, its body bytes of a given content type.
    pub fn send_bytes(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.base);
        let method: Method = method.parse().context("not a method")?;
        let mut request = Request::builder().method(method).uri(&url);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some((kind, bytes)) => self.agent.run(request.header("content-type", kind).body(bytes)?),
            None => self.agent.run(request.body(())?),
        };
        let mut answer = answer.with_context(|| format!("no answer from {url}"))?;
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer
                .body_mut()
                .with_config()
                .limit(BODY_LIMIT)
                .read_to_vec()
                .with_context(|| format!("{url} broke off"))?,
        })
    }
}

impl Answer {
    /// The answer itself when it has this status, else an error that shows it.
    pub fn must_be(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        bail!("the answer is {} instead of {status}: {}", self.status, self.text())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// A header's value as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
