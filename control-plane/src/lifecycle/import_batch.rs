//! A batch of an import: up to a thousand lines that are one transaction.
//!
//! What the lines ask for is looked up in sets before the first of them is judged; each is then judged as
//! if those before it were written. A line that is refused leaves the others alone; a fault of the
//! database refuses all of them.

mod there;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_shared::api_key;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::KeyId;
use keyward_shared::settings::CheckDigits;

use super::import_line::ImportLine;
use super::key_support;
use super::refusal::ImportRefusal;
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::change::{Change, Touched};
use crate::domain::import::ImportOutcome;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::effect::touched;
use crate::domain::key::transition::KeyRefusal;
use crate::domain::key::{Key, Life, Secret};
use crate::domain::member::MemberSummary;
use crate::domain::permission::Permission;
use crate::domain::usage::KeyUsage;
use crate::domain::workspace::{Reveal, Workspace};
use crate::store::{NewKey, StoredKey, Tx};
use there::There;

/// Brings a batch of keys.
#[derive(Clone)]
pub struct ImportBatch {
    /// The lines, in order.
    pub lines: Arc<[ImportLine]>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedLine {
    /// The key.
    pub key: KeyId,
    /// What became of it.
    pub outcome: ImportOutcome,
}

/// What became of a batch, line by line.
pub struct ImportedBatch {
    /// In the order of the lines.
    pub lines: Vec<Result<ImportedLine, Refusal>>,
}

impl ImportedBatch {
    /// Whether anything is otherwise than before.
    pub fn changes(&self) -> bool {
        self.count(ImportOutcome::Created) + self.count(ImportOutcome::Updated) > 0
    }

    fn count(&self, outcome: ImportOutcome) -> usize {
        self.lines.iter().flatten().filter(|line| line.outcome == outcome).count()
    }

    fn details(&self) -> Details {
        Details::new("import", None, None)
            .with("lines", self.lines.len())
            .with("created", self.count(ImportOutcome::Created))
            .with("updated", self.count(ImportOutcome::Updated))
            .with("unchanged", self.count(ImportOutcome::Unchanged))
            .with("refused", self.lines.iter().filter(|line| line.is_err()).count())
    }
}

#[async_trait]
impl Verb for ImportBatch {
    type Answer = ImportedBatch;

    fn needs(&self) -> Needs {
        Needs::Deployment(Permission::KeyImport)
    }

    fn is_bulk(&self) -> bool {
        true
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(ImportedBatch, Change), Refusal> {
        call.context.check_absent()?;
        let there = There::look(tx, &self.lines).await?;
        let mut work = Work { call, there, pending: Vec::new(), events: Vec::new(), touched: HashMap::new() };
        let mut lines = Vec::with_capacity(self.lines.len());
        for line in &*self.lines {
            lines.push(match work.take(tx, line).await {
                Err(fault) if is_fault(&fault) => return Err(fault),
                outcome => outcome,
            });
        }
        work.write_pending(tx).await?;
        let answer = ImportedBatch { lines };
        let target = Target { id: "deployment".to_owned(), name: "deployment".to_owned() };
        let event = call.context.event(Action::Import, Entity::ApiKeys, target, answer.details());
        let change = work.events.into_iter().fold(Change::new(tx.generation(), event), Change::with_event);
        let touched = work.touched.into_iter();
        let change = change.touching(touched.map(|(fingerprint, narrowing)| Touched { fingerprint, narrowing }));
        Ok((answer, change))
    }
}

/// Whether it is no line's doing.
const fn is_fault(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Store(_) | Refusal::Vault(_) | Refusal::Audit(_))
}

/// A batch that is being judged.
struct Work<'a> {
    call: Call<'a>,
    there: There,
    /// New keys that are not written yet.
    pending: Vec<NewKey>,
    events: Vec<AuditEvent>,
    /// Secrets whose record is another afterwards, and whether an allow may have become a refusal. A key may
    /// be on several lines.
    touched: HashMap<Fingerprint, bool>,
}

impl Work<'_> {
    async fn take(&mut self, tx: &mut dyn Tx, line: &ImportLine) -> Result<ImportedLine, Refusal> {
        let settings = &self.there.settings.settings;
        if settings.check_digits == CheckDigits::Enforce
            && let Some(secret) = &line.secret
        {
            api_key::verify_check_digits(secret.expose().as_bytes(), &settings.key_prefix)
                .map_err(|_| ImportRefusal::CheckDigits)?;
        }
        let workspace = self.there.workspace(line)?;
        match self.there.key(workspace.id, line.says.external_id.as_str())? {
            Some(stored) => self.update(tx, line, &workspace, stored).await,
            None => self.create(line, &workspace),
        }
    }

    fn create(&mut self, line: &ImportLine, workspace: &Workspace) -> Result<ImportedLine, Refusal> {
        let (now, vault) = (self.call.context.now, self.call.vault);
        let id = line.entropy.id;
        let apis = self.there.catalogue.grant("apis", &line.apis)?;
        let holder = self.there.holder(workspace.id, line.member.as_ref())?;
        let secret = Secret {
            fingerprint: line.fingerprint,
            hint: line.secret.as_ref().map(api_key::ApiKey::hint),
            created_at: now,
        };
        let key = line.says.clone().into_key(id, workspace.id, holder.id, apis, secret, now);
        check_ceiling(&key, workspace, &holder)?;
        key_support::check_policy(workspace, &key)?;
        self.there.check_name(&key)?;
        self.there.check_limit(workspace)?;
        self.there.check_secret(&line.fingerprint)?;
        let sealed_digest = vault.seal_digest(&line.digest, &line.fingerprint, id, &line.entropy.digest_nonce)?;
        let sealed_secret = match (&line.secret, workspace.reveal) {
            (Some(secret), Reveal::Sealed) => {
                Some(vault.seal_secret(secret, &line.fingerprint, id, &line.entropy.secret_nonce)?)
            }
            _ => None,
        };
        let details = Details::new("import", None, Some(&key.facts(&self.there.catalogue))).with("secret", "brought");
        self.tell(&key, Action::Create, details, touched(None, &key));
        self.there.created(StoredKey { key: key.clone(), member: holder, usage: KeyUsage::default() });
        self.pending.push(NewKey { key, sealed_digest, sealed_secret });
        Ok(ImportedLine { key: id, outcome: ImportOutcome::Created })
    }

    async fn update(
        &mut self,
        tx: &mut dyn Tx,
        line: &ImportLine,
        workspace: &Workspace,
        stored: StoredKey,
    ) -> Result<ImportedLine, Refusal> {
        let now = self.call.context.now;
        let StoredKey { key: before, member, usage } = stored;
        let Life::Live(live) = &before.life else {
            return Err(KeyRefusal::Archived.into());
        };
        let was_disabled = live.disabled;
        // The older secret of a rotation counts for as long as it is accepted.
        if before.clone().settle(now).effects().all(|effect| effect.fingerprint != line.fingerprint) {
            return Err(ImportRefusal::SecretDiffers.into());
        }
        if line.says.created_at.is_some_and(|at| at != before.created_at) {
            let detail = format!("the key was made at {}, and that stays", before.created_at);
            return Err(Invalid::new("created_at", Fault::Conflicting, detail).into());
        }
        let apis = self.there.catalogue.grant("apis", &line.apis)?;
        let holder = match &line.member {
            Some(name) => self.there.holder(workspace.id, Some(name))?,
            None => member,
        };
        let id = before.id;
        let Some(mut after) = line.says.clone().applied_to(before.clone(), Some(holder.id), apis, now)? else {
            return Ok(ImportedLine { key: id, outcome: ImportOutcome::Unchanged });
        };
        let is_enabled = was_disabled && matches!(&after.life, Life::Live(live) if !live.disabled);
        let is_moved = after.member_id != before.member_id;
        if is_enabled || is_moved || after.access != before.access || after.outlives(&before) {
            check_ceiling(&after, workspace, &holder)?;
        }
        key_support::check_policy(workspace, &after)?;
        if after.name != before.name {
            self.there.check_name(&after)?;
        }
        after.version = before.version + 1;
        if self.pending.iter().any(|new| new.key.id == id) {
            self.write_pending(tx).await?;
        }
        tx.update_key(&after, now).await?;
        let usage = if after.is_refused_alike(&before) {
            usage
        } else {
            tx.forget_denials(id, now).await?;
            usage.without_denials()
        };
        let catalogue = &self.there.catalogue;
        let details = Details::new("import", Some(&before.facts(catalogue)), Some(&after.facts(catalogue)));
        self.tell(&after, Action::Update, details, touched(Some(&before), &after));
        self.there.updated(&before, StoredKey { key: after, member: holder, usage });
        Ok(ImportedLine { key: id, outcome: ImportOutcome::Updated })
    }

    fn tell(&mut self, key: &Key, action: Action, details: Details, touched: Vec<Touched>) {
        self.events.push(key_support::event(self.call, key, action, details));
        for Touched { fingerprint, narrowing } in touched {
            *self.touched.entry(fingerprint).or_default() |= narrowing;
        }
    }

    async fn write_pending(&mut self, tx: &mut dyn Tx) -> Result<(), Refusal> {
        if !self.pending.is_empty() {
            tx.insert_keys(&self.pending).await?;
            self.pending.clear();
        }
        Ok(())
    }
}

/// Refuses what would leave a key with a member who may not have it.
fn check_ceiling(key: &Key, workspace: &Workspace, holder: &MemberSummary) -> Result<(), Invalid> {
    if key_support::may_have(workspace, holder.role, key.access) {
        return Ok(());
    }
    let detail = format!("a member whose role is {} has no key that does this here", holder.role.as_str());
    Err(Invalid::new("access", Fault::Conflicting, detail))
}
