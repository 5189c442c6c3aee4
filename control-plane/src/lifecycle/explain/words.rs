//! The words of an explanation: one for programs, sentences for people. None of them holds anything of
//! the credential.

use keyward_shared::credentials::CredentialError;
use keyward_shared::decision::{Decision, Reason, Refusal as Denied};
use keyward_shared::record::Slot;
use keyward_shared::route::RouteTable;

use super::Asked;
use crate::domain::api::{Api, Catalogue};
use crate::domain::explain::Mistake;
use crate::domain::key::KeyStatus;
use crate::lifecycle::lookup::{Found, FoundKey, SecretSlot};

/// Of a time before the last change.
pub(super) const CHANGED_SINCE: &str =
    " Deadlines are judged for the time that was named, all else as it is now; `changes` has what was done since.";

/// Of a refusal before the last change.
pub(super) const SINCE_THEN: &str = " All else is told as it is now; `changes` has what was done since.";

const BROUGHT: &str = "The key that is shown was brought with a secret that has this deployment's prefix and \
    other check digits, which edges refuse while the setting `check_digits` is `enforce`.";

/// What is known of a request beside its verdict.
pub(super) struct Scene<'a> {
    pub(super) asked: &'a Asked,
    pub(super) catalogue: &'a Catalogue,
    pub(super) routes: &'a RouteTable,
    pub(super) mistakes: &'a [Mistake],
    pub(super) found: Option<&'a Found>,
}

impl Scene<'_> {
    /// The reason in one word and in sentences.
    pub(super) fn tell(&self, decision: Decision) -> (&'static str, String) {
        let told = |reason, words: &str| (reason, words.to_owned());
        match decision {
            Decision::Public => {
                told("public", "The route is public: no key is asked, and one that is sent is not judged.")
            }
            Decision::Pong(grant) => {
                ("usable", format!("The key is usable, and this is the ping path.{}", with(grant.slot)))
            }
            Decision::Allow(grant) => ("usable", format!("The key is usable and may do this.{}", with(grant.slot))),
            Decision::Deny(Denied::Unauthorized(reason)) => self.unauthorized(reason),
            Decision::Deny(Denied::ReadOnlyKey) => told(
                "read_only_key",
                "The key is usable and reads only, and what this method does here counts as writing.",
            ),
            Decision::Deny(Denied::ApiNotGranted) => ("api_not_granted", self.api_not_granted()),
            Decision::Deny(Denied::Restricted) => ("restricted", self.restricted()),
            Decision::Deny(Denied::BadPath) => told(
                "bad_path",
                "The key is usable, but servers may read this path in more than one way, so it is never forwarded.",
            ),
            Decision::Deny(refusal @ (Denied::NoSnapshot | Denied::SnapshotExpired | Denied::ObjectUnavailable)) => {
                told(refusal.code(), "An edge has not got what it takes to judge this.")
            }
            Decision::Need(_) => {
                told(Denied::ObjectUnavailable.code(), "An edge has yet to load what it takes to judge this.")
            }
        }
    }

    fn unauthorized(&self, reason: Reason) -> (&'static str, String) {
        if let Some(first) = self.mistakes.first() {
            return (first.as_str(), self.mistaken());
        }
        let told = |reason, words: &str| (reason, words.to_owned());
        match reason {
            Reason::Credential(_) => told(reason.as_str(), "The credential can't be read."),
            Reason::Unknown => self.unknown(),
            Reason::WrongUser => told(
                reason.as_str(),
                "The user of the credential is neither the key itself, nor its id, nor its workspace's id or slug.",
            ),
            Reason::Disabled => {
                told(reason.as_str(), "The key is disabled; both of its secrets are until it is enabled.")
            }
            Reason::Paused => told(
                reason.as_str(),
                "This is the older secret of a key in rotation, and it is paused; the newer one is accepted.",
            ),
            Reason::Suspended => {
                told(reason.as_str(), "The key's workspace is suspended, and all of its keys with it.")
            }
            Reason::Expired => self.expired(),
        }
    }

    /// What is wrong with it, and what it would be otherwise.
    fn mistaken(&self) -> String {
        // Of a key that there is they are no typing error.
        let is_brought = self.found.is_some() && self.mistakes.contains(&Mistake::CheckDigits);
        let mistakes = self.mistakes.iter().filter(|mistake| !(is_brought && **mistake == Mistake::CheckDigits));
        let mistakes: Vec<&str> = mistakes.map(|mistake| mistake.words()).collect();
        let mut sentences = Vec::new();
        if !mistakes.is_empty() {
            sentences.push(format!("Something is wrong with the credential: {}.", mistakes.join("; ")));
        }
        if is_brought {
            sentences.push(BROUGHT.to_owned());
        } else if self.found.is_some() {
            sentences.push("Without that it would be of the key that is shown.".to_owned());
        }
        sentences.join(" ")
    }

    fn unknown(&self) -> (&'static str, String) {
        let (reason, words) = match self.found {
            None => ("unknown", "The credential reads well, but no key has or had this secret."),
            Some(Found { key: FoundKey::Deleted { .. }, .. }) => ("deleted", "The key was deleted."),
            Some(Found { key: FoundKey::Readable(view), .. }) if view.status == KeyStatus::Archived => {
                ("archived", "The key is archived, which is final.")
            }
            Some(_) => ("retired", "The key has another secret now; this one was ended, which is final."),
        };
        (reason, words.to_owned())
    }

    /// The key's own deadline, or that of its older secret, whichever came first.
    fn expired(&self) -> (&'static str, String) {
        let Some(Found { key: FoundKey::Readable(view), slot }) = self.found else {
            return (Reason::Expired.as_str(), "The secret is past its deadline.".to_owned());
        };
        match view.key.expires_at {
            // What has ended for good would not be accepted if the key expired later.
            Some(at) if *slot != SecretSlot::Ended => (Reason::Expired.as_str(), format!("The key expired at {at}.")),
            _ => ("retired", "This is an older secret of the key, and its grace period is over.".to_owned()),
        }
    }

    /// The API that the path belongs to.
    pub(super) fn api(&self) -> Option<&Api> {
        let request = self.asked.request();
        let target = self.routes.resolve(request.method, request.path, request.preflight);
        let number = target.ok()?.api?;
        self.catalogue.apis().iter().find(|api| api.number == number)
    }

    fn api_not_granted(&self) -> String {
        match self.api() {
            Some(api) => {
                format!("The key is usable, but the path belongs to the API `{}`, which it is not granted.", api.name)
            }
            None => "The key is usable, but the path belongs to no API: only a key with `*` may call it.".to_owned(),
        }
    }

    fn restricted(&self) -> String {
        let mut words = String::from("The key is usable, but not from here: ");
        let Some(Found { key: FoundKey::Readable(view), .. }) = self.found else {
            words.push_str("it is restricted.");
            return words;
        };
        let restrictions = &view.key.restrictions;
        let kinds = [
            ("addresses", restrictions.ips.is_empty(), self.asked.ip.is_none()),
            ("referrers", restrictions.referrers.is_empty(), self.asked.referrer.is_none()),
            ("apps", restrictions.apps.is_empty(), self.asked.app.is_none()),
        ];
        let asked: Vec<String> = kinds
            .into_iter()
            .filter(|(_, is_free, _)| !is_free)
            .map(|(kind, _, is_absent)| if is_absent { format!("{kind} (none is given)") } else { kind.to_owned() })
            .collect();
        words.push_str("it is restricted to certain ");
        words.push_str(&asked.join(", and to certain "));
        words.push('.');
        words
    }
}

/// Why an edge refused a request of which no more is known, in sentences.
pub(super) fn told(refusal: Denied, found: Option<&Found>) -> String {
    let words = match refusal {
        Denied::Unauthorized(Reason::Credential(CredentialError::Missing)) => "No credential came with the request.",
        Denied::Unauthorized(Reason::Credential(CredentialError::CheckDigits)) => {
            "The key's check digits were wrong: it held a typing error or was cut off."
        }
        Denied::Unauthorized(Reason::Credential(_)) => {
            "The credential could not be read. It is not kept; given as `authorization`, it is told what is wrong \
             with it."
        }
        Denied::Unauthorized(Reason::Unknown) => return unknown_then(found),
        Denied::Unauthorized(Reason::WrongUser) => {
            "The user of the credential was neither the key itself, nor its id, nor its workspace's id or slug."
        }
        Denied::Unauthorized(Reason::Disabled) => "The key was disabled.",
        Denied::Unauthorized(Reason::Paused) => {
            "This was the older secret of a key in rotation, and it was paused; the newer one is accepted."
        }
        Denied::Unauthorized(Reason::Suspended) => "The key's workspace was suspended, and all of its keys with it.",
        Denied::Unauthorized(Reason::Expired) => {
            "The key had expired, or this was an older secret of it, and its grace period was over."
        }
        Denied::ReadOnlyKey => "The key was usable and read only, and what the request did counted as writing.",
        Denied::ApiNotGranted => "The key was usable, but the path belonged to no API that it was granted.",
        Denied::Restricted => "The key was usable, but not from there: see its `restrictions`.",
        Denied::BadPath => {
            "The key was usable, but servers may read the path in more than one way, so it is never forwarded."
        }
        Denied::NoSnapshot => "The edge had no snapshot yet, so it could not judge the request.",
        Denied::SnapshotExpired => {
            "The edge's snapshot had expired, since it had not heard of a newer one for too long."
        }
        Denied::ObjectUnavailable => "The edge could not load in time what it takes to judge the request.",
    };
    words.to_owned()
}

/// An edge knows no secret that is final, and none that it has not heard of yet.
fn unknown_then(found: Option<&Found>) -> String {
    let now = match found {
        None => "no key has or had this secret",
        Some(Found { key: FoundKey::Deleted { .. }, .. }) => "the key was deleted",
        Some(Found { key: FoundKey::Readable(view), .. }) if view.status == KeyStatus::Archived => {
            "the key is archived, which is final"
        }
        Some(Found { slot: SecretSlot::Ended, .. }) => {
            "it is an older secret of the key that is shown, and was ended, which is final"
        }
        Some(_) => "it is of the key that is shown, of which that edge had not heard yet",
    };
    format!("The credential read well, but the edge knew no key with this secret: {now}.")
}

/// Says so where it is the older secret that still passes.
fn with(slot: Slot) -> &'static str {
    match slot {
        Slot::Current => "",
        Slot::Retiring => " This is its older secret, which ends with the grace period.",
    }
}
