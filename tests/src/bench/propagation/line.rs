//! A connection to one edge that is kept while it is used, and asks one thing: whether a key may call.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::stack::basic;

/// When an answer is called lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long a connection is kept that nothing is asked on: less than the five seconds after which `workerd`
/// closes it.
const KEPT: Duration = Duration::from_secs(2);
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
pub(super) struct Line {
    edge: SocketAddr,
    stream: TcpStream,
    used_at: Instant,
}

impl Line {
    /// To an edge.
    pub(super) fn to(edge: SocketAddr) -> Result<Self> {
        Ok(Self { edge, stream: connect(edge)?, used_at: Instant::now() })
    }

    /// The status of the answer: 200 or 401. Anything else is an error, for then nothing was judged.
    pub(super) fn ask(&mut self, question: &Question) -> Result<u16> {
        if self.used_at.elapsed() > KEPT {
            self.stream = connect(self.edge)?;
        }
        self.stream.write_all(&question.0)?;
        let (mut answer, mut chunk) = (Vec::new(), [0; 2 << 10]);
        loop {
            if let Some(length) = length(&answer)?
                && answer.len() >= length
            {
                break;
            }
            let got = self.stream.read(&mut chunk).context("no answer")?;
            ensure!(got > 0 && answer.len() < MOST, "the edge broke off");
            answer.extend_from_slice(&chunk[..got]);
        }
        self.used_at = Instant::now();
        match answer.get(9..12) {
            Some(b"200") => Ok(200),
            Some(b"401") => Ok(401),
            _ => bail!("nothing was judged: {}", String::from_utf8_lossy(&answer)),
        }
    }
}

fn connect(edge: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(edge)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn a_connection_is_kept_while_it_is_used_and_made_anew_before_the_edge_closes_it() -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let edge = thread::spawn(move || -> Result<()> {
            // The answer says which connection it came on: 200 on the first, 401 on the second.
            for (status, answers) in [(200, 2), (401, 1)] {
                let (mut stream, _) = listener.accept()?;
                for _ in 0..answers {
                    ensure!(stream.read(&mut [0; 1 << 10])? > 0);
                    stream.write_all(format!("HTTP/1.1 {status} .\r\ncontent-length: 0\r\n\r\n").as_bytes())?;
                }
                // Nothing more comes on it.
                ensure!(answers == 1 || stream.read(&mut [0])? == 0);
            }
            Ok(())
        });
        let (mut line, question) = (Line::to(address)?, Question::of("any"));
        assert_eq!((line.ask(&question)?, line.ask(&question)?), (200, 200));
        thread::sleep(KEPT + Duration::from_millis(10));
        assert_eq!(line.ask(&question)?, 401);
        edge.join().ok().context("the edge panicked")?
    }
}
