//! The catalogue of APIs: names for people and tokens, numbers for the snapshot.
//!
//! A number is never given twice. Policies of keys carry numbers; when an API is deleted, its
//! number stays in the policies that name it, where no route leads to it any more, and reads leave
//! it out.

use core::fmt;

use keyward_shared::policy::{Apis, MAX_APIS};
use keyward_shared::settings::{MAX_ROUTES, Route};
use serde::Serialize;
use serde_json::{Value, json};

use super::invalid::{Fault, Invalid};
use super::limits;
use super::route::ApiRoute;
use super::text::{self, Name};
use super::time::UnixMillis;

/// The name of an API: lower-case letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ApiName(String);

impl ApiName {
    /// Parses the name that stood in `field`.
    pub fn parse(field: &str, name: &str) -> Result<Self, Invalid> {
        text::dashed(field, name, 1, limits::API_NAME_MAX_CHARS)?;
        Ok(Self(name.to_owned()))
    }

    /// A name that was parsed before it was stored.
    pub const fn stored(name: String) -> Self {
        Self(name)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApiName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An API of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Its number in the snapshot.
    pub number: u16,
    /// Its name.
    pub name: ApiName,
    /// Its title, for people.
    pub title: Name,
    /// The paths that belong to it.
    pub routes: Vec<ApiRoute>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Counts the API's changes, from 1.
    pub version: u64,
}

impl Api {
    /// The fields that can change, for the audit log.
    pub fn facts(&self) -> Value {
        json!({ "name": self.name, "title": self.title, "routes": self.routes })
    }
}

/// Whether a key may call every API of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// Every one.
    Full,
    /// Not every one.
    Partial,
}

/// Why a route cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path_prefix}` belongs to the API `{api}` already")]
pub struct RouteConflict {
    /// The path of the field that conflicts.
    pub field: String,
    /// The API that has the route.
    pub api: String,
    /// The prefix in question.
    pub path_prefix: String,
}

/// The APIs there are, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue(Vec<Api>);

impl Catalogue {
    /// The catalogue of these APIs.
    pub const fn new(apis: Vec<Api>) -> Self {
        Self(apis)
    }

    /// The APIs.
    pub fn apis(&self) -> &[Api] {
        &self.0
    }

    /// The API of this name.
    pub fn named(&self, name: &str) -> Option<&Api> {
        self.0.iter().find(|api| api.name.as_str() == name)
    }

    /// Reads the names that a client grants; `*` alone stands for every API.
    pub fn grant(&self, field: &str, names: &[String]) -> Result<Apis, Invalid> {
        if names.is_empty() {
            return Err(Invalid::new(field, Fault::TooShort, "names no API; `*` stands for all of them"));
        }
        if let Some(index) = names.iter().position(|name| name == "*") {
            if names.len() > 1 {
                return Err(Invalid::at(field, index, Fault::Conflicting, "`*` stands alone"));
            }
            return Ok(Apis::All);
        }
        if names.len() > MAX_APIS {
            let detail = format!("{} APIs, at most {MAX_APIS}", names.len());
            return Err(Invalid::at(field, MAX_APIS, Fault::TooMany, detail));
        }
        let mut numbers = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let Some(api) = self.named(name) else {
                return Err(Invalid::at(field, index, Fault::Unknown, "the catalogue has no such API"));
            };
            if numbers.contains(&api.number) {
                return Err(Invalid::at(field, index, Fault::Duplicate, "is in the list already"));
            }
            numbers.push(api.number);
        }
        numbers.sort_unstable();
        Ok(Apis::Only(numbers))
    }

    /// The names of what is granted, in the order of the catalogue; `*` for everything.
    pub fn names(&self, granted: &Apis) -> Vec<String> {
        match granted {
            Apis::All => vec!["*".to_owned()],
            Apis::Only(numbers) => self
                .0
                .iter()
                .filter(|api| numbers.contains(&api.number))
                .map(|api| api.name.as_str().to_owned())
                .collect(),
        }
    }

    /// Whether what is granted is everything there is.
    pub fn coverage(&self, granted: &Apis) -> Coverage {
        let full = match granted {
            Apis::All => true,
            Apis::Only(numbers) => !self.0.is_empty() && self.0.iter().all(|api| numbers.contains(&api.number)),
        };
        if full { Coverage::Full } else { Coverage::Partial }
    }

    /// The routes of all APIs, as the snapshot's settings carry them.
    pub fn routes(&self) -> Vec<Route> {
        let of = |api: &Api| {
            let number = api.number;
            api.routes.clone().into_iter().map(move |route| Route {
                api: number,
                path_prefix: route.path_prefix,
                methods: route.methods,
                access: route.access,
            })
        };
        self.0.iter().flat_map(of).collect()
    }

    /// Checks the routes that `name` is to have against each other and those of all other APIs.
    pub fn admit_routes(&self, name: &ApiName, routes: &[ApiRoute]) -> Result<(), RoutesRefused> {
        let others = || self.0.iter().filter(|api| api.name != *name);
        let total = routes.len() + others().map(|api| api.routes.len()).sum::<usize>();
        if total > MAX_ROUTES {
            let detail = format!("{total} routes over all APIs, at most {MAX_ROUTES}");
            return Err(Invalid::new("routes", Fault::TooMany, detail).into());
        }
        for (index, route) in routes.iter().enumerate() {
            if routes[..index].iter().any(|earlier| earlier.conflicts_with(route)) {
                let detail = "an earlier route has this prefix and method already";
                return Err(Invalid::at("routes", index, Fault::Duplicate, detail).into());
            }
            let conflict = others().find(|api| api.routes.iter().any(|existing| existing.conflicts_with(route)));
            if let Some(api) = conflict {
                return Err(RouteConflict {
                    field: format!("routes[{index}]"),
                    api: api.name.as_str().to_owned(),
                    path_prefix: route.path_prefix.clone(),
                }
                .into());
            }
        }
        Ok(())
    }
}

/// Why the routes of an API are not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoutesRefused {
    /// The routes themselves are wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Another API has one of them.
    #[error(transparent)]
    Conflict(#[from] RouteConflict),
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyward_shared::settings::RouteAccess;

    fn api(number: u16, name: &str, prefixes: &[&str]) -> Api {
        Api {
            number,
            name: ApiName::parse("name", name).expect("a name"),
            title: Name::parse("title", name).expect("a title"),
            routes: prefixes.iter().map(|prefix| route(prefix)).collect(),
            created_at: UnixMillis::from_millis(0),
            version: 1,
        }
    }

    fn route(prefix: &str) -> ApiRoute {
        ApiRoute { path_prefix: prefix.to_owned(), methods: Vec::new(), access: RouteAccess::ByMethod }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn grants_go_from_names_to_numbers_and_back() {
        let catalogue = Catalogue::new(vec![api(1, "data", &[]), api(3, "push", &[])]);
        let granted = catalogue.grant("apis", &names(&["push", "data"])).expect("granted");
        assert_eq!(granted, Apis::Only(vec![1, 3]));
        assert_eq!(catalogue.names(&granted), ["data", "push"]);
        assert_eq!(catalogue.coverage(&granted), Coverage::Full);
        assert_eq!(catalogue.coverage(&Apis::Only(vec![1, 2])), Coverage::Partial);
        assert_eq!(catalogue.names(&Apis::Only(vec![1, 2])), ["data"]);
        assert_eq!(catalogue.grant("apis", &names(&["*"])), Ok(Apis::All));
    }

    #[test]
    fn a_wrong_grant_names_its_place() {
        let catalogue = Catalogue::new(vec![api(1, "data", &[])]);
        for (granted, field, fault) in [
            (&[][..], "apis", Fault::TooShort),
            (&["data", "nope"], "apis[1]", Fault::Unknown),
            (&["data", "*"], "apis[1]", Fault::Conflicting),
            (&["data", "data"], "apis[1]", Fault::Duplicate),
        ] {
            let refused = catalogue.grant("apis", &names(granted)).expect_err("refused");
            assert_eq!((refused.field.as_str(), refused.fault), (field, fault));
        }
    }

    #[test]
    fn a_route_belongs_to_one_api() {
        let catalogue = Catalogue::new(vec![api(1, "data", &["/v1/data"])]);
        let push = ApiName::parse("name", "push").expect("a name");
        let data = ApiName::parse("name", "data").expect("a name");
        assert!(catalogue.admit_routes(&data, &[route("/v1/data")]).is_ok());
        assert!(matches!(
            catalogue.admit_routes(&push, &[route("/v1/push"), route("/v1/data")]),
            Err(RoutesRefused::Conflict(RouteConflict { field, .. })) if field == "routes[1]"
        ));
        assert!(matches!(
            catalogue.admit_routes(&push, &[route("/v1/push"), route("/v1/push")]),
            Err(RoutesRefused::Invalid(Invalid { fault: Fault::Duplicate, .. }))
        ));
    }
}
