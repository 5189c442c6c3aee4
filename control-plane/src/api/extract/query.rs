//! Query strings: every parameter known, none twice, each refused by name.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::api::limits;
use crate::api::problem::{Code, Problem};
use crate::api::wire::audit::FilterQuery;

/// The query string as a `T`, whose fields are texts and which refuses unknown fields.
pub struct Query<T>(pub T);

/// For routes that take no parameter.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

/// A filter of the audit log, of whose parameters some may be given several times, and the others as a `T`.
pub struct Filtered<T> {
    /// The filter.
    pub filter: FilterQuery,
    /// The other parameters.
    pub rest: T,
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Filtered<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut rest = Parameters::read_with(parts.uri.query().unwrap_or_default(), &FilterQuery::REPEATED)?;
        let filter = rest.split_off(&FilterQuery::NAMES).parse()?;
        Ok(Self { filter, rest: rest.parse()? })
    }
}

pub(super) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    Parameters::read(query)?.parse()
}

/// The parameters of a query string, none of them twice.
pub(super) struct Parameters(Map<String, Value>);

impl Parameters {
    pub(super) fn read(query: &str) -> Result<Self, Problem> {
        Self::read_with(query, &[])
    }

    /// The same, but for some that become lists.
    fn read_with(query: &str, lists: &[&str]) -> Result<Self, Problem> {
        if query.len() > limits::QUERY_BYTES {
            let detail = format!("the query string is longer than {} bytes", limits::QUERY_BYTES);
            return Err(Problem::new(Code::BadParameter).detail(detail));
        }
        let mut all = Map::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
            let value = Value::String(value);
            if lists.contains(&name.as_str()) {
                if let Value::Array(values) = all.entry(name).or_insert_with(|| json!([])) {
                    values.push(value);
                }
            } else if all.contains_key(&name) {
                return Err(Problem::new(Code::BadParameter).field(name).detail("given more than once"));
            } else {
                all.insert(name, value);
            }
        }
        Ok(Self(all))
    }

    /// Takes those of these names out.
    fn split_off(&mut self, names: &[&str]) -> Self {
        Self(names.iter().filter_map(|name| self.0.remove_entry(*name)).collect())
    }

    /// Takes one out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name) {
            Some(Value::String(value)) => Some(value),
            _ => None,
        }
    }

    /// The others.
    pub(super) fn parse<T: DeserializeOwned>(self) -> Result<T, Problem> {
        serde_path_to_error::deserialize(Value::Object(self.0)).map_err(|error| {
            let field = error.path().to_string();
            let message = error.inner().to_string();
            let code = if message.starts_with("unknown field") { Code::UnknownParameter } else { Code::BadParameter };
            Problem::new(code).field(field).detail(super::json::wording(&message))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Two {
        a: Option<String>,
        b: Option<String>,
    }

    #[test]
    fn parameters_are_decoded() {
        let two: Two = parse("a=x%20y&b=").unwrap();
        assert_eq!((two.a.as_deref(), two.b.as_deref()), (Some("x y"), Some("")));
    }

    #[test]
    fn an_unknown_parameter_is_named() {
        let problem = parse::<Two>("a=1&c=2").unwrap_err();
        assert_eq!(problem.code(), Code::UnknownParameter);
        assert_eq!(problem.field_name(), Some("c"));
    }

    #[test]
    fn options_are_words() {
        use crate::api::wire::options::{DryRunOption, QrForm, QrOption};

        assert_eq!(parse::<QrOption>("qr=svg").unwrap().qr, Some(QrForm::Svg));
        assert_eq!(parse::<QrOption>("").unwrap().qr, None);
        assert!(parse::<DryRunOption>("dry_run=true").unwrap().is_dry_run());
        assert!(!parse::<DryRunOption>("dry_run=false").unwrap().is_dry_run());
        assert!(!parse::<DryRunOption>("").unwrap().is_dry_run());
        for wrong in ["dry_run=", "dry_run=1", "dry_run=True"] {
            let problem = parse::<DryRunOption>(wrong).unwrap_err();
            assert_eq!((problem.code(), problem.field_name()), (Code::BadParameter, Some("dry_run")), "{wrong}");
        }
        let problem = parse::<QrOption>("qr=png").unwrap_err();
        assert_eq!((problem.code(), problem.field_name()), (Code::BadParameter, Some("qr")));
    }

    #[test]
    fn a_parameter_given_twice_is_named() {
        let problem = parse::<Two>("b=1&a=1&b=2").unwrap_err();
        assert_eq!(problem.code(), Code::BadParameter);
        assert_eq!(problem.field_name(), Some("b"));
    }
}
