//! The catalogue: all APIs, or one by its name.

use super::refusal::Missing;
use super::{Lifecycle, Needs, Refusal};
use crate::domain::actor::Actor;
use crate::domain::api::Api;
use crate::domain::permission::Permission;

impl Lifecycle {
    /// All APIs, in the order of their numbers.
    pub async fn list_apis(&self, actor: &Actor) -> Result<Vec<Api>, Refusal> {
        self.admit(actor, Needs::Deployment(Permission::CatalogueRead)).await?;
        Ok(self.store.catalogue().await?.apis().to_vec())
    }

    /// The API of this name.
    pub async fn get_api(&self, actor: &Actor, name: &str) -> Result<Api, Refusal> {
        self.admit(actor, Needs::Deployment(Permission::CatalogueRead)).await?;
        self.store.catalogue().await?.named(name).cloned().ok_or(Refusal::NotFound(Missing::Api))
    }
}
