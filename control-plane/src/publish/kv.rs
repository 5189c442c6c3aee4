//! The Workers KV REST API: one client for Cloudflare's and for what `wrangler dev` serves.
//!
//! The base URL ends with the namespace (`…/storage/kv/namespaces/{id}`). Every call is given up
//! after ten seconds. Knows nothing of heads and trees.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::http_client;

/// A write that has not come back by then is given up: the lease outlasts it.
const CALL: Duration = Duration::from_secs(10);
/// A call with megabytes of objects may take longer on a thin line, and holds no head.
const BULK_CALL: Duration = Duration::from_mins(1);

/// Why Workers KV did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// It cannot be reached.
    #[error("Workers KV cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// It answered with an error.
    #[error("Workers KV answered {status} to {call}: {message}")]
    Status {
        /// Which call.
        call: &'static str,
        /// The status.
        status: u16,
        /// What it said, cut to a line.
        message: String,
    },
    /// A value is larger than what is looked for can be.
    #[error("Workers KV holds more than the {max} bytes that this value can have")]
    TooLarge {
        /// How large it may be.
        max: usize,
    },
    /// Its answer cannot be read.
    #[error("Workers KV's answer to {call} cannot be read")]
    Answer {
        /// Which call.
        call: &'static str,
    },
}

impl KvError {
    /// Whether a write that ended so may be done all the same, and as late as that: nobody has said that it was not.
    pub(super) const fn may_be_done(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Answer { .. } | Self::Status { status: 408 | 500.., .. })
    }
}

/// Workers KV as the publisher writes it, one namespace of it.
#[async_trait]
pub trait KvApi: Send + Sync {
    /// The value of `key`, or `None` where there is none. One above `max` bytes is not read to its end.
    async fn get(&self, key: &str, max: usize) -> Result<Option<Vec<u8>>, KvError>;

    /// Writes one value.
    async fn put(&self, key: &str, value: Vec<u8>) -> Result<(), KvError>;

    /// Writes values in one call; gives the keys that were refused, which may be tried again.
    async fn put_bulk(&self, pairs: &[(String, Vec<u8>)]) -> Result<Vec<String>, KvError>;

    /// Deletes keys in one call; gives those that were refused.
    async fn delete_bulk(&self, keys: &[String]) -> Result<Vec<String>, KvError>;
}

/// A client for one namespace, over the REST API.
#[derive(Clone)]
pub struct KvClient {
    http: reqwest::Client,
    base: String,
    token: Option<Zeroizing<String>>,
}

#[derive(Serialize)]
struct Pair<'a> {
    key: &'a str,
    value: String,
    base64: bool,
}

#[derive(Deserialize)]
struct Envelope<T> {
    result: Option<T>,
}

#[derive(Deserialize, Default)]
struct BulkResult {
    #[serde(default)]
    unsuccessful_keys: Vec<String>,
}

impl KvClient {
    /// A client for the namespace at `base`, with an API token where the API asks for one.
    pub fn new(base: &str, token: Option<Zeroizing<String>>) -> Result<Self, KvError> {
        let http = http_client::builder().timeout(CALL).build().map_err(KvError::Unreachable)?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token })
    }

    fn url(&self, key: &str) -> String {
        format!("{}/values/{key}", self.base)
    }

    async fn refused(&self, call: &'static str, request: reqwest::RequestBuilder) -> Result<Vec<String>, KvError> {
        let response = self.send(call, request).await?;
        let envelope: Envelope<BulkResult> = response.json().await.map_err(|_| KvError::Answer { call })?;
        Ok(envelope.result.unwrap_or_default().unsuccessful_keys)
    }

    async fn send(&self, call: &'static str, request: reqwest::RequestBuilder) -> Result<reqwest::Response, KvError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.as_str()),
            None => request,
        };
        let response = request.send().await.map_err(|error| KvError::Unreachable(error.without_url()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = response.text().await.unwrap_or_default();
        let message = said.lines().next().unwrap_or_default().chars().take(200).collect();
        Err(KvError::Status { call, status: status.as_u16(), message })
    }
}

#[async_trait]
impl KvApi for KvClient {
    async fn get(&self, key: &str, max: usize) -> Result<Option<Vec<u8>>, KvError> {
        let mut response = match self.send("get", self.http.get(self.url(key))).await {
            Ok(response) => response,
            Err(KvError::Status { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut value = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| KvError::Unreachable(error.without_url()))? {
            if value.len() + chunk.len() > max {
                return Err(KvError::TooLarge { max });
            }
            value.extend_from_slice(&chunk);
        }
        Ok(Some(value))
    }

    async fn put(&self, key: &str, value: Vec<u8>) -> Result<(), KvError> {
        let request = self.http.put(self.url(key)).header("content-type", "application/octet-stream").body(value);
        self.send("put", request).await.map(drop)
    }

    async fn put_bulk(&self, pairs: &[(String, Vec<u8>)]) -> Result<Vec<String>, KvError> {
        let body: Vec<_> =
            pairs.iter().map(|(key, value)| Pair { key, value: STANDARD.encode(value), base64: true }).collect();
        let request = self.http.put(format!("{}/bulk", self.base)).timeout(BULK_CALL).json(&body);
        self.refused("bulk put", request).await
    }

    async fn delete_bulk(&self, keys: &[String]) -> Result<Vec<String>, KvError> {
        let request = self.http.post(format!("{}/bulk/delete", self.base)).timeout(BULK_CALL).json(keys);
        self.refused("bulk delete", request).await
    }
}
