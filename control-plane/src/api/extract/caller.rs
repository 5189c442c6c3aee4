//! Who asks: the bearer token, and what it may open.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header::{self, GetAll, HeaderValue};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use keyward_shared::client_address::forwarded_for;

use crate::api::ApiState;
use crate::api::frame::RequestId;
use crate::api::problem::{Code, Problem};
use crate::config::ClientAddress;
use crate::domain::actor::Actor;
use crate::domain::permission::Permission;
use crate::domain::token::TokenHash;
use crate::lifecycle::rights::ON_BEHALF_OF;
use crate::lifecycle::{Authenticated, Needs};
use crate::secrets::same_token;

/// Somebody with a token; there once [`authenticate`] has run.
#[derive(Clone)]
pub struct Caller {
    /// Who it is, as the audit log names them.
    pub actor: Actor,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // Missing only where a route was added without its layer: refuse, never pass.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(Code::Unauthorized))
    }
}

/// Somebody who shows no token.
pub struct Visitor {
    /// As the audit log names them: by a word, an address and a request.
    pub actor: Actor,
}

impl FromRequestParts<ApiState> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Problem> {
        let request_id = parts.extensions.get::<RequestId>().map_or_else(String::new, |id| id.as_str().to_owned());
        let ip = client_address(api.client_address, parts);
        Ok(Self { actor: Actor { ip, request_id, ..Actor::system("link") } })
    }
}

/// Lets those pass who have a token. What it allows is asked by each use case.
pub async fn authenticate(State(api): State<ApiState>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let token = bearer(&parts).ok_or_else(|| nobody(&api, &parts))?;
    let shown = TokenHash::of(token);
    if same_token(&shown, &api.edge_credential) {
        return Err(Problem::new(Code::Forbidden)
            .detail("the edges' credential opens the snapshot, takes their reports, and nothing else"));
    }
    if is_lane_token(&api, &shown) {
        return Err(lane_only());
    }
    let caller = caller(&api, token, &parts).await?;
    parts.extensions.insert(caller);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Lets those pass who may read the snapshot, which holds something of every workspace: edges, caches in
/// front that ask with the lane's token, and operators.
pub async fn authenticate_lane(State(api): State<ApiState>, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let token = bearer(&parts).ok_or_else(|| nobody(&api, &parts))?;
    let shown = TokenHash::of(token);
    if !same_token(&shown, &api.edge_credential) && !is_lane_token(&api, &shown) {
        let caller = caller(&api, token, &parts).await?;
        api.lifecycle.admit(&caller.actor, Needs::Deployment(Permission::SnapshotRead)).await?;
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Lets edges pass, by their own credential: what they report is nobody else's to say.
pub async fn authenticate_edge(State(api): State<ApiState>, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let token = bearer(&parts).ok_or_else(|| nobody(&api, &parts))?;
    let shown = TokenHash::of(token);
    if is_lane_token(&api, &shown) {
        return Err(lane_only());
    }
    if !same_token(&shown, &api.edge_credential) {
        caller(&api, token, &parts).await?;
        return Err(Problem::new(Code::Forbidden).detail("only edges report, with their own credential"));
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

fn is_lane_token(api: &ApiState, shown: &TokenHash) -> bool {
    api.lane_token.as_ref().is_some_and(|token| same_token(shown, token))
}

fn lane_only() -> Problem {
    Problem::new(Code::Forbidden).detail("the lane's token opens the snapshot's head and objects, and nothing else")
}

async fn caller(api: &ApiState, token: &str, parts: &Parts) -> Result<Caller, Problem> {
    let ip = client_address(api.client_address, parts);
    let request_id = request_id(parts).to_owned();
    let on_behalf_of = parts.headers.get_all(ON_BEHALF_OF);
    let actor = match api.lifecycle.authenticate(token, api.clock.now()).await? {
        Authenticated::Operator(token) => {
            let operator = Actor::of_operator(&token, ip, request_id);
            match for_whom(on_behalf_of)? {
                Some(member) => operator.acting_for(&api.lifecycle.on_behalf_of(member).await?),
                None => operator,
            }
        }
        Authenticated::Member(..) if on_behalf_of.iter().next().is_some() => {
            return Err(Problem::new(Code::Forbidden).detail("only an operator acts on behalf of a member"));
        }
        Authenticated::Member(token, member) => Actor::of_member(&token, &member, ip, request_id),
        Authenticated::Nobody => return Err(nobody(api, parts)),
    };
    Ok(Caller { actor })
}

/// Refuses a request of nobody. The audit log hears of it where something was shown that is no token; who
/// shows nothing has not tried.
fn nobody(api: &ApiState, parts: &Parts) -> Problem {
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let ip = client_address(api.client_address, parts);
        api.sign_ins.refused(&api.lifecycle, api.clock.now(), ip, request_id(parts));
    }
    Problem::new(Code::Unauthorized)
}

fn request_id(parts: &Parts) -> &str {
    parts.extensions.get::<RequestId>().map_or("", RequestId::as_str)
}

/// The one member that the header names, if it is there.
fn for_whom(fields: GetAll<'_, HeaderValue>) -> Result<Option<&str>, Problem> {
    let refuse = |detail: &str| Problem::new(Code::BadHeader).field(ON_BEHALF_OF).detail(detail);
    let mut fields = fields.into_iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(refuse("given more than once"));
    }
    field.to_str().map(Some).map_err(|_| refuse("must be visible ASCII characters"))
}

/// Whose address the audit log has. What a header says in vain is left out, never guessed.
fn client_address(source: ClientAddress, parts: &Parts) -> Option<IpAddr> {
    match source {
        ClientAddress::Peer => {
            let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
            peer.map(|ConnectInfo(address)| address.ip().to_canonical())
        }
        ClientAddress::ForwardedFor(nth) => {
            // Several fields are one list (RFC 9110, section 5.3), whose end is the nearest proxy's.
            let fields = parts.headers.get_all("x-forwarded-for").iter();
            let chain = fields.map(|value| value.to_str().ok()).collect::<Option<Vec<_>>>()?.join(",");
            forwarded_for(&chain, nth)
        }
    }
}

/// The token of `Authorization: Bearer` (RFC 6750, section 2.1); the scheme in any case.
fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
