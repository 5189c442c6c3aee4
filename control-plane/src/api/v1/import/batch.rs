//! A batch of an import: its lines as they were read, and the lines that answer them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use keyward_shared::id::KeyId;

use super::Import;
use super::lines::Line;
use crate::api::ApiState;
use crate::api::extract::{is_object, parse_body};
use crate::api::limits::{IMPORT_BATCH_BYTES, IMPORT_LINE_BYTES};
use crate::api::problem::{Code, Problem};
use crate::api::wire::import::{self, ImportWarning, ResultLine, WireOutcome};
use crate::domain::change::Generation;
use crate::domain::import::ImportOutcome;
use crate::domain::invalid::Fault;
use crate::domain::limits::IMPORT_BATCH_LINES;
use crate::domain::time::UnixMillis;
use crate::entropy;
use crate::lifecycle::{ImportBatch, ImportLine, ImportedBatch, ImportedLine, LineEntropy, Refusal};

/// How often a batch is tried while the database is away. Each try waits for it by itself.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

const SHORT: &[ImportWarning] = &[ImportWarning::ShortSecret];

/// Lines that are one transaction.
#[derive(Default)]
pub(super) struct Batch {
    /// Every line that was read.
    told: Vec<Told>,
    /// Those that are not refused yet.
    lines: Vec<ImportLine>,
    bytes: usize,
}

/// What is known of a line.
pub(super) struct Told {
    number: u64,
    external_id: Option<String>,
    /// The member that its secret stands in.
    secret_field: &'static str,
    is_short: bool,
    /// Why it is refused already.
    refused: Option<Problem>,
}

/// What became of the lines that were not refused when they were read.
pub(super) type Outcome = Result<(ImportedBatch, Option<Generation>), Problem>;

impl Batch {
    /// Takes a line, refused or not.
    pub(super) fn read(&mut self, api: &ApiState, line: &Line, now: UnixMillis) {
        let mut told =
            Told { number: line.number, external_id: None, secret_field: "secret", is_short: false, refused: None };
        match &line.text {
            None => {
                let detail = format!("a line has at most {IMPORT_LINE_BYTES} bytes");
                told.refused = Some(Problem::new(Code::LineTooLong).detail(detail));
            }
            Some(text) => {
                self.bytes += text.len();
                match told.judge(api, text, now) {
                    Ok(line) => self.lines.push(line),
                    Err(problem) => told.refused = Some(problem),
                }
            }
        }
        self.told.push(told);
    }

    /// How many lines it has.
    pub(super) fn len(&self) -> usize {
        self.told.len()
    }

    /// Whether it takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= usize::from(IMPORT_BATCH_LINES) || self.bytes >= IMPORT_BATCH_BYTES
    }

    /// What is known of each line, and the change that those which are not refused stand for.
    pub(super) fn into_parts(self) -> (Vec<Told>, ImportBatch) {
        (self.told, ImportBatch { lines: Arc::from(self.lines) })
    }

    /// Brings the keys, and answers every line.
    pub(super) async fn run(self, import: &Import) -> String {
        if self.lines.is_empty() {
            return answers(&self.told, Ok((ImportedBatch { lines: Vec::new() }, None)));
        }
        let (told, verb) = self.into_parts();
        let outcome = attempt(import, &verb).await.map_err(|refusal| {
            tracing::error!(cause = %refusal, "a batch of an import was not written");
            Problem::from(refusal)
        });
        answers(&told, outcome)
    }
}

impl Told {
    fn judge(&mut self, api: &ApiState, text: &[u8], now: UnixMillis) -> Result<ImportLine, Problem> {
        let body: import::ImportLine = parse_body(text).map_err(|problem| {
            self.external_id = if is_object(text) { import::external_id(text) } else { None };
            nameless(problem)
        })?;
        self.external_id = import::known_by(&body.external_id);
        self.secret_field = body.secret_field();
        let fields = body.into_fields()?;
        let bytes = entropy::draw::<{ LineEntropy::BYTES }>(api.entropy.as_ref())
            .map_err(|error| Problem::new(Code::Internal).caused_by(error))?;
        let line = api.lifecycle.import_line(fields, LineEntropy::from_bytes(&bytes), now)?;
        self.is_short = line.is_short();
        Ok(line)
    }

    fn answer(&self, outcome: WireOutcome) -> ResultLine<'_> {
        ResultLine {
            line: self.number,
            external_id: self.external_id.as_deref(),
            outcome,
            key_id: None,
            generation: None,
            code: None,
            field: None,
            fault: None,
            detail: None,
            warnings: None,
        }
    }

    fn refused(&self, problem: &Problem) -> ResultLine<'_> {
        let field = match problem.code() {
            Code::SecretExists | Code::SecretDiffers => Some(self.secret_field),
            _ => problem.field_name(),
        };
        ResultLine {
            code: Some(problem.code().as_str()),
            field: field.map(import::cut),
            fault: problem.fault_code(),
            detail: Some(import::cut(problem.detail_text().unwrap_or(problem.code().title()))),
            ..self.answer(WireOutcome::Refused)
        }
    }

    fn taken(&self, line: ImportedLine, generation: Option<Generation>, is_there: bool) -> ResultLine<'_> {
        ResultLine {
            key_id: is_there.then_some(line.key),
            generation: generation
                .filter(|_| line.outcome != ImportOutcome::Unchanged)
                .map(|Generation(generation)| generation),
            warnings: self.is_short.then_some(SHORT),
            ..self.answer(line.outcome.into())
        }
    }
}

/// The answer to every line, in order.
pub(super) fn answers(told: &[Told], outcome: Outcome) -> String {
    let (mut lines, generation, fault) = match outcome {
        Ok((batch, generation)) => (batch.lines.into_iter(), generation, None),
        Err(problem) => (Vec::new().into_iter(), None, Some(problem)),
    };
    // A dry run has made up the identifiers of new keys, which further lines of the batch may be about.
    let created = lines.as_slice().iter().flatten().filter(|line| line.outcome == ImportOutcome::Created);
    let made_up: HashSet<KeyId> =
        if generation.is_none() { created.map(|line| line.key).collect() } else { HashSet::new() };
    let mut text = String::new();
    for told in told {
        match (&told.refused, &fault) {
            (Some(problem), _) | (None, Some(problem)) => push(&mut text, &told.refused(problem)),
            (None, None) => match lines.next() {
                Some(Ok(line)) => {
                    push(&mut text, &told.taken(line, generation, !made_up.contains(&line.key)));
                }
                Some(Err(refusal)) => push(&mut text, &told.refused(&Problem::from(refusal))),
                None => push(&mut text, &told.refused(&Problem::new(Code::Internal))),
            },
        }
    }
    text
}

/// The same without the name of a member that a line cannot have: it may be a secret in the wrong place.
fn nameless(problem: Problem) -> Problem {
    if problem.fault_code() == Some(Fault::Unknown.code()) {
        let detail = "a member has a name that no member of a line has";
        return Problem::new(problem.code()).fault(Fault::Unknown.code()).detail(detail);
    }
    problem
}

/// The answer in place of a line that did not come.
pub(super) fn late(number: u64, seconds: u64) -> String {
    let told = Told { number, external_id: None, secret_field: "secret", is_short: false, refused: None };
    let detail = format!("nothing came for {seconds} seconds; from this line on nothing was read");
    let mut text = String::new();
    push(&mut text, &told.refused(&Problem::new(Code::Timeout).detail(detail)));
    text
}

fn push(text: &mut String, line: &ResultLine<'_>) {
    match serde_json::to_string(line) {
        Ok(line) => {
            text.push_str(&line);
            text.push('\n');
        }
        Err(error) => tracing::error!(%error, "a result line has no JSON form"),
    }
}

async fn attempt(import: &Import, verb: &ImportBatch) -> Result<(ImportedBatch, Option<Generation>), Refusal> {
    let mut tries = 1;
    loop {
        let outcome = once(import, verb.clone()).await;
        match outcome {
            Err(refusal) if refusal.is_unavailable() && tries < TRIES => {
                tracing::warn!(cause = %refusal, "a batch of an import is tried again");
                tokio::time::sleep(BETWEEN_TRIES).await;
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

async fn once(import: &Import, verb: ImportBatch) -> Result<(ImportedBatch, Option<Generation>), Refusal> {
    let context = import.context()?;
    let lifecycle = &import.api.lifecycle;
    if import.is_dry_run {
        return lifecycle.preview(&context, verb).await.map(|batch| (batch, None));
    }
    lifecycle.execute_if(&context, verb, ImportedBatch::changes).await
}
