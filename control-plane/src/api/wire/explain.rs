//! Explanations on the wire.

use std::net::IpAddr;

use keyward_shared::decision::Refusal;
use keyward_shared::policy::App;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::lookup::FoundKeyBody;
use super::{instant, schema};
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::request_id::RequestId;
use crate::domain::time::UnixMillis;
use crate::lifecycle::{Asked, Explanation, PastEvent, SecretSlot, Verdict};

/// The body of `POST /v1/explain`: a request's identifier alone, or the request itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// What `X-Keyward-Request-Id` of an edge's answer said.
    pub request_id: Option<String>,
    /// The value of `Authorization`.
    pub authorization: Option<Zeroizing<String>>,
    /// The value of the header that the setting `accept` names.
    pub key_header: Option<Zeroizing<String>>,
    /// The method; `GET` when absent.
    pub method: Option<String>,
    /// The path.
    pub path: Option<String>,
    /// Whether it came with `Access-Control-Request-Method`.
    pub preflight: Option<bool>,
    /// The client's address.
    pub ip: Option<String>,
    /// `Referer`, else `Origin`.
    pub referrer: Option<String>,
    /// The app that it says it comes from.
    pub app: Option<App>,
    /// When, as far as deadlines go; now when absent.
    pub at: Option<String>,
}

/// What is to be explained.
pub enum ToExplain {
    /// A request that an edge has answered.
    Answered(RequestId),
    /// This request.
    Asked(Box<Asked>),
}

impl Explain {
    /// What is to be explained, times and addresses read.
    pub fn into_input(self) -> Result<ToExplain, Invalid> {
        if let Some(id) = &self.request_id {
            if self.describes() {
                let detail = "give this alone, or what the request was";
                return Err(Invalid::new("request_id", Fault::Conflicting, detail));
            }
            let detail = "what an edge's answer says in X-Keyward-Request-Id";
            let id = RequestId::parse(id).ok_or_else(|| Invalid::new("request_id", Fault::BadFormat, detail))?;
            return Ok(ToExplain::Answered(id));
        }
        let path = self.path.ok_or_else(|| Invalid::new("path", Fault::Missing, "give this or `request_id`"))?;
        let address =
            |text: String| text.parse::<IpAddr>().map_err(|_| Invalid::new("ip", Fault::BadFormat, "an IP address"));
        Ok(ToExplain::Asked(Box::new(Asked {
            authorization: self.authorization,
            key_header: self.key_header,
            method: self.method.unwrap_or_else(|| "GET".to_owned()),
            path,
            preflight: self.preflight.unwrap_or_default(),
            ip: self.ip.map(address).transpose()?,
            referrer: self.referrer,
            app: self.app,
            at: self.at.map(|text| instant("at", &text)).transpose()?,
        })))
    }

    /// Whether it says anything of the request itself.
    fn describes(&self) -> bool {
        let Self { request_id: _, authorization, key_header, method, path, preflight, ip, referrer, app, at } = self;
        let texts = [method, path, ip, referrer, at];
        texts.iter().any(|text| text.is_some())
            || [authorization, key_header].iter().any(|text| text.is_some())
            || preflight.is_some()
            || app.is_some()
    }
}

/// A verdict and its reasons, as they are read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ExplanationBody<'a> {
    #[schema(value_type = schema::Verdict)]
    verdict: Verdict,
    #[schema(required)]
    status: Option<u16>,
    #[schema(required)]
    code: Option<&'static str>,
    reason: &'static str,
    explanation: &'a str,
    #[schema(value_type = Option<schema::AnyKey>, required)]
    key: Option<FoundKeyBody<'a>>,
    #[schema(value_type = Option<schema::SecretSlot>, required)]
    slot: Option<SecretSlot>,
    #[schema(required)]
    changes: Option<Vec<ChangeBody<'a>>>,
    /// The time that deadlines were judged for; with `request_id`, when it was refused. All else is as it is now.
    at: UnixMillis,
    /// With `request_id`: the edge that refused it.
    #[schema(required)]
    edge: Option<String>,
    /// With `request_id`: the fingerprint of the key that was shown, where one could be read.
    #[schema(required)]
    fingerprint: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PastChange)]
struct ChangeBody<'a> {
    seq: u64,
    at: UnixMillis,
    actor: ActorBody<'a>,
    action: &'a str,
    entity: &'a str,
    #[schema(required)]
    operation: Option<&'a str>,
    #[schema(required)]
    reason: Option<&'a str>,
    generation: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PastActor)]
struct ActorBody<'a> {
    kind: &'a str,
    #[schema(required)]
    id: Option<&'a str>,
    name: &'a str,
    #[schema(required)]
    on_behalf_of: Option<&'a str>,
}

impl<'a> From<&'a Explanation> for ExplanationBody<'a> {
    fn from(explanation: &'a Explanation) -> Self {
        let found = explanation.found.as_ref();
        Self {
            verdict: explanation.verdict,
            status: explanation.refusal.map(Refusal::status),
            code: explanation.refusal.map(Refusal::code),
            reason: explanation.reason,
            explanation: &explanation.explanation,
            key: found.map(|found| FoundKeyBody::from(&found.key)),
            slot: found.map(|found| found.slot),
            changes: explanation.changes.as_ref().map(|changes| changes.iter().map(ChangeBody::from).collect()),
            at: explanation.at,
            edge: explanation.told.map(|told| hex::encode(told.instance)),
            fingerprint: explanation.told.and_then(|told| told.fingerprint).map(|told| hex::encode(told.as_bytes())),
        }
    }
}

impl<'a> From<&'a PastEvent> for ChangeBody<'a> {
    fn from(event: &'a PastEvent) -> Self {
        Self {
            seq: event.seq,
            at: event.at,
            actor: ActorBody {
                kind: &event.actor_kind,
                id: event.actor_id.as_deref(),
                name: &event.actor_name,
                on_behalf_of: event.on_behalf_of.as_deref(),
            },
            action: &event.action,
            entity: &event.entity,
            operation: event.operation.as_deref(),
            reason: event.reason.as_deref(),
            generation: event.generation,
        }
    }
}
