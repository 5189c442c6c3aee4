//! Members as JSON.

use core::fmt;

use keyward_shared::id::{KeyId, MemberId, TeamId};
use keyward_shared::policy::Access;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::page;
use super::{reasoned, schema};
use crate::api::problem::Problem;
use crate::domain::edit::Edit;
use crate::domain::member::{Member, MemberKind, Role};
use crate::domain::offboarding::Outcome;
use crate::domain::text::{Email, ExternalId};
use crate::domain::time::UnixMillis;
use crate::lifecycle::{MemberFields, MemberListInput, MemberPatch, Page, Plan, PlannedKey, Reassign};

/// The body of `POST …/members`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateMember {
    /// Person, when absent, or machine.
    #[schema(value_type = Option<MemberKind>)]
    pub kind: Option<WireKind>,
    /// The address.
    #[schema(value_type = Option<schema::Email>)]
    pub email: Option<String>,
    /// The name.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// The role.
    #[schema(value_type = Role)]
    pub role: WireRole,
    /// The teams.
    #[serde(default)]
    #[schema(value_type = schema::TeamIds)]
    pub team_ids: Vec<TeamId>,
    /// What another system calls the member.
    #[schema(value_type = Option<schema::ExternalId>)]
    pub external_id: Option<String>,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

/// The body of `PATCH …/members/{member}`: what is absent stays, `null` clears.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchMember {
    /// Person or machine.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = MemberKind)]
    pub kind: Option<WireKind>,
    /// Another address.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::Email>)]
    pub email: Option<Option<String>>,
    /// A new name.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::Name)]
    pub name: Option<String>,
    /// Another role.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = Role)]
    pub role: Option<WireRole>,
    /// Other teams; replaced as a whole.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::TeamIds)]
    pub team_ids: Option<Vec<TeamId>>,
    /// Another external id.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::ExternalId>)]
    pub external_id: Option<Option<String>>,
    /// Keys that go to other members first.
    #[serde(default)]
    #[schema(value_type = schema::Reassign)]
    pub reassign: WireReassign,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

/// The body of `DELETE …/members/{member}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveMember {
    /// Keys that go to other members first.
    #[serde(default)]
    #[schema(value_type = schema::Reassign)]
    pub reassign: WireReassign,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

reasoned!(CreateMember, PatchMember, RemoveMember);

impl From<CreateMember> for MemberFields {
    fn from(body: CreateMember) -> Self {
        Self {
            kind: body.kind.map_or(MemberKind::Person, MemberKind::from),
            email: body.email,
            name: body.name,
            role: body.role.into(),
            team_ids: body.team_ids,
            external_id: body.external_id,
        }
    }
}

impl PatchMember {
    /// The fields that are named, and which keys go to whom.
    pub fn into_input(self) -> (MemberPatch, Reassign) {
        let patch = MemberPatch {
            kind: self.kind.map(MemberKind::from),
            email: Edit::from_nested(self.email),
            name: self.name,
            role: self.role.map(Role::from),
            team_ids: self.team_ids,
            external_id: Edit::from_nested(self.external_id),
        };
        (patch, self.reassign.0)
    }
}

/// `kind` as it is sent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireKind {
    /// Somebody who signs in.
    Person,
    /// A service.
    Machine,
}

impl From<WireKind> for MemberKind {
    fn from(kind: WireKind) -> Self {
        match kind {
            WireKind::Person => Self::Person,
            WireKind::Machine => Self::Machine,
        }
    }
}

/// `role` as it is sent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireRole {
    /// Everything.
    Owner,
    /// Everything but owners.
    Admin,
    /// Their own keys.
    Staff,
    /// Their own keys, read-only ones.
    ReadOnly,
    /// No keys.
    Lite,
}

impl From<WireRole> for Role {
    fn from(role: WireRole) -> Self {
        match role {
            WireRole::Owner => Self::Owner,
            WireRole::Admin => Self::Admin,
            WireRole::Staff => Self::Staff,
            WireRole::ReadOnly => Self::ReadOnly,
            WireRole::Lite => Self::Lite,
        }
    }
}

/// `reassign` as it is sent: an object of keys and the members that they go to, no key twice.
#[derive(Debug, Default)]
pub struct WireReassign(pub Reassign);

impl<'de> Deserialize<'de> for WireReassign {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = WireReassign;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of key ids and the ids of the members that they go to")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WireReassign, A::Error> {
                let mut pairs: Reassign = Vec::new();
                while let Some((key, member)) = map.next_entry::<KeyId, MemberId>()? {
                    pairs.push((key, member));
                }
                let mut keys: Vec<KeyId> = pairs.iter().map(|(key, _)| *key).collect();
                keys.sort_unstable();
                match keys.windows(2).find(|pair| pair[0] == pair[1]) {
                    Some(twice) => Err(A::Error::custom(format!("duplicate field `{}`", twice[0]))),
                    None => Ok(WireReassign(pairs)),
                }
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// The query of `GET …/members`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MemberListQuery {
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<String>,
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
    #[param(value_type = Option<MemberKind>)]
    kind: Option<String>,
    #[param(value_type = Option<Role>)]
    role: Option<String>,
    #[param(value_type = Option<schema::TeamId>)]
    team: Option<String>,
    email: Option<String>,
    external_id: Option<String>,
}

impl MemberListQuery {
    /// Filters, and which page of them.
    pub fn into_input(self) -> Result<(MemberListInput, Page), Problem> {
        let page = page(self.limit.as_deref(), self.cursor)?;
        let Self { kind, role, team, email, external_id, .. } = self;
        Ok((MemberListInput { kind, role, team, email, external_id }, page))
    }
}

/// A member as it is read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberBody<'a> {
    #[schema(value_type = schema::MemberId)]
    id: MemberId,
    kind: MemberKind,
    #[schema(required)]
    email: Option<&'a str>,
    name: &'a str,
    role: Role,
    #[schema(value_type = schema::TeamIds)]
    team_ids: &'a [TeamId],
    #[schema(required)]
    external_id: Option<&'a str>,
    created_at: UnixMillis,
    version: u64,
}

impl<'a> From<&'a Member> for MemberBody<'a> {
    fn from(member: &'a Member) -> Self {
        Self {
            id: member.id,
            kind: member.kind,
            email: member.email.as_ref().map(Email::as_str),
            name: member.name.as_str(),
            role: member.role,
            team_ids: &member.team_ids,
            external_id: member.external_id.as_ref().map(ExternalId::as_str),
            created_at: member.created_at,
            version: member.version,
        }
    }
}

/// What a change of a member would do to the member's keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MemberPlan)]
pub struct PlanBody<'a> {
    keys: Vec<PlannedKeyBody<'a>>,
    /// Whether there are more keys than are listed; absent where there are not.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    more: bool,
    etag: &'a str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlannedKey)]
struct PlannedKeyBody<'a> {
    #[schema(value_type = schema::KeyId)]
    id: KeyId,
    name: &'a str,
    #[schema(value_type = schema::Access)]
    access: Access,
    #[schema(value_type = schema::KeyFate)]
    outcome: Outcome,
    #[schema(required)]
    last_used_at: Option<UnixMillis>,
}

impl<'a> PlanBody<'a> {
    /// The plan with the tag that holds the change to it.
    pub fn new(plan: &'a Plan, etag: &'a str) -> Self {
        let key = |key: &'a PlannedKey| PlannedKeyBody {
            id: key.id,
            name: key.name.as_str(),
            access: key.access,
            outcome: key.outcome,
            last_used_at: key.last_used_at,
        };
        Self { keys: plan.keys.iter().map(key).collect(), more: plan.more, etag }
    }
}
