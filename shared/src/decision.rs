//! The decision: a request, a replica and a time in; allow, refuse, or the object that is lacking out.
//!
//! The order is fixed: credential, then the key's record, then the path, the API, the access and
//! the restrictions, so that nobody without a usable key learns more than "no". Knows nothing of
//! HTTP beyond strings, nothing of the platform.

use core::net::IpAddr;

use ipnet::IpNet;

use crate::credentials::{self, Claim, CredentialError};
use crate::fingerprint::{Digest, Fingerprint};
use crate::id::{KeyId, MemberId, WorkspaceId};
use crate::policy::{Access, AppRef, PolicyRef, RestrictionsRef};
use crate::record::{Record, Slot};
use crate::referrer;
use crate::route::{BadPath, Needs, RouteTable, Target};
use crate::settings::Settings;
use crate::snapshot::{Lookup, Need, Replica};

/// What of a request is judged. Not printable: it holds a credential.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as received, without query.
    pub path: &'a str,
    /// `Authorization`, all of its values joined by a comma.
    pub authorization: Option<&'a str>,
    /// The header that the settings name.
    pub key_header: Option<&'a str>,
    /// An `OPTIONS` with `Access-Control-Request-Method`.
    pub preflight: bool,
    /// What restrictions ask, or `None` where it was not collected yet: then a key that has
    /// restrictions is [`Refusal::Restricted`], which is no verdict but the question for these facts.
    pub client: Option<Client<'a>>,
}

/// What restrictions ask of a request. All but the address is the client's own claim.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client<'a> {
    /// Its address, where the Worker is told which one to believe.
    pub address: Option<IpAddr>,
    /// `Referer`, else `Origin`.
    pub referrer: Option<&'a str>,
    /// `X-Android-Package`.
    pub android_package: Option<&'a str>,
    /// `X-Android-Cert`.
    pub android_certificate: Option<&'a str>,
    /// `X-Ios-Bundle-Identifier`.
    pub ios_bundle: Option<&'a str>,
}

/// What a usable key is told the origin about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The key.
    pub key: KeyId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its member.
    pub member: MemberId,
    /// Its access.
    pub access: Access,
    /// Which of its secrets was used.
    pub slot: Slot,
}

/// Why a request is refused. The client hears [`Refusal::code`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No usable key: 401.
    Unauthorized(Reason),
    /// The key reads only: 403.
    ReadOnlyKey,
    /// The API is not granted: 403.
    ApiNotGranted,
    /// Used from elsewhere than it may be: 403.
    Restricted,
    /// The path could be read in two ways: 403.
    BadPath,
    /// No head was ever had: 503.
    NoSnapshot,
    /// The head has expired: 503.
    SnapshotExpired,
    /// An object that is needed cannot be had: 503.
    ObjectUnavailable,
}

/// Why there is no usable key: for tests and tools, never for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The credential cannot be read.
    Credential(CredentialError),
    /// No such key, or one that is final.
    Unknown,
    /// The user of the credential is not the key's.
    WrongUser,
    /// The key is disabled.
    Disabled,
    /// The retiring secret is paused.
    Paused,
    /// The workspace is suspended.
    Suspended,
    /// Past its deadline.
    Expired,
}

impl Refusal {
    /// Every code there is, with the status it is answered with.
    pub const CODES: [(&'static str, u16); 8] = [
        ("unauthorized", 401),
        ("read_only_key", 403),
        ("api_not_granted", 403),
        ("restricted", 403),
        ("bad_path", 403),
        ("no_snapshot", 503),
        ("snapshot_expired", 503),
        ("object_unavailable", 503),
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        Self::CODES[self.index()].0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        Self::CODES[self.index()].1
    }

    /// Its place in [`Self::CODES`].
    pub const fn index(self) -> usize {
        match self {
            Self::Unauthorized(_) => 0,
            Self::ReadOnlyKey => 1,
            Self::ApiNotGranted => 2,
            Self::Restricted => 3,
            Self::BadPath => 4,
            Self::NoSnapshot => 5,
            Self::SnapshotExpired => 6,
            Self::ObjectUnavailable => 7,
        }
    }

    /// Whether a newer head could turn it into an allow: a well-formed key that is absent or flagged.
    pub const fn may_be_stale(self) -> bool {
        match self {
            Self::Unauthorized(reason) => !matches!(reason, Reason::Credential(_)),
            _ => false,
        }
    }
}

impl Reason {
    /// Whether it was the secret's own status that refused it: it is known, and would have passed before.
    pub const fn is_by_status(self) -> bool {
        matches!(self, Self::Disabled | Self::Paused | Self::Suspended | Self::Expired)
    }

    /// A word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential(CredentialError::Missing) => "no_credentials",
            Self::Credential(CredentialError::CheckDigits) => "check_digits",
            Self::Credential(_) => "malformed",
            Self::Unknown => "unknown",
            Self::WrongUser => "wrong_user",
            Self::Disabled => "disabled",
            Self::Paused => "paused",
            Self::Suspended => "suspended",
            Self::Expired => "expired",
        }
    }
}

/// The verdict on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A usable key on the ping path.
    Pong(Grant),
    /// A usable key that may do this.
    Allow(Grant),
    /// A public route: no key was asked.
    Public,
    /// Refused.
    Deny(Refusal),
    /// An object must be loaded first; then ask again.
    Need(Need),
}

/// A verdict, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// The verdict.
    pub decision: Decision,
    /// The fingerprint that was looked up; none where the verdict needed no key.
    pub fingerprint: Option<Fingerprint>,
    /// The slot of the record that was found: some exactly where the replica knows the key.
    pub slot: Option<Slot>,
}

impl Judged {
    /// A verdict that no key was looked up for.
    const fn without_a_key(decision: Decision) -> Self {
        Self { decision, fingerprint: None, slot: None }
    }
}

/// The verdict of [`judge`] alone.
pub fn decide(replica: &mut Replica, request: &Request<'_>, now_ms: u64) -> Decision {
    judge(replica, request, now_ms).decision
}

/// Judges `request` at `now_ms`, milliseconds since the Unix epoch, the one time of the request, and
/// says whose secret it was.
pub fn judge(replica: &mut Replica, request: &Request<'_>, now_ms: u64) -> Judged {
    let Some(head) = replica.head() else {
        return Judged::without_a_key(Decision::Deny(Refusal::NoSnapshot));
    };
    if now_ms >= head.expires_at {
        return Judged::without_a_key(Decision::Deny(Refusal::SnapshotExpired));
    }
    let case = match Case::new(request, replica.routes(), replica.settings(), now_ms) {
        Ok(case) => case,
        Err(decision) => return Judged::without_a_key(decision),
    };
    let Some(fingerprint) = replica.pepper().map(|pepper| pepper.fingerprint(&case.digest)) else {
        return Judged::without_a_key(Decision::Deny(Refusal::NoSnapshot));
    };
    let (decision, slot) = match case.judge_known(replica.lookup(&fingerprint, now_ms)) {
        known @ (Decision::Deny(Refusal::Restricted), _) if case.client.is_none() => known,
        // A leaf may be older than a change that widened the policy.
        (Decision::Deny(_), _) => case.judge_known(replica.lookup_exact(&fingerprint)),
        known => known,
    };
    if let Decision::Allow(_) | Decision::Pong(_) = decision {
        replica.promote(&fingerprint);
    }
    Judged { decision, fingerprint: Some(fingerprint), slot }
}

/// A request that asks for a key which is yet to be looked up: what a record and its policy are judged
/// for. [`judge`] looks it up in a replica; whoever knows of keys otherwise makes the case and judges it
/// as an edge would.
pub struct Case<'a> {
    digest: Digest,
    claim: Claim,
    target: Result<Target, BadPath>,
    pings: bool,
    client: Option<Client<'a>>,
    now_ms: u64,
}

impl<'a> Case<'a> {
    /// The case of `request` at `now_ms`, or the verdict that no key can change.
    pub fn new(request: &Request<'a>, routes: &RouteTable, settings: &Settings, now_ms: u64) -> Result<Self, Decision> {
        let target = routes.resolve(request.method, request.path, request.preflight);
        if let Ok(Target { needs: None, .. }) = target {
            return Err(Decision::Public);
        }
        let credential = credentials::read(request.authorization, request.key_header, settings)
            .map_err(|error| unauthorized(Reason::Credential(error)))?;
        Ok(Self {
            digest: credential.digest,
            claim: credential.claim,
            target,
            pings: request.method == "GET" && request.path == settings.ping_path,
            client: request.client,
            now_ms,
        })
    }

    /// The digest of the key that is to be looked up.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The verdict by what is known of that key.
    pub fn judge(&self, lookup: Lookup<'_>) -> Decision {
        self.judge_known(lookup).0
    }

    /// The same, with the slot of the record where there is one.
    fn judge_known(&self, lookup: Lookup<'_>) -> (Decision, Option<Slot>) {
        match lookup {
            Lookup::Found(record, policy) => (self.judge_record(&record, &policy), Some(record.slot)),
            Lookup::Absent => (unauthorized(Reason::Unknown), None),
            Lookup::Need(need) => (Decision::Need(need), None),
            Lookup::NoHead => (Decision::Deny(Refusal::NoSnapshot), None),
        }
    }

    fn judge_record(&self, record: &Record, policy: &PolicyRef<'_>) -> Decision {
        if let Some(reason) = self.unusable(record, policy) {
            return unauthorized(reason);
        }
        let grant = Grant {
            key: record.key,
            workspace: policy.workspace,
            member: record.member,
            access: policy.access,
            slot: record.slot,
        };
        match permitted(policy, self.target) {
            Err(refusal) if !self.pings => Decision::Deny(refusal),
            _ if !from_allowed_client(policy.restrictions, &self.client.unwrap_or_default()) => {
                Decision::Deny(Refusal::Restricted)
            }
            _ if self.pings => Decision::Pong(grant),
            _ => Decision::Allow(grant),
        }
    }

    fn unusable(&self, record: &Record, policy: &PolicyRef<'_>) -> Option<Reason> {
        if !self.claim.holds(record, policy) {
            Some(Reason::WrongUser)
        } else if record.suspended {
            Some(Reason::Suspended)
        } else if record.disabled {
            Some(Reason::Disabled)
        } else if record.paused {
            Some(Reason::Paused)
        } else if !record.deadline.holds_at(self.now_ms) {
            Some(Reason::Expired)
        } else {
            None
        }
    }
}

const fn unauthorized(reason: Reason) -> Decision {
    Decision::Deny(Refusal::Unauthorized(reason))
}

fn permitted(policy: &PolicyRef<'_>, target: Result<Target, BadPath>) -> Result<(), Refusal> {
    let target = target.map_err(|BadPath| Refusal::BadPath)?;
    if !policy.apis.grant(target.api) {
        return Err(Refusal::ApiNotGranted);
    }
    if target.needs == Some(Needs::Write) && policy.access == Access::ReadOnly {
        return Err(Refusal::ReadOnlyKey);
    }
    Ok(())
}

fn from_allowed_client(restrictions: RestrictionsRef<'_>, client: &Client<'_>) -> bool {
    if restrictions.is_empty() {
        return true;
    }
    let address = client.address.map(|address| address.to_canonical());
    one_matches(restrictions.ips(), |range| address.is_some_and(|address| in_range(&range, address)))
        && one_matches(restrictions.referrers(), |pattern| {
            client.referrer.is_some_and(|referrer| referrer::matches(pattern, referrer))
        })
        && one_matches(restrictions.apps(), |app| app_matches(app, client))
}

/// A list that is not empty wants one of its entries to match.
fn one_matches<T>(entries: impl Iterator<Item = Option<T>>, mut matches: impl FnMut(T) -> bool) -> bool {
    let mut entries = entries.peekable();
    entries.peek().is_none() || entries.flatten().any(&mut matches)
}

/// Whether a range holds an address in its canonical form. A range may be written of IPv4-mapped
/// addresses (RFC 4291, section 2.5.5.2).
fn in_range(range: &IpNet, address: IpAddr) -> bool {
    match (range, address) {
        (IpNet::V6(range), IpAddr::V4(address)) => {
            range.prefix_len() >= 96 && range.contains(&address.to_ipv6_mapped())
        }
        _ => range.contains(&address),
    }
}

fn app_matches(app: AppRef<'_>, client: &Client<'_>) -> bool {
    match app {
        AppRef::Android { package, certificate } => {
            client.android_package == Some(package)
                && client.android_certificate.is_some_and(|claimed| claimed.eq_ignore_ascii_case(certificate))
        }
        AppRef::Ios { bundle } => client.ios_bundle == Some(bundle),
    }
}
