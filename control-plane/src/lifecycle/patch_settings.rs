//! Edit the deployment's settings.

use async_trait::async_trait;

use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, Details, Entity, Target};
use crate::domain::change::Change;
use crate::domain::permission::Permission;
use crate::domain::settings::{SettingsDocument, SettingsEdit};
use crate::store::Tx;

/// Changes the settings that are named.
pub struct PatchSettings {
    /// The settings.
    pub edit: SettingsEdit,
}

#[async_trait]
impl Verb for PatchSettings {
    type Answer = SettingsDocument;

    fn needs(&self) -> Needs {
        Needs::Deployment(Permission::SettingsManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(SettingsDocument, Change), Refusal> {
        let before = tx.settings().await?;
        call.context.check_version(before.version)?;
        let mut after = before.edited(self.edit)?;
        let changed = after != before;
        if changed {
            after.version = before.version + 1;
            tx.update_settings(&after).await?;
        }
        let details = Details::new("edit", Some(&before.facts()), Some(&after.facts()));
        let target = Target { id: "settings".to_owned(), name: "settings".to_owned() };
        let event = call.context.event(Action::Update, Entity::Settings, target, details);
        let change = Change::new(tx.generation(), event);
        Ok((after, if changed { change.touching_settings() } else { change }))
    }
}
