//! The catalogue of APIs as JSON.

use keyward_shared::settings::RouteAccess;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{reasoned, schema};
use crate::domain::api::Api;
use crate::domain::route::{ApiRoute, RouteInput};
use crate::domain::time::UnixMillis;

/// The body of `PUT /v1/apis/{api}`: all of it, every time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutApi {
    /// The name; may be left out, and must be the path's.
    #[schema(value_type = Option<schema::ApiName>)]
    pub name: Option<String>,
    /// The title, for people; the name when absent.
    #[schema(value_type = Option<schema::Name>)]
    pub title: Option<String>,
    /// The paths that belong to it.
    #[serde(default)]
    #[schema(value_type = schema::Routes)]
    pub routes: Vec<PutRoute>,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

/// One route of [`PutApi`].
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutRoute {
    #[schema(value_type = schema::PathPrefix)]
    path_prefix: String,
    #[serde(default)]
    #[schema(value_type = schema::Methods)]
    methods: Vec<String>,
    #[serde(default)]
    #[schema(value_type = schema::RouteAccess)]
    access: RouteAccess,
}

reasoned!(PutApi);

impl From<PutRoute> for RouteInput {
    fn from(route: PutRoute) -> Self {
        Self { path_prefix: route.path_prefix, methods: route.methods, access: route.access }
    }
}

/// An API as it is read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Api)]
pub struct ApiBody<'a> {
    name: &'a str,
    title: &'a str,
    routes: Vec<RouteBody<'a>>,
    created_at: UnixMillis,
    version: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Route)]
struct RouteBody<'a> {
    path_prefix: &'a str,
    methods: &'a [String],
    #[schema(value_type = schema::RouteAccess)]
    access: RouteAccess,
}

impl<'a> From<&'a Api> for ApiBody<'a> {
    fn from(api: &'a Api) -> Self {
        Self {
            name: api.name.as_str(),
            title: api.title.as_str(),
            routes: api.routes.iter().map(RouteBody::from).collect(),
            created_at: api.created_at,
            version: api.version,
        }
    }
}

impl<'a> From<&'a ApiRoute> for RouteBody<'a> {
    fn from(route: &'a ApiRoute) -> Self {
        Self { path_prefix: &route.path_prefix, methods: &route.methods, access: route.access }
    }
}
