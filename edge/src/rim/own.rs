//! `/.keyward/*`: the Worker's own endpoints, in the event handler of the `worker` crate.

use subtle::ConstantTimeEq as _;
use worker::{Context, Env, Headers, Request, Response, Result, event};

use super::exports;
use super::platform::{self, with_isolate};
use super::settle;
use crate::answer::{self, PROBLEMS, Problem};
use crate::request::{Asked, host_and_path};
use crate::status;
use crate::verdict::{self, IDENTITY_HEADERS, Verdict};

const VERIFY: &str = "/.keyward/verify";
/// The how manieth request of the instance it is: the entry sets it, whatever a client sent.
const ORDINAL: &str = "x-keyward-ordinal";

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let url = request.inner().url();
    let (_, path) = host_and_path(&url);
    match path {
        "/.keyward/status" => answer_status(&env, &context),
        "/.keyward/jwks" => answer_public_keys(&env),
        path if path == VERIFY || path.starts_with("/.keyward/verify/") => verify(&request, path, &env, &context).await,
        _ => problem("not_found"),
    }
}

fn answer_status(env: &Env, context: &Context) -> Result<Response> {
    platform::configure(env);
    let now = platform::now();
    if let Some(work) = settle::due(env) {
        context.wait_until(work);
    }
    let wasm_bytes = platform::memory_bytes();
    let body = with_isolate(|isolate| status::body(Some(isolate), now, wasm_bytes, platform::rfc3339))
        .unwrap_or_else(|| status::body(None, now, wasm_bytes, platform::rfc3339));
    json(&body)
}

fn answer_public_keys(env: &Env) -> Result<Response> {
    if !platform::configure(env) {
        // An origin that believed an empty set would refuse whatever other edges send it.
        return problem("no_snapshot");
    }
    let keys = with_isolate(|isolate| isolate.public_keys()).flatten();
    json(keys.as_deref().unwrap_or(r#"{"keys":[]}"#))
}

/// Forward authentication: a proxy asks whether a request may pass.
async fn verify(request: &Request, path: &str, env: &Env, context: &Context) -> Result<Response> {
    if !platform::configure(env) {
        return problem("no_snapshot");
    }
    let secret = with_isolate(|isolate| isolate.config.proxy_secret.clone()).flatten();
    let shown = header(request, "x-keyward-proxy").unwrap_or_default();
    if !secret.is_some_and(|secret| bool::from(secret.as_bytes().ct_eq(shown.as_bytes()))) {
        return problem("proxy_secret");
    }
    let Some(forwarded) = Forwarded::read(request, path) else {
        return problem("forwarded_headers");
    };
    let asked = forwarded.asked();
    let now = platform::now();
    let ordinal = header(request, ORDINAL).and_then(|text| text.parse().ok()).unwrap_or_default();
    let collect = || Some(facts(asked.method, request));
    match settle::settle(env, &asked, now, ordinal, &collect, &|work| context.wait_until(work)).await {
        Verdict::Allow(grant) | Verdict::Pong(grant) => {
            let Some(identity) = with_isolate(|isolate| isolate.identity(&grant, &asked, now)) else {
                return problem("internal");
            };
            let headers = code_headers("allowed")?;
            for (name, value) in IDENTITY_HEADERS.iter().zip(identity.split('\n')) {
                if !value.is_empty() {
                    headers.set(name, value)?;
                }
            }
            Ok(Response::empty()?.with_headers(headers).with_status(200))
        }
        Verdict::Number(verdict::PUBLIC) => {
            Ok(Response::empty()?.with_headers(code_headers("public")?).with_status(200))
        }
        Verdict::Number(number) => match PROBLEMS.get(number as usize) {
            Some(problem) => answer_problem(problem),
            None => problem("internal"),
        },
    }
}

/// The request that a proxy asks about. Not printable: it holds a credential.
struct Forwarded {
    method: String,
    host: String,
    path: String,
    authorization: Option<String>,
}

impl Forwarded {
    /// Its own method and the path behind `verify`, or what the proxy forwards, each header exactly once.
    fn read(request: &Request, path: &str) -> Option<Self> {
        let url = request.inner().url();
        let authorization = header(request, "authorization");
        // Several headers of a name are joined by a comma and a space, which none of the three can hold.
        let once = |name: &str| header(request, name).filter(|value| !value.is_empty() && !value.contains(", "));
        if let Some(rest) = path.strip_prefix(VERIFY).filter(|rest| !rest.is_empty()) {
            let host = once("x-forwarded-host").unwrap_or_else(|| host_and_path(&url).0.to_owned());
            return Some(Self { method: request.inner().method(), host, path: rest.to_owned(), authorization });
        }
        let uri = once("x-forwarded-uri")?;
        let path = uri.split('?').next().unwrap_or_default().to_owned();
        let (method, host) = (once("x-forwarded-method")?, once("x-forwarded-host")?);
        Some(Self { method, host, path, authorization })
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            authorization: self.authorization.as_deref(),
            facts: None,
        }
    }
}

/// The lines of `Facts::parse`. The proxy's own address is no client's: whichever source the Worker
/// believes, here it is the proxy's word.
fn facts(method: &str, request: &Request) -> String {
    let told = |name: &str| header(request, name).unwrap_or_default();
    let key_header = with_isolate(|isolate| isolate.replica.settings().accept.header.clone()).flatten();
    let is_preflight = method == "OPTIONS" && header(request, "access-control-request-method").is_some();
    let forwarded_for = told("x-forwarded-for");
    let last_hop = forwarded_for.rsplit(',').next().unwrap_or_default().trim();
    [
        if is_preflight { "1" } else { "" },
        &key_header.map(|name| told(&name)).unwrap_or_default(),
        last_hop,
        last_hop,
        &forwarded_for,
        &header(request, "referer").unwrap_or_else(|| told("origin")),
        &told("x-android-package"),
        &told("x-android-cert"),
        &told("x-ios-bundle-identifier"),
    ]
    .join("\n")
}

fn header(request: &Request, name: &str) -> Option<String> {
    request.headers().get(name).ok().flatten()
}

fn code_headers(code: &str) -> Result<Headers> {
    let headers = Headers::new();
    headers.set("x-keyward-code", code)?;
    headers.set("cache-control", "no-store")?;
    Ok(headers)
}

fn problem(code: &str) -> Result<Response> {
    answer_problem(&PROBLEMS[answer::index_of(code)])
}

fn answer_problem(problem: &Problem) -> Result<Response> {
    let headers = code_headers(problem.code)?;
    headers.set("content-type", "application/problem+json")?;
    match problem.status {
        401 => headers.set("www-authenticate", &exports::challenge())?,
        503 => headers.set("retry-after", "1")?,
        _ => {}
    }
    Ok(Response::from_bytes(problem.body().into_bytes())?.with_headers(headers).with_status(problem.status))
}

fn json(body: &str) -> Result<Response> {
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    headers.set("cache-control", "no-store")?;
    Ok(Response::from_bytes(body.as_bytes().to_vec())?.with_headers(headers))
}
