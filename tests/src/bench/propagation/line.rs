//! A connection to one edge that is kept, and asks one thing: whether a key may call.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::stack::basic;

/// When an answer is called lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer: head and body.
const MOST: usize = 16 << 10;

/// What a key is asked with, over and over.
pub(super) struct Question(Vec<u8>);

impl Question {
    /// Whether this secret may call.
    pub(super) fn of(secret: &str) -> Self {
        let authorization = basic(secret, "");
        Self(format!("GET /v1/ping HTTP/1.1\r\nHost: edge\r\nAuthorization: {authorization}\r\n\r\n").into_bytes())
    }
}

/// One connection.
pub(super) struct Line(TcpStream);

impl Line {
    /// To an edge.
    pub(super) fn to(edge: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(edge)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// The status of the answer: 200 or 401. Anything else is an error, for then nothing was judged.
    pub(super) fn ask(&mut self, question: &Question) -> Result<u16> {
        self.0.write_all(&question.0)?;
        let (mut answer, mut chunk) = (Vec::new(), [0; 2 << 10]);
        loop {
            if let Some(length) = length(&answer)?
                && answer.len() >= length
            {
                break;
            }
            let got = self.0.read(&mut chunk).context("no answer")?;
            ensure!(got > 0 && answer.len() < MOST, "the edge broke off");
            answer.extend_from_slice(&chunk[..got]);
        }
        match answer.get(9..12) {
            Some(b"200") => Ok(200),
            Some(b"401") => Ok(401),
            _ => bail!("nothing was judged: {}", String::from_utf8_lossy(&answer)),
        }
    }
}

/// Bytes of the whole answer, once its head is there.
fn length(answer: &[u8]) -> Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let body =
        head.lines().find_map(|line| line.strip_prefix("content-length:")).context("an answer without length")?;
    Ok(Some(end + 4 + body.trim().parse::<usize>()?))
}
