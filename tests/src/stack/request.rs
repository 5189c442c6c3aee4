//! A request to the edge, put together word by word.

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine};
use xtask::parts::http::{Answer, Client};

/// A request that is not sent yet.
#[derive(Clone)]
pub struct EdgeRequest<'a> {
    client: &'a Client,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<(String, Vec<u8>)>,
}

impl<'a> EdgeRequest<'a> {
    pub(crate) fn new(client: &'a Client, path: &str) -> Self {
        Self { client, method: "GET".to_owned(), path: path.to_owned(), headers: Vec::new(), body: None }
    }

    /// With another method than GET.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// With HTTP Basic credentials.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        self.header("authorization", &basic(user, password))
    }

    /// With a key in the usual place: as user, without a password.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.basic(key, "")
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some((content_type.to_owned(), bytes.into()));
        self
    }

    /// Sends it and reads the answer.
    pub fn send(self) -> Result<Answer> {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = self.body.as_ref().map(|(kind, bytes)| (kind.as_str(), bytes.clone()));
        self.client.send_bytes(&self.method, &self.path, &headers, body)
    }
}

/// The value of `Authorization` for HTTP Basic (RFC 7617).
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}
