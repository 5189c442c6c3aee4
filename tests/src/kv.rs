//! A front of our own before the KV namespace's REST API: it remembers every call, and it can fail in
//! the ways in which KV can. The control plane is given its address in place of KV's.
//!
//! Knows as much of HTTP/1.1 as the control plane speaks, and must never know what the values mean.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked of KV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// One value is read.
    Get(String),
    /// One value is written.
    Put(String),
    /// Many values are written.
    PutBulk(BTreeSet<String>),
    /// Anything else, by its method and path.
    Other(String),
}

/// One call, as it came and as it went.
#[derive(Clone, Debug)]
pub struct Call {
    /// What was asked.
    pub asked: Asked,
    /// The body of a single value's write.
    pub value: Vec<u8>,
    /// When it came.
    pub at: Instant,
    /// What was done to it.
    pub fault: Fault,
    /// The status that KV answered, where it was asked.
    pub status: Option<u16>,
}

/// How a call is to fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    #[default]
    None,
    /// The connection is closed without a word.
    Away,
    /// Answered with this status; KV hears nothing of it.
    Status(u16),
    /// Every other pair of a bulk write is refused, the rest is written.
    RefuseSome,
    /// Nobody answers until the fault is changed; KV hears nothing of it.
    Stall,
    /// KV does it, and its answer is lost.
    LoseAnswer,
}

type Rule = Arc<dyn Fn(&Asked) -> Fault + Send + Sync>;

/// The running front. It ends with the process.
pub struct KvFront {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    upstream: SocketAddr,
    inside: Mutex<Inside>,
    changed: Condvar,
}

struct Inside {
    calls: Vec<Call>,
    rule: Rule,
    rules_given: u64,
}

impl KvFront {
    /// Starts a front on a free port before the KV that is, or will be, served at `upstream`.
    pub fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let rule: Rule = Arc::new(|_| Fault::None);
        let inside = Mutex::new(Inside { calls: Vec::new(), rule, rules_given: 0 });
        let state = Arc::new(State { upstream, inside, changed: Condvar::new() });
        let serving = Arc::clone(&state);
        thread::Builder::new().name("kv-front".to_owned()).spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                // One request a connection; the test that waits for it is told by what it asks next.
                thread::spawn(move || drop(state.serve(connection)));
            }
        })?;
        Ok(Self { address, state })
    }

    /// Where it is reached.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every call fails as the rule says. Calls that stall are given up.
    pub fn fail(&self, rule: impl Fn(&Asked) -> Fault + Send + Sync + 'static) {
        let mut inside = self.state.lock();
        inside.rule = Arc::new(rule);
        inside.rules_given += 1;
        self.state.changed.notify_all();
    }

    /// From now on KV works.
    pub fn work(&self) {
        self.fail(|_| Fault::None);
    }

    /// All calls so far, the oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().calls.clone()
    }

    /// Waits for the first call after `seen` calls that `wanted` says yes to.
    pub fn wait_for(&self, seen: usize, wanted: impl Fn(&Call) -> bool) -> Result<Call> {
        let started = Instant::now();
        let mut inside = self.state.lock();
        loop {
            if let Some(call) = inside.calls.iter().skip(seen).find(|call| wanted(call)) {
                return Ok(call.clone());
            }
            let Some(left) = PATIENCE.checked_sub(started.elapsed()) else {
                bail!("no such call to KV within {} s; the calls were {:?}", PATIENCE.as_secs(), inside.calls);
            };
            inside = self.state.changed.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Call {
    /// Whether KV did what was asked, as far as the caller could learn.
    pub fn is_done(&self) -> bool {
        self.status == Some(200) && self.fault != Fault::LoseAnswer
    }

    /// Whether this wrote the head.
    pub fn is_head(&self) -> bool {
        self.asked == Asked::Put("head".to_owned())
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut client: TcpStream) -> Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        let request = read(&mut client)?;
        let asked = request.asked()?;
        let (rule, given) = {
            let inside = self.lock();
            (Arc::clone(&inside.rule), inside.rules_given)
        };
        let fault = rule(&asked);
        let value = if matches!(asked, Asked::Put(_)) { request.body.clone() } else { Vec::new() };
        let mut call = Call { asked, value, at: Instant::now(), fault, status: None };
        let answer = match fault {
            // Where KV itself is away, the caller sees just that.
            Fault::None | Fault::LoseAnswer => self.forward(&request, &mut call).ok(),
            Fault::RefuseSome => self.forward_some(request, &mut call).ok(),
            Fault::Status(status) => Some(refusal(status)),
            Fault::Away => None,
            Fault::Stall => {
                // Noted before the wait: a test waits for a call that stalls.
                self.note(call);
                let stalled = self.changed.wait_while(self.lock(), |inside| inside.rules_given == given);
                drop(stalled.unwrap_or_else(PoisonError::into_inner));
                return Ok(());
            }
        };
        self.note(call);
        if let Some(answer) = answer.filter(|_| fault != Fault::LoseAnswer) {
            client.write_all(&answer)?;
        }
        client.shutdown(Shutdown::Both)?;
        Ok(())
    }

    fn note(&self, call: Call) {
        self.lock().calls.push(call);
        self.changed.notify_all();
    }

    fn forward(&self, request: &Message, call: &mut Call) -> Result<Vec<u8>> {
        let mut upstream = TcpStream::connect(self.upstream)?;
        upstream.set_read_timeout(Some(PATIENCE))?;
        upstream.write_all(&request.bytes())?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        call.status = status_of(&answer);
        Ok(answer)
    }

    fn forward_some(&self, mut request: Message, call: &mut Call) -> Result<Vec<u8>> {
        let Asked::PutBulk(keys) = &mut call.asked else {
            return self.forward(&request, call);
        };
        let pairs: Vec<Value> = serde_json::from_slice(&request.body)?;
        let key = |pair: &Value| pair["key"].as_str().unwrap_or_default().to_owned();
        let refused: Vec<String> = pairs.iter().step_by(2).map(key).collect();
        let taken: Vec<Value> = pairs.into_iter().skip(1).step_by(2).collect();
        *keys = taken.iter().map(key).collect();
        let taken_count = taken.len();
        if taken.is_empty() {
            call.status = Some(200);
        } else {
            request.body = serde_json::to_vec(&taken)?;
            self.forward(&request, call)?;
        }
        let result = json!({"successful_key_count": taken_count, "unsuccessful_keys": refused});
        let body = json!({"success": true, "errors": [], "messages": [], "result": result});
        Ok(answer(200, &body))
    }
}

/// A request: its head without the length and the connection's fate, and its body.
struct Message {
    head: Vec<String>,
    body: Vec<u8>,
}

impl Message {
    fn asked(&self) -> Result<Asked> {
        let line = self.head.first().context("no request line")?;
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let key = path.rsplit_once("/values/").map(|(_, key)| key.to_owned());
        Ok(match (method, key) {
            ("GET", Some(key)) => Asked::Get(key),
            ("PUT", Some(key)) => Asked::Put(key),
            ("PUT", None) if path.ends_with("/bulk") => {
                let pairs: Vec<Value> = serde_json::from_slice(&self.body).context("not a bulk write")?;
                Asked::PutBulk(pairs.iter().filter_map(|pair| Some(pair["key"].as_str()?.to_owned())).collect())
            }
            _ => Asked::Other(format!("{method} {path}")),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let length = format!("content-length: {}", self.body.len());
        let head = self.head.iter().map(String::as_str).chain([length.as_str(), "connection: close", "", ""]);
        let mut bytes = head.collect::<Vec<_>>().join("\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn read(stream: &mut TcpStream) -> Result<Message> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut chunk)? {
            0 => bail!("the request ended early"),
            got => bytes.extend_from_slice(&chunk[..got]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.split_off(end + 4);
    let (mut kept, mut length) = (Vec::new(), 0);
    for line in head.split("\r\n") {
        match line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim())) {
            Some((name, value)) if name == "content-length" => length = value.parse()?,
            Some((name, _)) if name == "connection" => {}
            _ => kept.push(line.to_owned()),
        }
    }
    while body.len() < length {
        match stream.read(&mut chunk)? {
            0 => bail!("the body ended early"),
            got => body.extend_from_slice(&chunk[..got]),
        }
    }
    Ok(Message { head: kept, body })
}

fn status_of(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    String::from_utf8_lossy(line).split(' ').nth(1)?.parse().ok()
}

fn refusal(status: u16) -> Vec<u8> {
    let error = json!({"code": 10_000, "message": "told to fail"});
    answer(status, &json!({"success": false, "errors": [error], "messages": [], "result": null}))
}

fn answer(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}
