//! `POST /v1/keys/import`: keys that exist elsewhere, a line each, over workspaces.
//!
//! Lines are read, brought and answered batch by batch, each a transaction of its own, so that an import of
//! any length takes the same memory and can be run again wherever it broke off. With an `Idempotency-Key` it
//! is one batch, which happens once like any other change.

mod batch;
mod lines;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use futures_util::StreamExt as _;
use tracing::Instrument as _;
use utoipa::OpenApi;
use zeroize::Zeroizing;

use crate::api::extract::{Caller, Query, idempotency_key};
use crate::api::limits::{BODY_BYTES, IMPORT_PIECE_SECONDS, IMPORT_UNREAD_BYTES};
use crate::api::problem::{Code, Problem};
use crate::api::spool::{self, spool};
use crate::api::wire::import::{ImportLine, ImportQuery, ResultLine};
use crate::api::wire::schema;
use crate::api::{ApiState, answer, etag};
use crate::domain::actor::Actor;
use crate::domain::change::Generation;
use crate::domain::limits::IMPORT_BATCH_LINES;
use crate::domain::permission::Permission;
use crate::domain::text::Reason;
use crate::entropy;
use crate::lifecycle::{Context, Entropy, ImportedBatch, Needs, Refusal, StoredAnswer};
use batch::Batch;
use lines::{Line, Lines, Next};

/// How long the lines that are there wait for more.
const QUIET: Duration = Duration::from_millis(200);
const PIECE: Duration = Duration::from_secs(IMPORT_PIECE_SECONDS);
const NDJSON: &str = "application/x-ndjson";

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/", post(import))
}

/// Bring keys from elsewhere
///
/// A key a line, over workspaces, of any length. It is safe to run again wherever it broke off. With an
/// `Idempotency-Key` it is one batch, which happens once.
#[utoipa::path(
    post, path = "/v1/keys/import", operation_id = "import_keys",
    params(ImportQuery),
    request_body(content = schema::ImportLines, content_type = "application/x-ndjson"),
    responses((status = 200, body = schema::ImportResults, content_type = "application/x-ndjson")),
)]
async fn import(
    caller: Caller,
    Query(query): Query<ImportQuery>,
    State(api): State<ApiState>,
    request: Request,
) -> Result<Response, Problem> {
    api.lifecycle.admit(&caller.actor, Needs::Deployment(Permission::KeyImport)).await?;
    let headers = request.headers();
    let key = idempotency_key(headers)?;
    if etag::if_match(headers)?.is_some() {
        return Err(Refusal::PreconditionFailed { version: 0 }.into());
    }
    if !is_ndjson(headers) {
        return Err(Problem::new(Code::UnsupportedMediaType).detail(format!("send the lines as {NDJSON}")));
    }
    let reason = query.reason.as_deref().map(|reason| Reason::parse("reason", reason)).transpose()?;
    let import = Import { api, actor: caller.actor, reason, is_dry_run: query.is_dry_run() };
    match key {
        Some(key) if !import.is_dry_run => import.once(&key, request).await,
        key => {
            if let Some(key) = key {
                // Nothing is kept of a dry run; a malformed key is refused all the same.
                import.api.lifecycle.idempotent_call(&import.context()?, &key, "POST", "", b"")?;
            }
            import.stream(request.into_body()).await
        }
    }
}

/// An import that is under way.
struct Import {
    api: ApiState,
    actor: Actor,
    reason: Option<Reason>,
    is_dry_run: bool,
}

/// How the lines of a request ended.
enum End {
    /// All were read.
    Whole,
    /// No more came for too long.
    Late,
    /// The connection is gone.
    Broken,
}

impl Import {
    /// The context of one batch.
    fn context(&self) -> Result<Context, Refusal> {
        let bytes = entropy::draw::<{ Entropy::BYTES }>(self.api.entropy.as_ref()).map_err(|error| {
            tracing::error!(%error, "no randomness for an import");
            Refusal::Entropy
        })?;
        let context = Context::new(self.actor.clone(), self.api.clock.now(), Entropy::from_bytes(&bytes));
        Ok(Context { reason: self.reason.clone(), ..context })
    }

    /// Answers line by line, of whatever length the request is. The answer begins behind the request: some
    /// clients send no line before they were told to go on (RFC 9110, section 10.1.1), or after an answer.
    async fn stream(self, body: Body) -> Result<Response, Problem> {
        let mut lines = Lines::of(body);
        match lines.more(PIECE).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(ended_early(error)),
            None => return Err(Problem::new(Code::Timeout)),
        }
        let (writer, reader) = spool(&self.api.spool_dir, IMPORT_UNREAD_BYTES)
            .map_err(|error| Problem::new(Code::Unavailable).caused_by(error))?;
        tokio::spawn(self.run(lines, writer).in_current_span());
        let mut response = Response::new(Body::from_stream(reader));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// A task of its own: a batch is not cut off where a client goes away.
    async fn run(self, mut lines: Lines, writer: spool::Writer) {
        loop {
            let mut batch = Batch::default();
            let end = self.fill(&mut batch, &mut lines).await;
            let mut answers = batch.run(&self).await;
            if matches!(end, Some(End::Late)) {
                answers.push_str(&batch::late(lines.number(), IMPORT_PIECE_SECONDS));
            }
            if let Err(error) = writer.write(answers.into_bytes()).await {
                tracing::error!(%error, "an import stops: its answer cannot be kept");
                return;
            }
            match end {
                None => {}
                Some(End::Whole | End::Late) => return writer.end(),
                Some(End::Broken) => return,
            }
        }
    }

    /// Reads until the batch is full, nothing more comes for now, or nothing more comes at all.
    async fn fill(&self, batch: &mut Batch, lines: &mut Lines) -> Option<End> {
        while !batch.is_full() {
            let wait = if batch.len() == 0 { PIECE } else { QUIET };
            match lines.next(wait).await {
                Next::Line(line) => batch.read(&self.api, &line, self.api.clock.now()),
                Next::Quiet if batch.len() == 0 => return Some(End::Late),
                Next::Quiet => return None,
                Next::End => return Some(End::Whole),
                Next::Broken(error) => {
                    tracing::debug!(%error, "an import broke off");
                    return Some(End::Broken);
                }
            }
        }
        None
    }

    /// Makes the import once, however often it is asked for with this key.
    async fn once(self, key: &Zeroizing<String>, request: Request) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
        let body = whole(body).await?;
        let context = self.context()?;
        let call = self.api.lifecycle.idempotent_call(&context, key, parts.method.as_str(), &target, &body)?;
        let mut batch = Batch::default();
        for line in split(&body) {
            if batch.len() >= usize::from(IMPORT_BATCH_LINES) {
                return Err(too_much());
            }
            batch.read(&self.api, &line, context.now);
        }
        let (told, verb) = batch.into_parts();
        let render = move |batch: ImportedBatch, generation: Generation| {
            let answers = batch::answers(&told, Ok((batch, Some(generation))));
            let headers = vec![
                (header::CONTENT_TYPE.as_str().to_owned(), NDJSON.to_owned()),
                (header::CACHE_CONTROL.as_str().to_owned(), "no-store".to_owned()),
            ];
            StoredAnswer { status: StatusCode::OK.as_u16(), headers, body: Zeroizing::new(answers) }
        };
        let change = async move { self.api.lifecycle.run(&context, verb, Some(&call), render).await };
        let done = tokio::spawn(change.in_current_span())
            .await
            .map_err(|error| Problem::new(Code::Internal).caused_by(error))??;
        answer::stored(&done.answer, done.replayed)
    }
}

/// The whole of a body that is no longer than one of any other change.
async fn whole(body: Body) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut pieces = body.into_data_stream();
    let mut all = Zeroizing::new(Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(ended_early)?;
        if all.len() + piece.len() > BODY_BYTES {
            return Err(too_much());
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

fn split(body: &[u8]) -> Vec<Line> {
    let mut splitter = lines::Splitter::default();
    splitter.feed(axum::body::Bytes::copy_from_slice(body));
    let mut all: Vec<Line> = std::iter::from_fn(|| splitter.next()).collect();
    all.extend(splitter.last());
    all
}

fn ended_early(error: axum::Error) -> Problem {
    Problem::new(Code::BadJson).detail("the body ended early").caused_by(error)
}

fn too_much() -> Problem {
    let detail = format!(
        "an import of more than {IMPORT_BATCH_LINES} lines or {BODY_BYTES} bytes takes none: it is safe to run again"
    );
    Problem::new(Code::BadHeader).field("Idempotency-Key").detail(detail)
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    const ALIKE: [&str; 4] = [NDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines"];
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    ALIKE.iter().any(|known| essence.eq_ignore_ascii_case(known))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(import), components(schemas(ImportLine, ResultLine)))]
pub(super) struct Operations;
