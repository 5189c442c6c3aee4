//! Query strings: every parameter known, none twice, each refused by name.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::api::limits;
use crate::api::problem::{Code, Problem};

/// The query string as a `T`, whose fields are texts and which refuses unknown fields.
pub struct Query<T>(pub T);

/// For routes that take no parameter.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

pub(super) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    Parameters::read(query)?.parse()
}

/// The parameters of a query string, none of them twice.
pub(super) struct Parameters(Map<String, Value>);

impl Parameters {
    pub(super) fn read(query: &str) -> Result<Self, Problem> {
        if query.len() > limits::QUERY_BYTES {
            let detail = format!("the query string is longer than {} bytes", limits::QUERY_BYTES);
            return Err(Problem::new(Code::BadParameter).detail(detail));
        }
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Problem::new(Code::BadParameter).field(twice[0]).detail("given more than once"));
        }
        Ok(Self(pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect()))
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
