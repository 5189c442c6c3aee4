//! Delete an API: its routes go, its number is never given again. Keys that name it keep the number,
//! to which no route leads any more.

use async_trait::async_trait;

use super::put_api::event;
use super::refusal::Missing;
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, Details};
use crate::domain::change::Change;
use crate::domain::permission::Permission;
use crate::store::Tx;

/// Deletes an API.
pub struct DeleteApi {
    /// Its name.
    pub name: String,
}

#[async_trait]
impl Verb for DeleteApi {
    type Answer = ();

    fn needs(&self) -> Needs {
        Needs::Deployment(Permission::CatalogueManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<((), Change), Refusal> {
        let catalogue = tx.catalogue().await?;
        let api = catalogue.named(&self.name).ok_or(Refusal::NotFound(Missing::Api))?;
        call.context.check_version(api.version)?;
        tx.delete_api(&api.name, call.context.now).await?;
        let details = Details::new("delete", Some(&api.facts()), None);
        let change = Change::new(tx.generation(), event(call, api, Action::Delete, details)).touching_settings();
        Ok(((), change))
    }
}
