//! Create a key, with a secret of its own or for a digest that is brought.

use async_trait::async_trait;
use keyward_shared::api_key::ApiKey;
use keyward_shared::id::{KeyId, WorkspaceId};

use super::key_input::{self, KeyFields};
use super::key_support::{self, Minted};
use super::{Call, KeyView, Needs, Refusal, Shown, Verb};
use crate::domain::audit::{Action, Details};
use crate::domain::change::Change;
use crate::domain::key::effect::touched;
use crate::domain::key::{Key, Life, Live, Secret};
use crate::domain::member::{Member, MemberSummary};
use crate::domain::permission::Permission;
use crate::domain::text::{ExternalId, Metadata, Name};
use crate::domain::usage::KeyUsage;
use crate::domain::workspace::Workspace;
use crate::store::{NewSecret, StoreError, StoredKey, Tx};

/// Where a new key's secret comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// It is made here and shown once.
    Generate,
    /// It exists; this is its SHA-256, 64 hexadecimal digits or base64.
    Sha256(String),
}

/// Creates a key.
pub struct CreateKey {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Its fields.
    pub fields: KeyFields,
    /// Where its secret comes from.
    pub source: KeySource,
}

/// A key that was created.
pub struct CreatedKey {
    /// The key.
    pub key: KeyView,
    /// Its secret, unless a digest was brought.
    pub secret: Option<ApiKey>,
}

#[async_trait]
impl Verb for CreateKey {
    type Answer = CreatedKey;

    fn needs(&self) -> Needs {
        Needs::In(self.workspace, Permission::KeyCreate)
    }

    fn shows(created: &CreatedKey) -> Option<Shown> {
        let CreatedKey { key, secret } = created;
        secret.as_ref().map(|_| Shown::Key { key: key.key.id, member: key.key.member_id })
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(CreatedKey, Change), Refusal> {
        let workspace = key_support::workspace(tx, self.workspace).await?;
        call.context.check_absent()?;
        let id = KeyId::from_random(call.context.entropy.ids[0]);
        let (api_key, secret, sealed_digest, sealed_secret) = match &self.source {
            KeySource::Generate => {
                let settings = tx.settings().await?;
                let Minted { api_key, secret, sealed_digest, sealed_secret } =
                    key_support::mint(call, &workspace, &settings, self.fields.environment, id)?;
                (Some(api_key), secret, sealed_digest, sealed_secret)
            }
            KeySource::Sha256(text) => {
                let digest = key_input::digest(text)?;
                let (secret, sealed_digest) = key_support::enrol(call, &digest, None, id)?;
                (None, secret, sealed_digest, None)
            }
        };
        let catalogue = tx.catalogue().await?;
        let member = match call.rights.holder(self.fields.member_id)? {
            Some(id) => key_support::holder(tx, workspace.id, id).await?,
            None => default_member(tx, workspace.id).await?,
        };
        let key = self.key(id, &workspace, &member, &secret, &catalogue, call)?;
        call.rights.key(&key, Permission::KeyCreate)?;
        key_support::check_holder(&workspace, member.role, key.access)?;
        key_support::check_team(tx, call, &key).await?;
        let clash = tx.clash(workspace.id, &key.name, &secret.fingerprint).await?;
        if clash.name {
            return Err(Refusal::NameTaken);
        }
        if let Some(max) = workspace.max_keys
            && tx.key_count(workspace.id).await? >= u64::from(max)
        {
            return Err(Refusal::KeyLimit { max });
        }
        if clash.secret {
            return Err(Refusal::SecretExists);
        }
        let new_secret = NewSecret {
            key_id: id,
            secret: &secret,
            sealed_digest: &sealed_digest,
            sealed_secret: sealed_secret.as_deref(),
        };
        tx.insert_key(&key, new_secret).await?;
        let details = Details::new("create", None, Some(&key.facts(&catalogue)))
            .with("secret", if api_key.is_some() { "generated" } else { "brought" });
        let change = Change::new(tx.generation(), key_support::event(call, &key, Action::Create, details))
            .touching(touched(None, &key));
        let stored = StoredKey { key, member: MemberSummary::from(&member), usage: KeyUsage::default() };
        let view = KeyView::new(stored, &catalogue, call.reported, call.context.now);
        Ok((CreatedKey { key: view, secret: api_key }, change))
    }
}

impl CreateKey {
    fn key(
        self,
        id: KeyId,
        workspace: &Workspace,
        member: &Member,
        secret: &Secret,
        catalogue: &crate::domain::api::Catalogue,
        call: Call<'_>,
    ) -> Result<Key, Refusal> {
        let now = call.context.now;
        let fields = self.fields;
        let key = Key {
            id,
            workspace_id: workspace.id,
            member_id: member.id,
            team_id: fields.team_id,
            name: Name::parse("name", &fields.name)?,
            hint: secret.hint.clone(),
            access: fields.access,
            apis: catalogue.grant("apis", &fields.apis)?,
            environment: fields.environment,
            life: Life::Live(Live { disabled: false, current: secret.clone(), rotation: None }),
            expires_at: fields.expires_at.map(|at| key_input::deadline("expires_at", at, now)).transpose()?,
            rotate_every_days: fields.rotate_every_days.map(key_input::days).transpose()?,
            restrictions: fields.restrictions.parse()?,
            external_id: fields.external_id.map(|id| ExternalId::parse("external_id", &id)).transpose()?,
            metadata: Metadata::parse("metadata", fields.metadata)?,
            created_at: now,
            rotated_at: now,
            last_used_at: None,
            version: 1,
        };
        key_support::check_policy(workspace, &key)?;
        Ok(key)
    }
}

async fn default_member(tx: &mut dyn Tx, workspace: WorkspaceId) -> Result<Member, StoreError> {
    tx.default_member(workspace).await?.ok_or(StoreError::corrupt("a workspace without its default member"))
}
