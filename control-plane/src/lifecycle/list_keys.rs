//! List a workspace's keys, filtered and sorted, a page at a time.

use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::policy::Access;
use serde::Serialize;

use super::cursor::{ListTag, Position};
use super::refusal::Missing;
use super::rights::KeysSeen;
use super::{KeyView, Lifecycle, Listed, Page, Refusal};
use crate::domain::actor::Actor;
use crate::domain::api::Catalogue;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::query::{KeyFilter, KeyPosition, KeyQuery, KeySort};
use crate::domain::key::{Environment, KeyStatus};
use crate::domain::time::UnixMillis;

/// The filters and the order as a query string words them, not yet judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeyListInput {
    /// `active`, `disabled`, `expired` or `archived`; without it, all but archived keys.
    pub status: Option<String>,
    /// The whole name.
    pub name: Option<String>,
    /// A member's identifier.
    pub member: Option<String>,
    /// A team's identifier.
    pub team: Option<String>,
    /// `read-only` or `read-write`.
    pub access: Option<String>,
    /// The name of an API that the key may call.
    pub api: Option<String>,
    /// `live` or `test`.
    pub environment: Option<String>,
    /// Last used before this instant; never used, and made before it.
    pub last_used_before: Option<UnixMillis>,
    /// Expires before this instant.
    pub expires_before: Option<UnixMillis>,
    /// Whether a rotation is due.
    pub rotation_due: Option<bool>,
    /// What another system calls the key.
    pub external_id: Option<String>,
    /// One of [`KeySort::WORDS`].
    pub sort: Option<String>,
}

impl Lifecycle {
    /// One page of the workspace's keys, as far as whoever asks sees them. With the status `archived`
    /// the list holds the last ten.
    pub async fn list_keys(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        input: &KeyListInput,
        page: &Page,
        now: UnixMillis,
    ) -> Result<Listed<KeyView>, Refusal> {
        let seen = self.rights(actor).await?.keys_seen(workspace)?;
        let limit = page.limit()?;
        self.store.workspace(workspace).await?.ok_or(Refusal::NotFound(Missing::Workspace))?;
        let catalogue = self.store.catalogue().await?;
        let mut filter = input.filter(&catalogue)?;
        let sort = match &input.sort {
            Some(text) => KeySort::parse(text).ok_or_else(|| unknown("sort", &KeySort::WORDS))?,
            None => KeySort::default(),
        };
        let tag = ListTag::new("keys", &(workspace, &filter, sort))?;
        let after = match page.position(&tag)? {
            Some(Position { value, id }) if sort.fits(&value) => Some(KeyPosition { value, id: KeyId::from_u64(id) }),
            Some(_) => return Err(Refusal::BadCursor),
            None => None,
        };
        if !narrow(&mut filter, seen) {
            return Ok(Listed { items: Vec::new(), next_cursor: None });
        }
        let query = KeyQuery { workspace_id: workspace, filter, sort, after, limit: limit + 1, now };
        let keys = self.store.keys(&query).await?;
        let reported = self.reported(now).await?;
        let views = keys.into_iter().map(|stored| KeyView::new(stored, &catalogue, reported, now)).collect();
        Listed::new(views, limit, &tag, |view: &KeyView| Position {
            value: view.key.sort_value(sort.by),
            id: view.key.id.as_u64(),
        })
    }
}

/// Narrows a filter to the keys that somebody sees; says whether any can be left.
pub(super) fn narrow(filter: &mut KeyFilter, seen: KeysSeen) -> bool {
    match seen {
        KeysSeen::All => true,
        KeysSeen::Of(member) => filter.member.replace(member).is_none_or(|asked| asked == member),
        KeysSeen::None => false,
    }
}

impl KeyListInput {
    /// Judges every filter that is given.
    pub(super) fn filter(&self, catalogue: &Catalogue) -> Result<KeyFilter, Invalid> {
        let api = match &self.api {
            Some(name) => {
                let api = catalogue.named(name);
                let refuse = || Invalid::new("api", Fault::Unknown, "the catalogue has no such API");
                Some(api.ok_or_else(refuse)?.number)
            }
            None => None,
        };
        Ok(KeyFilter {
            status: word(
                "status",
                self.status.as_deref(),
                KeyStatus::parse,
                &["active", "disabled", "expired", "archived"],
            )?,
            name: self.name.clone(),
            member: word("member", self.member.as_deref(), |id| id.parse().ok(), &["the identifier of a member"])?,
            team: word("team", self.team.as_deref(), |id| id.parse().ok(), &["the identifier of a team"])?,
            access: word("access", self.access.as_deref(), Access::parse, &["read-only", "read-write"])?,
            api,
            environment: word("environment", self.environment.as_deref(), Environment::parse, &["live", "test"])?,
            last_used_before: self.last_used_before,
            expires_before: self.expires_before,
            rotation_due: self.rotation_due,
            external_id: self.external_id.clone(),
            disabled: None,
        })
    }
}

fn word<T>(
    field: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    words: &[&str],
) -> Result<Option<T>, Invalid> {
    text.map(|text| parse(text).ok_or_else(|| unknown(field, words))).transpose()
}

fn unknown(field: &str, words: &[&str]) -> Invalid {
    Invalid::new(field, Fault::BadFormat, format!("expected {}", words.join(", ")))
}
