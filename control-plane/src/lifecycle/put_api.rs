//! Put an API into the catalogue: create it under its name, or replace its title and routes.

use async_trait::async_trait;

use super::{Call, Needs, Refusal, Verb};
use crate::domain::api::{Api, ApiName, Catalogue};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::change::Change;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::limits::APIS;
use crate::domain::permission::Permission;
use crate::domain::route::{ApiRoute, RouteInput};
use crate::domain::text::Name;
use crate::store::Tx;

/// Creates or replaces an API. Fields are not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutApi {
    /// The name.
    pub name: String,
    /// The title; the name when none is given.
    pub title: Option<String>,
    /// The paths that belong to it.
    pub routes: Vec<RouteInput>,
}

/// An API that was put.
pub struct PutApiOutcome {
    /// The API.
    pub api: Api,
    /// Whether it is new.
    pub created: bool,
}

#[async_trait]
impl Verb for PutApi {
    type Answer = PutApiOutcome;

    fn needs(&self) -> Needs {
        Needs::Deployment(Permission::CatalogueManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(PutApiOutcome, Change), Refusal> {
        let name = ApiName::parse("name", &self.name)?;
        let title = Name::parse("title", self.title.as_deref().unwrap_or(name.as_str()))?;
        let routes: Vec<ApiRoute> =
            self.routes.iter().enumerate().map(|(index, route)| route.parse(index)).collect::<Result<_, _>>()?;
        let catalogue = tx.catalogue().await?;
        let before = catalogue.named(name.as_str()).cloned();
        match &before {
            Some(api) => call.context.check_version(api.version)?,
            None => call.context.check_absent()?,
        }
        catalogue.admit_routes(&name, &routes)?;
        let mut api = if let Some(api) = &before {
            Api { title, routes, ..api.clone() }
        } else {
            Api {
                number: take_number(tx, &catalogue).await?,
                name,
                title,
                routes,
                created_at: call.context.now,
                // Above every version of an API that had the name before, so that a tag of that one's
                // never matches.
                version: tx.generation().0,
            }
        };
        let (action, verb) = match &before {
            Some(_) => (Action::Update, "edit"),
            None => (Action::Create, "create"),
        };
        let changed = before.as_ref() != Some(&api);
        match &before {
            None => tx.insert_api(&api).await?,
            Some(before) if changed => {
                api.version = before.version + 1;
                tx.update_api(&api).await?;
            }
            Some(_) => {}
        }
        let details = Details::new(verb, before.as_ref().map(Api::facts).as_ref(), Some(&api.facts()));
        let change = Change::new(tx.generation(), event(call, &api, action, details));
        let change = if changed { change.touching_settings() } else { change };
        Ok((PutApiOutcome { api, created: before.is_none() }, change))
    }
}

async fn take_number(tx: &mut dyn Tx, catalogue: &Catalogue) -> Result<u16, Refusal> {
    if catalogue.apis().len() >= APIS {
        let detail = format!("the catalogue holds {APIS} APIs");
        return Err(Invalid::new("name", Fault::TooMany, detail).into());
    }
    tx.take_api_number().await?.ok_or(Refusal::ApiNumbersExhausted)
}

/// An event about an API.
pub(super) fn event(call: Call<'_>, api: &Api, action: Action, details: Details) -> AuditEvent {
    let name = api.name.as_str().to_owned();
    call.context.event(action, Entity::Apis, Target { id: name.clone(), name }, details)
}
