//! Explain a verdict: what an edge says of a request, why, and what was done to its key lately.
//!
//! The request is judged by the edges' own code, from one moment of the database. Where an edge could not
//! even read the credential, the mistake is looked for. Nothing of the credential is given back.

mod answered;
mod words;

use std::net::IpAddr;

use keyward_shared::credentials::{Claim, Credential, CredentialError};
use keyward_shared::decision::{Case, Client, Decision, Reason, Refusal as Denied, Request};
use keyward_shared::fingerprint::{Digest, Fingerprint};
use keyward_shared::policy::App;
use keyward_shared::route::RouteTable;
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::Lookup;
use serde::Serialize;
use zeroize::Zeroizing;

use super::lookup::Found;
use super::{Lifecycle, Needs, Refusal, Rights};
use crate::domain::actor::Actor;
use crate::domain::explain::{self, Mended, Mistake};
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::limits::{EXPLAINED_BYTES, EXPLAINED_EVENTS, METHOD_CHARS};
use crate::domain::permission::Permission;
use crate::domain::time::UnixMillis;
use crate::store::LookupView;
use crate::store::lookup::About;
use words::Scene;

pub use crate::store::lookup::PastEvent;

/// A request as an edge would get it. It may hold a secret and does not print.
pub struct Asked {
    /// The value of `Authorization`.
    pub authorization: Option<Zeroizing<String>>,
    /// The value of the header that the settings accept beside it.
    pub key_header: Option<Zeroizing<String>>,
    /// The method.
    pub method: String,
    /// The path, with or without its query.
    pub path: String,
    /// Whether it is a preflight (Fetch standard, CORS-preflight).
    pub preflight: bool,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// `Referer`, else `Origin`.
    pub referrer: Option<String>,
    /// The app that it says it comes from.
    pub app: Option<App>,
    /// When; now, where nothing is said.
    pub at: Option<UnixMillis>,
}

/// The two verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It would pass.
    Allow,
    /// It would be refused.
    Deny,
}

/// A verdict and its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What an edge would say.
    pub verdict: Verdict,
    /// The refusal, as an edge words it.
    pub refusal: Option<Denied>,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in sentences.
    pub explanation: String,
    /// The key that it is about, as far as there is one that this actor sees.
    pub found: Option<Found>,
    /// What was done to the key and its workspace, and last to the API and the settings where they are this
    /// actor's, newest first; nothing where this actor may not read the audit log.
    pub changes: Option<Vec<PastEvent>>,
    /// The time that deadlines were judged for, or that of the refusal; all else is as it was when it was asked.
    pub at: UnixMillis,
    /// What an edge told of the request, where it was asked for by its id.
    pub told: Option<Told>,
}

/// What an edge told of a request beside why and when it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Which edge.
    pub instance: [u8; 10],
    /// The fingerprint of the key that was shown, where one could be read.
    pub fingerprint: Option<Fingerprint>,
}

impl Lifecycle {
    /// Explains what an edge would say to a request. A member is told of the own workspace's keys alone;
    /// any other is as unknown as one that there never was.
    pub async fn explain(&self, actor: &Actor, asked: &Asked, now: UnixMillis) -> Result<Explanation, Refusal> {
        let rights = self.rights(actor).await?;
        rights.admit(Needs::Deployment(Permission::Explain))?;
        asked.check()?;
        let at = asked.at.unwrap_or(now);
        let at_ms = u64::try_from(at.as_millis())
            .map_err(|_| Invalid::new("at", Fault::OutOfRange, "must not be before 1970"))?;
        let mut view = self.store.look().await?;
        let view = &mut *view;
        let catalogue = view.catalogue().await?;
        let settings = view.settings().await?.travelling(&catalogue);
        let routes = RouteTable::new(settings.routes.clone());
        let request = asked.request();
        let mut found = None;
        let mut mistakes = Vec::new();
        let decision = match Case::new(&request, &routes, &settings, at_ms) {
            Ok(case) => {
                let fingerprint = self.vault.fingerprint(case.digest());
                found = self.owner_of(view, &rights, &fingerprint, at).await?;
                let live = match &found {
                    Some(_) => view.live_secret(&fingerprint).await?,
                    None => None,
                };
                case.judge(
                    live.as_ref().map_or(Lookup::Absent, |(record, policy)| Lookup::Found(*record, policy.into())),
                )
            }
            Err(decision) => decision,
        };
        if found.is_none()
            && let Decision::Deny(Denied::Unauthorized(reason)) = decision
        {
            (mistakes, found) = self.mistakes(view, &rights, asked, &settings, reason, at).await?;
        }
        let scene = Scene { asked, catalogue: &catalogue, routes: &routes, mistakes: &mistakes, found: found.as_ref() };
        let (reason, mut explanation) = scene.tell(decision);
        let changes = if may_read_events(&rights) {
            let is_theirs = rights.workspace().is_none();
            let api = scene.api().filter(|_| is_theirs).map(|api| &api.name);
            let about = About { key: found.as_ref().map(Found::ids), api, settings: is_theirs };
            Some(view.events_about(about, EXPLAINED_EVENTS).await?)
        } else {
            None
        };
        if changes.iter().flatten().any(|event| event.at > at) {
            explanation.push_str(words::CHANGED_SINCE);
        }
        let refusal = if let Decision::Deny(refusal) = decision { Some(refusal) } else { None };
        let verdict = if refusal.is_some() { Verdict::Deny } else { Verdict::Allow };
        Ok(Explanation { verdict, refusal, reason, explanation, found, changes, at, told: None })
    }

    /// What is wrong with a credential that no key is for, and the key that it would be without that. A
    /// credential that reads is said to be wrong only where that leads to a key.
    async fn mistakes(
        &self,
        view: &mut dyn LookupView,
        rights: &Rights,
        asked: &Asked,
        settings: &Settings,
        reason: Reason,
        at: UnixMillis,
    ) -> Result<(Vec<Mistake>, Option<Found>), Refusal> {
        let Request { authorization, key_header, .. } = asked.request();
        let mended = match (authorization, key_header) {
            _ if reason == Reason::Credential(CredentialError::CheckDigits) => {
                let credential = explain::read_unchecked(authorization, key_header, settings).ok();
                credential.map(|credential| Mended { mistakes: vec![Mistake::CheckDigits], credential })
            }
            (Some(authorization), None) => explain::mend(authorization, settings),
            (None, Some(key)) if settings.accept.header.is_some() => {
                explain::mend_key(key).map(|(mistake, key)| Mended {
                    mistakes: vec![mistake],
                    credential: Credential { digest: Digest::of(&key), claim: Claim::None },
                })
            }
            _ => None,
        };
        let found = match &mended {
            Some(mended) => self.owner_of(view, rights, &self.vault.fingerprint(&mended.credential.digest), at).await?,
            None => None,
        };
        Ok(match (reason, mended) {
            (Reason::Credential(_), Some(mended)) => (mended.mistakes, found),
            (Reason::Credential(error), None) => (vec![error.into()], None),
            (_, Some(mended)) if found.is_some() => (mended.mistakes, found),
            _ => (Vec::new(), None),
        })
    }
}

/// Whether they may be told what was done by whom.
fn may_read_events(rights: &Rights) -> bool {
    rights.admit(Needs::Deployment(Permission::AuditRead)).is_ok()
}

impl Asked {
    fn check(&self) -> Result<(), Invalid> {
        if self.method.is_empty() || self.method.chars().nth(METHOD_CHARS).is_some() {
            return Err(Invalid::new("method", Fault::OutOfRange, format!("1 to {METHOD_CHARS} characters")));
        }
        let texts = [
            ("path", Some(self.path.len())),
            ("authorization", self.authorization.as_ref().map(|text| text.len())),
            ("key_header", self.key_header.as_ref().map(|text| text.len())),
            ("referrer", self.referrer.as_ref().map(String::len)),
        ];
        match texts.into_iter().find(|(_, length)| length.is_some_and(|length| length > EXPLAINED_BYTES)) {
            Some((field, _)) => Err(Invalid::new(field, Fault::TooLong, format!("at most {EXPLAINED_BYTES} bytes"))),
            None => Ok(()),
        }
    }

    /// What an edge judges of it: a path is judged without its query.
    fn request(&self) -> Request<'_> {
        let mut client = Client { address: self.ip, referrer: self.referrer.as_deref(), ..Client::default() };
        match &self.app {
            Some(App::Android { package, certificate }) => {
                client.android_package = Some(package);
                client.android_certificate = Some(certificate);
            }
            Some(App::Ios { bundle }) => client.ios_bundle = Some(bundle),
            None => {}
        }
        Request {
            method: &self.method,
            path: self.path.split('?').next().unwrap_or_default(),
            authorization: self.authorization.as_ref().map(|value| explain::without_http_blanks(value)),
            key_header: self.key_header.as_ref().map(|value| explain::without_http_blanks(value)),
            preflight: self.preflight,
            client: Some(client),
        }
    }
}
