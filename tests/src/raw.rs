//! Requests as bytes, for what no HTTP client would send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const PATIENCE: Duration = Duration::from_secs(15);

/// A request's bytes: its line, `Host`, these header lines as they are, and `Connection: close`.
pub fn request(method: &str, target: &str, lines: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: edge.test\r\n").into_bytes();
    for line in lines {
        bytes.extend_from_slice(line.as_ref());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"Connection: close\r\n\r\n");
    bytes
}

/// An answer to raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, with their values, in their order.
    pub headers: Vec<(String, String)>,
    /// Everything after the headers, chunk marks included where the answer is chunked.
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl RawAnswer {
    /// The body, its chunk marks taken off (RFC 9112, section 7.1).
    pub fn content(&self) -> Vec<u8> {
        if self.header("transfer-encoding") != Some("chunked") {
            return self.body.clone();
        }
        let (mut content, mut rest) = (Vec::new(), self.body.as_slice());
        while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
            let size = String::from_utf8_lossy(&rest[..end]).into_owned();
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let start = end + 2;
            let Some(chunk) = rest.get(start..start + size).filter(|chunk| !chunk.is_empty()) else {
                break;
            };
            content.extend_from_slice(chunk);
            rest = rest.get(start + size + 2..).unwrap_or_default();
        }
        content
    }
}

/// Sends the bytes and reads until the other side closes; so the request should ask for
/// `Connection: close`.
pub fn send(address: SocketAddr, request: &[u8]) -> Result<RawAnswer> {
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // A server may refuse before it has read all; its answer is what counts.
    let sent = stream.write_all(request);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        sent.context("the request was not taken")?;
        read.context("no answer")?;
    }
    parse(&answer)
}

fn parse(bytes: &[u8]) -> Result<RawAnswer> {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .with_context(|| format!("not an HTTP answer: {}", String::from_utf8_lossy(bytes)))?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("no status in: {head}"))?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok(RawAnswer { status, headers, body: bytes[end + 4..].to_vec() })
}
