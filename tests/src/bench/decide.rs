//! What one decision takes: native, in V8 with the shipped WebAssembly, and with WebCrypto instead, at
//! tree sizes that differ by powers of ten.

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keyward_shared::decision::{Decision, Request, decide};
use keyward_shared::fingerprint::Pepper;
use keyward_shared::snapshot::{Head, Origin, PublicKey, Replica, ReplicaOptions, TrustedKeys, decode_settings};
use serde_json::{Value, json};
use xtask::build::edge::Variant;
use xtask::{build, setup, workspace};

use super::edge::store_of;
use super::figures::as_f64;
use super::fixture::{self, Fixture};
use super::rounds::alternate;
use super::{Chart, Line, Report, Row, Samples, Scale, Target};

const ROUNDS: usize = 12;
const PATH: &str = "/v1/data/7";
/// At least so many are timed at once, over the same keys again and again after a pass that is not timed.
const DECISIONS: usize = 20_000;
/// As many keys are in use at every size, so that the size alone differs; of a million also ten times as
/// many, which no processor's cache holds.
const SIZES: [Size; 5] = [
    Size { keys: 1_000, in_use: 1_000 },
    Size { keys: 100_000, in_use: 1_000 },
    Size { keys: 1_000_000, in_use: 1_000 },
    Size { keys: 1_000_000, in_use: 10_000 },
    Size { keys: 10_000_000, in_use: 1_000 },
];
/// The largest tree that is not only for `--full`.
const USUAL_KEYS: u64 = 1_000_000;
/// Keys in use along the curves.
const CURVE_IN_USE: u64 = 1_000;

#[derive(Clone, Copy)]
struct Size {
    keys: u64,
    /// Different keys that are asked, in random order.
    in_use: u64,
}

/// What is presented.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Hit,
    Miss,
    Malformed,
    CheckDigits,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Hit, Self::Miss, Self::Malformed, Self::CheckDigits];

    const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Malformed => "malformed",
            Self::CheckDigits => "wrong check digits",
        }
    }

    fn credential(self, number: u64) -> String {
        let secret = fixture::secret(number);
        match self {
            Self::Hit => fixture::basic(&secret),
            Self::Miss => fixture::basic(&fixture::unknown(number)),
            Self::Malformed => fixture::basic(&secret).replace('=', "!") + "!",
            Self::CheckDigits => {
                let (rest, last) = secret.split_at(secret.len() - 1);
                fixture::basic(&format!("{rest}{}", if last == "0" { "1" } else { "0" }))
            }
        }
    }
}

/// Who decides.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Native,
    V8,
    WebCrypto,
}

struct Contender {
    side: Side,
    kind: Kind,
    microseconds: Samples,
}

impl Contender {
    fn new(side: Side, kind: Kind) -> Self {
        Self { side, kind, microseconds: Samples::default() }
    }
}

/// Measures and reports.
pub(super) fn measure(scale: Scale) -> Result<Report> {
    let (mut rows, mut curves) = (Vec::new(), [(Side::Native, Vec::new()), (Side::V8, Vec::new())]);
    for size in SIZES.into_iter().filter(|size| scale.full || size.keys <= USUAL_KEYS) {
        eprintln!("Making a snapshot of {} keys", size.keys);
        let contenders = measure_size(size)?;
        rows.extend(self::rows(size, &contenders));
        for (side, points) in curves.iter_mut().filter(|_| size.in_use == CURVE_IN_USE) {
            let hits = contenders.iter().filter(|contender| contender.side == *side && contender.kind == Kind::Hit);
            points.extend(hits.map(|hit| (as_f64(size.keys), hit.microseconds.median())));
        }
    }
    let [native, v8] = curves.map(|(_, points)| points);
    let lines = vec![
        Line { name: "in V8, the call across included".to_owned(), points: v8 },
        Line { name: "native".to_owned(), points: native },
    ];
    let title = "One decision on a usable key, 1,000 keys in use";
    let charts = vec![Chart { name: "decide", title, upwards: "µs", lines }];
    Ok(Report { charts, ..Report::new("decide", rows) })
}

fn measure_size(size: Size) -> Result<Vec<Contender>> {
    let fixture = Arc::new(Fixture::new(size.keys)?);
    let numbers = fixture.sample(size.in_use);
    let sets = Kind::ALL.map(|kind| numbers.iter().map(|&number| kind.credential(number)).collect::<Vec<_>>());
    let mut native = Native::new(&fixture)?;
    let mut node = Node::start(&fixture, &sets)?;
    let mut contenders = Vec::new();
    for kind in Kind::ALL {
        contenders.extend([Side::Native, Side::V8].map(|side| Contender::new(side, kind)));
    }
    contenders.push(Contender::new(Side::WebCrypto, Kind::Hit));
    let mut turn = |contender: &mut Contender| {
        let Contender { side, kind, .. } = *contender;
        let set = sets.get(kind as usize).context("a set for each kind")?;
        let (nanoseconds, passed) = match side {
            Side::Native => native.judge_all(set)?,
            Side::V8 => node.ask("judge", kind)?,
            Side::WebCrypto => node.ask("webcrypto", kind)?,
        };
        let expected = if kind == Kind::Hit { set.len() } else { 0 };
        ensure!(passed == expected, "{}: {passed} of {} were let pass", kind.name(), set.len());
        contender.microseconds.push(nanoseconds / 1000.0);
        Ok(())
    };
    eprintln!("Measuring, {ROUNDS} rounds of {} contenders", contenders.len());
    alternate(ROUNDS, &mut contenders, &mut turn)?;
    Ok(contenders)
}

fn rows(size: Size, contenders: &[Contender]) -> Vec<Row> {
    let of = |side: Side| contenders.iter().find(|contender| contender.side == side && contender.kind == Kind::Hit);
    let named = |side: &str, kind: Kind| {
        let Size { keys, in_use } = size;
        let cache = if keys > USUAL_KEYS { ", a larger cache" } else { "" };
        format!("{side}, {}, {keys} keys, {in_use} in use{cache}", kind.name())
    };
    let mut rows: Vec<Row> = contenders
        .iter()
        .map(|Contender { side, kind, microseconds }| (*side, *kind, microseconds))
        .map(|(side, kind, samples)| match side {
            Side::Native => Row::of(named("native", kind), samples, "µs").target(Target::AtMost(0.5)),
            Side::V8 if kind == Kind::Hit => {
                let most = if size.keys > USUAL_KEYS { 2.5 } else { 2.0 };
                Row::of(named("V8", kind), samples, "µs").target(Target::AtMost(most))
            }
            Side::V8 => Row::of(named("V8", kind), samples, "µs"),
            Side::WebCrypto => Row::of(named("WebCrypto and a Map of the keys in use", kind), samples, "µs"),
        })
        .collect();
    if let (Some(v8), Some(crypto)) = (of(Side::V8), of(Side::WebCrypto)) {
        let ratio = crypto.microseconds.over(&v8.microseconds);
        rows.push(Row::of(format!("WebCrypto over V8, {} keys", size.keys), &ratio, "×"));
    }
    rows
}

/// The decision in this process.
struct Native {
    replica: Replica,
    fixture: Arc<Fixture>,
    now_ms: u64,
}

impl Native {
    /// A replica with the fixture's head and none of its leaves.
    fn new(fixture: &Arc<Fixture>) -> Result<Self> {
        let variables = fixture::variables();
        let text = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.as_str()).with_context(|| format!("no {name}"))
        };
        let bytes = |name: &str| -> Result<[u8; 32]> {
            BASE64_URL_SAFE_NO_PAD.decode(text(name)?)?.try_into().ok().with_context(|| format!("{name}: 32 bytes"))
        };
        let deployment = text("KEYWARD_DEPLOYMENT")?;
        let public = PublicKey::from_bytes(&bytes("KEYWARD_PUBLIC_KEYS")?).context("a public key")?;
        let trusted = TrustedKeys::new(vec![public]).context("one key")?;
        let head = Head::verify(fixture.value("head").context("a head")?, deployment, &trusted)?;
        let pepper = Pepper::new(bytes("KEYWARD_PEPPER")?);
        let origin = Origin { deployment, pepper: pepper.id() };
        let settings = fixture.value(&head.settings.kv_key()).context("settings")?;
        let settings = decode_settings(settings, origin)?;
        let now_ms = head.issued_at;
        let mut replica = Replica::new(ReplicaOptions {
            deployment: deployment.to_owned(),
            peppers: vec![pepper],
            min_epoch: 0,
            cache_bytes: usize::MAX,
        });
        replica.adopt(head, settings, now_ms)?;
        Ok(Self { replica, fixture: Arc::clone(fixture), now_ms })
    }

    /// Nanoseconds a decision, and how many let pass; loads what is lacking first.
    fn judge_all(&mut self, set: &[String]) -> Result<(f64, usize)> {
        let request = |authorization| Request {
            method: "GET",
            path: PATH,
            authorization: Some(authorization),
            ..Request::default()
        };
        for authorization in set {
            while let Decision::Need(need) = decide(&mut self.replica, &request(authorization), self.now_ms) {
                let bytes = self.fixture.value(&need.name.kv_key()).context("an object")?;
                self.replica.insert(&need, bytes.to_vec())?;
            }
        }
        let passes = DECISIONS.div_ceil(set.len());
        let mut passed = 0;
        let begun = Instant::now();
        for authorization in (0..passes).flat_map(|_| set) {
            let decision = decide(&mut self.replica, black_box(&request(authorization)), self.now_ms);
            passed += usize::from(matches!(black_box(decision), Decision::Allow(_)));
        }
        let elapsed = begun.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = elapsed.as_nanos() as f64 / (passes * set.len()) as f64;
        Ok((each, passed / passes))
    }
}

/// The shipped WebAssembly in a Node of its own, ended when dropped.
struct Node {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Node {
    fn start(fixture: &Arc<Fixture>, sets: &[Vec<String>; 4]) -> Result<Self> {
        let entry = build::edge::entry(&setup::tools()?, Variant::default())?;
        let store = store_of(fixture)?;
        let mut command = Command::new("node");
        setup::with_npm_programs(&mut command);
        let script = workspace::root().join("tests/node/decide.mjs");
        let mut process = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let to = process.stdin.take().context("a piped input")?;
        let from = BufReader::new(process.stdout.take().context("a piped output")?);
        let mut node = Self { process, to, from };
        let mut variables: serde_json::Map<_, _> =
            fixture::variables().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        if fixture.keys() > USUAL_KEYS {
            variables.insert("KEYWARD_CACHE_BYTES".to_owned(), json!("536870912"));
        }
        let sets: serde_json::Map<_, _> =
            Kind::ALL.iter().zip(sets).map(|(kind, set)| (format!("{kind:?}"), json!(set))).collect();
        let answer = node.say(
            &json!({
                "module": entry,
                "variables": variables,
                "kv": store.address().to_string(),
                "url": format!("https://api.example.com{PATH}"),
                "sets": sets,
                "decisions": DECISIONS,
            })
            .to_string(),
        )?;
        ensure!(answer["ready"] == true, "Node is not ready: {answer}");
        Ok(node)
    }

    /// Nanoseconds a call, and how many let pass.
    fn ask(&mut self, how: &str, kind: Kind) -> Result<(f64, usize)> {
        let answer = self.say(&format!("{how} {kind:?}"))?;
        let passed = answer["passed"].as_u64().context("a count")?;
        Ok((answer["nanoseconds"].as_f64().context("a time")?, usize::try_from(passed)?))
    }

    fn say(&mut self, line: &str) -> Result<Value> {
        writeln!(self.to, "{line}").context("Node has ended; its words are above")?;
        let mut answer = String::new();
        if self.from.read_line(&mut answer)? == 0 {
            bail!("Node has ended; its words are above");
        }
        Ok(serde_json::from_str(&answer)?)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
