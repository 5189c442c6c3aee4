//! JSON bodies: media type, size, syntax, shape, in this order.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::api::limits;
use crate::api::problem::{Code, Problem};
use crate::domain::invalid::Fault;

/// Reads the body, refusing it before it is held when it is too large or of another type.
pub(super) async fn read_body(request: Request) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    let declared = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limits::BODY_BYTES) {
        return Err(too_large());
    }
    let bytes = axum::body::to_bytes(body, limits::BODY_BYTES).await.map_err(|error| {
        if is_length_limit(&error) {
            too_large()
        } else {
            Problem::new(Code::BadJson).detail("the body ended early").caused_by(error)
        }
    })?;
    if !bytes.is_empty() && !is_json(&parts.method, &parts.headers) {
        return Err(Problem::new(Code::UnsupportedMediaType).detail("send the body as application/json"));
    }
    Ok(bytes)
}

/// Parses a body. An empty one reads as `{}`, so that verbs without members need none.
pub(in crate::api) fn parse_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    // All of it must be JSON before any of it is judged.
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| refusal(&error, "."))?;
    // The shapes would take a list, too, as their members in order.
    if !is_object(bytes) {
        return Err(Problem::new(Code::Invalid).fault(Fault::BadFormat.code()).detail("must be an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        refusal(error.inner(), &field)
    })
}

/// Whether a text that is JSON is an object.
pub(in crate::api) fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{")
}

/// Puts serde's words into ours and leaves out the value, which may be a secret.
pub(super) fn wording(message: &str) -> String {
    const ABOUT_A_VALUE: [&str; 4] = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    let message = message.split_once(" at line ").map_or(message, |(message, _)| message);
    if !ABOUT_A_VALUE.iter().any(|start| message.starts_with(start)) {
        return message.to_owned();
    }
    let wanted = match message.rsplit_once(", expected ") {
        Some((_, "a map")) => "an object",
        Some((_, wanted)) if wanted.starts_with("struct ") => "an object",
        Some((_, "a sequence")) => "a list",
        Some((_, "u64" | "u32" | "u16")) => "a whole number, not negative",
        Some((_, "string or map" | "a borrowed string")) => "a string",
        Some((_, wanted)) => wanted,
        None => "of another type",
    };
    format!("must be {wanted}")
}

fn refusal(error: &serde_json::Error, path: &str) -> Problem {
    match error.classify() {
        serde_json::error::Category::Data => {
            let message = error.to_string();
            let mut field = if path == "." { String::new() } else { path.to_owned() };
            // These two name a member that the path does not lead to.
            for (start, fault, detail) in [
                ("missing field `", "missing", "must be given"),
                ("duplicate field `", "duplicate", "given more than once"),
            ] {
                if let Some(rest) = message.strip_prefix(start) {
                    let name = rest.split('`').next().unwrap_or_default();
                    if !field.is_empty() {
                        field.push('.');
                    }
                    field.push_str(name);
                    return Problem::new(Code::Invalid).field(field).fault(fault).detail(detail);
                }
            }
            let fault = if message.starts_with("unknown field") { "unknown" } else { "bad_format" };
            let problem = Problem::new(Code::Invalid).fault(fault).detail(wording(&message));
            if field.is_empty() { problem } else { problem.field(field) }
        }
        // A word was wanted and no string given: serde_json calls that a mistake of syntax.
        _ if path != "." => {
            Problem::new(Code::Invalid).field(path).fault(Fault::BadFormat.code()).detail("must be a string")
        }
        _ => {
            Problem::new(Code::BadJson).detail(format!("not JSON at line {}, column {}", error.line(), error.column()))
        }
    }
}

fn too_large() -> Problem {
    Problem::new(Code::BodyTooLarge).detail(format!("at most {} bytes", limits::BODY_BYTES))
}

/// Whether a body was longer than what is read of it.
pub(in crate::api) fn is_length_limit(error: &axum::Error) -> bool {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        if error.to_string().contains("length limit") {
            return true;
        }
        next = error.source();
    }
    false
}

/// `application/json`, and for PATCH also RFC 7396's own type.
fn is_json(method: &Method, headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (method == Method::PATCH && essence.eq_ignore_ascii_case("application/merge-patch+json"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only refusals are looked at")]
    struct Outer {
        name: String,
        #[serde(default)]
        word: Option<Word>,
        #[serde(default)]
        inner: Option<Inner>,
        #[serde(default)]
        list: Vec<u32>,
    }

    #[derive(Debug, Deserialize)]
    enum Word {
        A,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only refusals are looked at")]
    struct Inner {
        count: u32,
    }

    fn refused(body: &str) -> (Code, Option<String>) {
        let problem = parse_body::<Outer>(body.as_bytes()).unwrap_err();
        (problem.code(), problem.field_name().map(str::to_owned))
    }

    #[test]
    fn what_is_not_json_is_told_apart_from_what_is_wrong_json() {
        for body in ["{", "{]", "nul", "{\"name\":\"a\"} x", "\u{feff}{}"] {
            assert_eq!(refused(body), (Code::BadJson, None), "{body}");
        }
    }

    #[test]
    fn a_body_is_an_object_and_not_its_values_in_order() {
        for body in ["[]", r#"["a"]"#, r#" ["a",null,null,[1]]"#, r#""a""#, "1", "null"] {
            assert_eq!(refused(body), (Code::Invalid, None), "{body}");
        }
        assert!(parse_body::<Outer>(b" \r\n\t{\"name\":\"a\"} ").is_ok());
    }

    #[test]
    fn the_field_is_named_wherever_it_stands() {
        for (body, field) in [
            ("{}", "name"),
            (r#"{"name":1}"#, "name"),
            (r#"{"name":"a","nmae":1}"#, "nmae"),
            (r#"{"name":"a","inner":{}}"#, "inner.count"),
            (r#"{"name":"a","inner":{"count":-1}}"#, "inner.count"),
            (r#"{"name":"a","inner":{"count":1,"x":2}}"#, "inner.x"),
            (r#"{"name":"a","list":[1,"b"]}"#, "list[1]"),
            (r#"{"name":"a","name":"b"}"#, "name"),
            (r#"{"name":"a","word":"B"}"#, "word"),
            (r#"{"name":"a","word":1}"#, "word"),
            (r#"{"name":"a","word":[]}"#, "word"),
        ] {
            assert_eq!(refused(body), (Code::Invalid, Some(field.to_owned())), "{body}");
        }
    }

    #[test]
    fn a_refused_value_is_not_repeated() {
        let problem = parse_body::<Outer>(br#"{"name":"a","list":["hunter2, expected"]}"#);
        let rendered = format!("{:?}", problem.unwrap_err());
        assert!(!rendered.contains("hunter2"), "{rendered}");
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        #[derive(Deserialize)]
        struct Nothing {}
        assert!(parse_body::<Nothing>(b"").is_ok());
    }
}
