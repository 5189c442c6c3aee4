//! The catalogue: all APIs, or one by its name.

use super::refusal::Missing;
use super::{Lifecycle, Refusal};
use crate::domain::api::Api;

impl Lifecycle {
    /// All APIs, in the order of their numbers.
    pub async fn list_apis(&self) -> Result<Vec<Api>, Refusal> {
        Ok(self.store.catalogue().await?.apis().to_vec())
    }

    /// The API of this name.
    pub async fn get_api(&self, name: &str) -> Result<Api, Refusal> {
        self.store.catalogue().await?.named(name).cloned().ok_or(Refusal::NotFound(Missing::Api))
    }
}
