//! A http lane that somebody hostile answers for: for each path the truth, or what they say instead.
//!
//! It speaks HTTP by hand, for no server would answer like this. Must never know what heads and objects mean.

use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use xtask::parts::http::Client;

/// Where the true lane is, and the hostile one.
const LANE: &str = "/v1/snapshot";
/// A part of what never ends.
const PART: usize = 64 * 1024;
/// Between two such parts: fast enough for more than memory holds, and nobody else's processor.
const BREATH: Duration = Duration::from_millis(1);
/// Between two bytes that come slowly.
const DRIP: Duration = Duration::from_millis(250);
/// What one answer is given up after, that nobody breaks off.
const ENDLESS: Duration = Duration::from_mins(1);
/// A client that reads nothing any more is let go.
const STUCK: Duration = Duration::from_secs(10);
/// Longest request, in bytes.
const MAX_REQUEST: u64 = 16 * 1024;

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What the true lane answers.
    Truth,
    /// These bytes.
    Bytes(Vec<u8>),
    /// What the true lane answers, and these bytes behind it.
    TruthAnd(Vec<u8>),
    /// That what is held is the newest, whatever that is.
    NotModified,
    /// That it lies elsewhere.
    Redirect(String),
    /// A status, and a body that never ends.
    Endless(u16),
    /// Header fields that never end.
    EndlessFields,
    /// Small, and compressed: it unfolds without end.
    Bomb,
    /// Compressed, without end, and what it unfolds to is nothing.
    EmptyBomb,
    /// What the true lane answers, so slowly that it is never there.
    Drip,
    /// Nothing: the connection stays open.
    Silence,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Of what: `head`, or `objects/` and a name.
    pub path: String,
    /// The field `Authorization`.
    pub authorization: Option<String>,
    /// When.
    pub at: Instant,
}

/// The running lane, ended when dropped.
pub struct Hostile {
    address: SocketAddr,
    inside: Arc<Inside>,
}

struct Inside {
    truth: Client,
    answers: Mutex<Vec<(String, Answer)>>,
    asked: Mutex<Vec<Asked>>,
    /// Bytes of bodies that clients took.
    taken: AtomicU64,
    ended: AtomicBool,
}

impl Hostile {
    /// Starts one that tells the truth: what this control plane does.
    pub fn start(control_plane: &str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let inside = Arc::new(Inside {
            truth: Client::new(control_plane, None),
            answers: Mutex::default(),
            asked: Mutex::default(),
            taken: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&inside);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                let inside = Arc::clone(&serving);
                // What becomes of one connection is its client's to tell.
                thread::spawn(move || drop(inside.serve(&stream)));
            }
        });
        Ok(Self { address, inside })
    }

    /// The lane's base URL.
    pub fn url(&self) -> String {
        format!("http://{}{LANE}", self.address)
    }

    /// From now on these are answered, and of everything else the truth: of `head`, of `objects/` and a name, or
    /// of whatever begins with what stands before a star. The last that fits counts.
    pub fn answer<'a>(&self, answers: impl IntoIterator<Item = (&'a str, Answer)>) {
        *lock(&self.inside.answers) = answers.into_iter().map(|(of, answer)| (of.to_owned(), answer)).collect();
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.inside.asked).clone()
    }

    /// How many bytes of bodies clients took so far.
    pub fn taken(&self) -> u64 {
        self.inside.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.inside.ended.store(true, Ordering::Relaxed);
        // So that the one who waits for a connection hears of it.
        drop(TcpStream::connect(self.address));
    }
}

impl Inside {
    fn serve(&self, stream: &TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STUCK))?;
        stream.set_write_timeout(Some(STUCK))?;
        let request = read(stream)?;
        let path = request.path.strip_prefix(LANE).unwrap_or_default().trim_start_matches('/').to_owned();
        let asked = Asked { path: path.clone(), authorization: request.authorization.clone(), at: Instant::now() };
        lock(&self.asked).push(asked);
        let fits = |of: &str| of.strip_suffix('*').map_or(of == path, |beginning| path.starts_with(beginning));
        let answer = lock(&self.answers).iter().rev().find(|(of, _)| fits(of)).map(|(_, answer)| answer.clone());
        let done = self.say(stream, &request, answer.unwrap_or(Answer::Truth));
        drop(stream.shutdown(Shutdown::Both));
        done
    }

    fn say(&self, mut stream: &TcpStream, request: &Request, answer: Answer) -> Result<()> {
        match answer {
            Answer::Truth => {
                let told = self.ask(request)?;
                let etag = told.header("etag").map(|etag| format!("ETag: {etag}\r\n")).unwrap_or_default();
                self.whole(stream, told.status, &etag, &told.body)
            }
            Answer::Bytes(bytes) => self.whole(stream, 200, "", &bytes),
            Answer::TruthAnd(more) => {
                let told = self.ask(&request.unconditional())?;
                ensure!(told.status == 200, "the truth is a {}", told.status);
                self.whole(stream, 200, "", &[told.body, more].concat())
            }
            Answer::NotModified => Ok(stream.write_all(b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n")?),
            Answer::Redirect(to) => self.whole(stream, 302, &format!("Location: {to}\r\n"), b""),
            Answer::Endless(status) => {
                head(stream, status, "")?;
                self.forever(stream, &vec![0; PART])
            }
            Answer::EndlessFields => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
                let field = format!("X-More: {}\r\n", "a".repeat(1000)).into_bytes();
                self.forever(stream, &field.repeat(PART / field.len()))
            }
            Answer::Bomb => {
                head(stream, 200, "Content-Encoding: gzip\r\n")?;
                let zeros = vec![0; PART];
                let mut coder = GzEncoder::new(Vec::new(), Compression::best());
                let began = Instant::now();
                while self.goes_on(began) {
                    coder.write_all(&zeros)?;
                    self.give(stream, &std::mem::take(coder.get_mut()))?;
                    thread::sleep(BREATH);
                }
                Ok(())
            }
            Answer::EmptyBomb => {
                head(stream, 200, "Content-Encoding: gzip\r\n")?;
                // The header of RFC 1952, and then stored blocks without a byte (RFC 1951, section 3.2.4).
                stream.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])?;
                self.forever(stream, &[0, 0, 0, 255, 255].repeat(PART / 5))
            }
            Answer::Drip => {
                let told = self.ask(&request.unconditional())?;
                let length = format!("Content-Length: {}\r\n", told.body.len());
                head(stream, told.status, &length)?;
                for byte in told.body {
                    if self.ended.load(Ordering::Relaxed) {
                        break;
                    }
                    self.give(stream, &[byte])?;
                    thread::sleep(DRIP);
                }
                Ok(())
            }
            Answer::Silence => {
                let began = Instant::now();
                while self.goes_on(began) {
                    thread::sleep(DRIP);
                }
                Ok(())
            }
        }
    }

    fn ask(&self, request: &Request) -> Result<xtask::parts::http::Answer> {
        let fields = [("authorization", &request.authorization), ("if-none-match", &request.if_none_match)];
        let fields: Vec<_> = fields.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        self.truth.send("GET", &request.path, &fields, None)
    }

    fn whole(&self, stream: &TcpStream, status: u16, fields: &str, body: &[u8]) -> Result<()> {
        let length = if status == 304 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        head(stream, status, &format!("{fields}{length}"))?;
        self.give(stream, body)
    }

    fn forever(&self, stream: &TcpStream, part: &[u8]) -> Result<()> {
        let began = Instant::now();
        while self.goes_on(began) {
            self.give(stream, part)?;
            thread::sleep(BREATH);
        }
        Ok(())
    }

    fn give(&self, mut stream: &TcpStream, bytes: &[u8]) -> Result<()> {
        stream.write_all(bytes)?;
        self.taken.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn goes_on(&self, began: Instant) -> bool {
        began.elapsed() < ENDLESS && !self.ended.load(Ordering::Relaxed)
    }
}

/// The status line and header fields. Without a length the body ends with the connection.
fn head(mut stream: &TcpStream, status: u16, fields: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status} Said\r\nConnection: close\r\n{fields}\r\n")
}

/// What is needed of a request.
#[derive(Clone)]
struct Request {
    path: String,
    authorization: Option<String>,
    if_none_match: Option<String>,
}

impl Request {
    fn unconditional(&self) -> Self {
        Self { if_none_match: None, ..self.clone() }
    }
}

fn read(stream: &TcpStream) -> Result<Request> {
    let mut lines = BufReader::new(stream.take(MAX_REQUEST)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut request = Request { path, authorization: None, if_none_match: None };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        let value = Some(value.trim().to_owned());
        match name.to_ascii_lowercase().as_str() {
            "authorization" => request.authorization = value,
            "if-none-match" => request.if_none_match = value,
            _ => {}
        }
    }
    Ok(request)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
