//! Everything a mutation is made of, read in one order: token, headers, query, body.
//!
//! The change runs in a task of its own: a client that goes away, or a time limit, cannot stop
//! it half way between its commit and its answer.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::caller::Caller;
use super::json;
use super::prefer::Wait;
use super::query::{NoQuery, Parameters};
use crate::api::answer::{self, Answer};
use crate::api::problem::{Code, Problem};
use crate::api::wire::Reasoned;
use crate::api::{ApiState, etag};
use crate::domain::change::Generation;
use crate::domain::usage::Reported;
use crate::lifecycle::{Context, Entropy, IdempotentCall, IfMatch, Verb};

/// Says that every live edge has applied the change (RFC 7240, section 3).
static PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A request for a change, not yet judged. `Q` is what its query may say beside the reason, which only
/// a DELETE gives there.
pub struct Mutation<Q = NoQuery> {
    api: ApiState,
    caller: Caller,
    method: Method,
    target: String,
    idempotency_key: Option<Zeroizing<String>>,
    if_match: Option<IfMatch>,
    wait: Option<Wait>,
    query_reason: Option<String>,
    query: Q,
    body: Bytes,
}

impl<Q: DeserializeOwned + Send> FromRequest<ApiState> for Mutation<Q> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, api).await?;
        let mut parameters = Parameters::read(parts.uri.query().unwrap_or_default())?;
        let query_reason = if parts.method == Method::DELETE { parameters.take("reason") } else { None };
        let query = parameters.parse()?;
        let idempotency_key = idempotency_key(&parts.headers)?;
        let if_match = etag::if_match(&parts.headers)?;
        let wait = Wait::of(&parts, api);
        let method = parts.method.clone();
        let target = parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
        let body = json::read_body(Request::from_parts(parts, body)).await?;
        Ok(Self {
            api: api.clone(),
            caller,
            method,
            target,
            idempotency_key,
            if_match,
            wait,
            query_reason,
            query,
            body,
        })
    }
}

impl<Q> Mutation<Q> {
    /// What its query says.
    pub const fn query(&self) -> &Q {
        &self.query
    }

    /// Parses the body as the verb's own shape and takes the reason out of it.
    pub fn read<T: DeserializeOwned + Reasoned>(self) -> Result<(Ready, T), Problem> {
        let mut body: T = json::parse_body(&self.body)?;
        let reason = body.take_reason().or_else(|| self.query_reason.clone());
        let mut bytes = Zeroizing::new([0; Entropy::BYTES]);
        self.api.entropy.fill(bytes.as_mut_slice()).map_err(|error| Problem::new(Code::Internal).caused_by(error))?;
        let entropy = Entropy::from_bytes(&bytes);
        let context = Context::new(self.caller.actor, self.api.clock.now(), entropy)
            .with_if_match(self.if_match)
            .with_reason(reason.as_deref())?;
        let call = match &self.idempotency_key {
            Some(key) => Some(self.api.lifecycle.idempotent_call(
                &context,
                key,
                self.method.as_str(),
                &self.target,
                &self.body,
            )?),
            None => None,
        };
        let ready = Ready { api: self.api, context, call, wait: self.wait };
        Ok((ready, body))
    }
}

/// A change that only lacks its verb.
pub struct Ready {
    api: ApiState,
    context: Context,
    call: Option<IdempotentCall>,
    wait: Option<Wait>,
}

impl Ready {
    /// Who changes something, when, and what they have seen before.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// What was reported of usage.
    pub async fn reported(&self) -> Result<Reported, Problem> {
        Ok(self.api.lifecycle.reported(self.context.now).await?)
    }

    /// Makes the change and answers it, now or as it was answered before; where somebody prefers to wait,
    /// when edges have applied it.
    pub async fn run<V>(
        self,
        verb: V,
        render: impl FnOnce(V::Answer, Generation) -> Answer + Send + 'static,
    ) -> Result<Response, Problem>
    where
        V: Verb + 'static,
    {
        let Self { api, context, call, wait } = self;
        let changed_api = api.clone();
        let change = async move {
            changed_api
                .lifecycle
                .run(&context, verb, call.as_ref(), |answer, generation| render(answer, generation).into_stored())
                .await
        };
        let done = tokio::spawn(change.in_current_span())
            .await
            .map_err(|error| Problem::new(Code::Internal).caused_by(error))??;
        let mut response = answer::stored(&done.answer, done.replayed)?;
        if let Some(wait) = wait
            && wait.applied(&api, done.generation).await
        {
            response.headers_mut().insert(PREFERENCE_APPLIED.clone(), HeaderValue::from_static("wait"));
        }
        Ok(response)
    }

    /// Says what the change would answer, and makes it not.
    pub async fn preview<V: Verb>(
        self,
        verb: V,
        render: impl FnOnce(V::Answer) -> Answer,
    ) -> Result<Response, Problem> {
        let answer = render(self.api.lifecycle.preview(&self.context, verb).await?);
        answer::stored(&answer.into_stored(), false)
    }
}

/// The one `Idempotency-Key`, if there is one.
pub(in crate::api) fn idempotency_key(headers: &HeaderMap) -> Result<Option<Zeroizing<String>>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let refuse = |detail: &str| Problem::new(Code::BadHeader).field("Idempotency-Key").detail(detail);
    if values.next().is_some() {
        return Err(refuse("given more than once"));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
        Err(_) => Err(refuse("must be visible ASCII characters")),
    }
}
