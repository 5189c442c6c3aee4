//! A REST client that keeps its connection and costs little: the machine that is measured is also the
//! one that asks.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection, one request at a time.
pub(super) struct Connection {
    stream: TcpStream,
    host: SocketAddr,
    token: String,
    unread: Vec<u8>,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, where the status is this one.
    pub(super) fn json(&self, status: u16) -> Result<Value> {
        ensure!(self.status == status, "{} instead of {status}: {}", self.status, String::from_utf8_lossy(&self.body));
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Connection {
    /// Connects, to act with this bearer token.
    pub(super) async fn open(host: SocketAddr, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host, token: token.to_owned(), unread: Vec::new() })
    }

    /// GET of a path.
    pub(super) async fn get(&mut self, path: &str) -> Result<Answer> {
        self.call("GET", path, None).await
    }

    /// POST of a JSON body, under an `Idempotency-Key` of its own.
    pub(super) async fn post(&mut self, path: &str, idempotency_key: &str, body: &str) -> Result<Answer> {
        self.call("POST", path, Some((idempotency_key, body))).await
    }

    async fn call(&mut self, method: &str, path: &str, body: Option<(&str, &str)>) -> Result<Answer> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n", self.host, self.token);
        if let Some((key, body)) = body {
            write!(
                request,
                "content-type: application/json\r\nidempotency-key: {key}\r\ncontent-length: {}\r\n",
                body.len()
            )?;
        }
        write!(request, "\r\n{}", body.map_or("", |(_, body)| body))?;
        self.stream.write_all(request.as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Answer> {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.unread[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.context("an answer without length")?.trim().parse()?;
        self.unread.drain(..end + 4);
        while self.unread.len() < length {
            self.more().await?;
        }
        let rest = self.unread.split_off(length);
        Ok(Answer { status, body: std::mem::replace(&mut self.unread, rest) })
    }

    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.unread).await? == 0 {
            bail!("the connection was closed in the midst of an answer");
        }
        Ok(())
    }
}
