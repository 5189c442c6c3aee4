//! The OpenAPI document as a page: HTML alone, without script and without anything from elsewhere.

use std::fmt::{self, Display, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::SCHEMAS;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}\
h2{margin-top:3rem;border-bottom:1px solid}\
code{font:.9em/1.5 ui-monospace,monospace;overflow-wrap:anywhere}\
summary{cursor:pointer;padding:.4rem 0}summary code{margin-right:.6rem}\
details>*:not(summary){margin-left:1.2rem}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}\
nav a{margin-right:1rem}section{margin-top:2rem}";

/// The page and the policy that lets its own style through and nothing else.
pub(super) struct Page {
    pub(super) html: String,
    pub(super) policy: String,
}

/// Shows the whole document.
pub(super) fn render(document: &Value) -> Page {
    let mut html = String::new();
    // Writing to a text cannot fail.
    let _ = whole(&mut html, document);
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Page { html, policy }
}

fn whole(html: &mut String, document: &Value) -> fmt::Result {
    let info = &document["info"];
    let title = Plain(text(&info["title"]));
    write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title} API</title><style>{STYLE}</style></head>\
         <body><header><h1>{title} API {}</h1>{}<p>The same for programs: <a href=\"openapi.json\">openapi.json</a>.</p>",
        Plain(text(&info["version"])),
        Paragraphs(text(&info["description"])),
    )?;
    let tags = document["tags"].as_array().map_or(&[][..], Vec::as_slice);
    html.push_str("<nav>");
    for tag in tags {
        let name = Plain(text(&tag["name"]));
        write!(html, "<a href=\"#{name}\">{name}</a>")?;
    }
    html.push_str("<a href=\"#schemas\">Schemas</a><a href=\"#refusals\">Refusals</a></nav></header><main>");
    for tag in tags {
        let name = Plain(text(&tag["name"]));
        write!(html, "<h2 id=\"{name}\">{name}</h2>{}", Paragraphs(text(&tag["description"])))?;
        for (path, item) in members(&document["paths"]) {
            for (method, shown) in members(item).filter(|(_, shown)| shown["tags"][0] == tag["name"]) {
                operation(html, document, path, method, shown)?;
            }
        }
    }
    html.push_str("<h2 id=\"schemas\">Schemas</h2>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        write!(html, "<section id=\"schema-{0}\"><h3>{0}</h3>", Plain(name))?;
        definition(html, schema)?;
        html.push_str("</section>");
    }
    html.push_str("<h2 id=\"refusals\">Refusals</h2>");
    for (status, response) in members(&document["components"]["responses"]) {
        let words = Paragraphs(text(&response["description"]));
        write!(html, "<section id=\"refusal-{0}\"><h3>{0}</h3>{words}</section>", Plain(status))?;
    }
    html.push_str("</main></body></html>");
    Ok(())
}

fn operation(html: &mut String, document: &Value, path: &str, method: &str, operation: &Value) -> fmt::Result {
    let (summary, description) = (text(&operation["summary"]), text(&operation["description"]));
    write!(
        html,
        "<details id=\"{}\"><summary><code>{} {}</code>{}</summary>{}",
        Plain(text(&operation["operationId"])),
        method.to_uppercase(),
        Plain(path),
        Plain(summary),
        Paragraphs(if description.strip_suffix('.') == Some(summary) { "" } else { description }),
    )?;
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        html.push_str("<table><tr><th>parameter</th><th>in</th><th></th></tr>");
        for parameter in parameters {
            let shared =
                parameter["$ref"].as_str().and_then(|reference| document.pointer(reference.strip_prefix('#')?));
            let parameter = shared.unwrap_or(parameter);
            write!(
                html,
                "<tr><td><code>{}</code></td><td>{}</td><td>{} {}</td></tr>",
                Plain(text(&parameter["name"])),
                Plain(text(&parameter["in"])),
                Shape(&parameter["schema"]),
                Words(text(&parameter["description"])),
            )?;
        }
        html.push_str("</table>");
    }
    if let Some((_, body)) = members(&operation["requestBody"]["content"]).next() {
        write!(html, "<p>Body: {}</p>", Shape(&body["schema"]))?;
    }
    html.push_str("<table><tr><th>answer</th><th></th></tr>");
    for (status, response) in members(&operation["responses"]) {
        let status = Plain(status);
        if response.get("$ref").is_some() {
            write!(html, "<tr><td><a href=\"#refusal-{status}\">{status}</a></td><td>Refused.</td></tr>")?;
            continue;
        }
        write!(html, "<tr><td>{status}</td><td>{} ", Words(text(&response["description"])))?;
        if let Some((media_type, content)) = members(&response["content"]).next() {
            write!(html, "<code>{}</code> {}", Plain(media_type), Shape(&content["schema"]))?;
        }
        html.push_str("</td></tr>");
    }
    html.push_str("</table></details>");
    Ok(())
}

/// A schema with its members, a line each.
fn definition(html: &mut String, schema: &Value) -> fmt::Result {
    write!(html, "{}", Paragraphs(text(&schema["description"])))?;
    if schema.get("properties").is_none() {
        let parts = ["allOf", "oneOf", "anyOf"].into_iter().find_map(|kind| schema[kind].as_array());
        for part in parts.into_iter().flatten() {
            if part.get("properties").is_some() {
                definition(html, part)?;
            } else {
                write!(html, "<p>{}</p>", Shape(part))?;
            }
        }
        if parts.is_none() {
            write!(html, "<p>{}</p>", Shape(schema))?;
        }
        return Ok(());
    }
    let required = schema["required"].as_array();
    html.push_str("<table>");
    for (name, member) in members(&schema["properties"]) {
        let is_required = required.is_some_and(|required| required.iter().any(|required| required == name));
        write!(
            html,
            "<tr><td><code>{}</code>{}</td><td>{} {}</td></tr>",
            Plain(name),
            if is_required { "" } else { " (may be absent)" },
            Shape(member),
            Words(text(&member["description"])),
        )?;
    }
    html.push_str("</table>");
    Ok(())
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text with nothing in it that HTML would give a meaning.
struct Plain<'a>(&'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A text in which what stands between backticks is code.
struct Words<'a>(&'a str);

impl Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.split('`').enumerate() {
            if index % 2 == 1 {
                write!(f, "<code>{}</code>", Plain(part))?;
            } else {
                write!(f, "{}", Plain(part))?;
            }
        }
        Ok(())
    }
}

/// Words, each paragraph by itself.
struct Paragraphs<'a>(&'a str);

impl Display for Paragraphs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .split("\n\n")
            .filter(|words| !words.is_empty())
            .try_for_each(|words| write!(f, "<p>{}</p>", Words(words)))
    }
}

/// A schema in a line: a link to it, or its type and bounds.
struct Shape<'a>(&'a Value);

impl Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.0;
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix(SCHEMAS)) {
            return write!(f, "<a href=\"#schema-{0}\">{0}</a>", Plain(name));
        }
        for kind in ["oneOf", "anyOf", "allOf"] {
            for (index, part) in schema[kind].as_array().into_iter().flatten().enumerate() {
                let divider = if index == 0 { "" } else { " or " };
                write!(f, "{divider}{}", Shape(part))?;
            }
        }
        match &schema["type"] {
            Value::String(kind) if kind == "array" => {
                write!(f, "list of {}", Shape(&schema["items"]))?;
            }
            Value::String(kind) => write!(f, "{}", Plain(kind))?,
            Value::Array(kinds) => {
                let kinds: Vec<&str> = kinds.iter().map(text).collect();
                write!(f, "{}", Plain(&kinds.join(" or ")))?;
            }
            _ => {}
        }
        for bound in [
            "const",
            "enum",
            "format",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "pattern",
        ] {
            if let Some(value) = schema.get(bound) {
                write!(f, " {bound} <code>{}</code>", Plain(&value.to_string()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_of_the_document_is_never_markup() {
        assert_eq!(Words("<a> `x<y` & \"b\"").to_string(), "&lt;a&gt; <code>x&lt;y</code> &amp; &quot;b&quot;");
    }

    #[test]
    fn a_shape_is_a_link_or_its_bounds() {
        let link = json!({ "$ref": "#/components/schemas/Name" });
        assert_eq!(Shape(&link).to_string(), "<a href=\"#schema-Name\">Name</a>");
        let list = json!({ "type": "array", "items": { "type": "integer", "minimum": 1 }, "maxItems": 3 });
        assert_eq!(Shape(&list).to_string(), "list of integer minimum <code>1</code> maxItems <code>3</code>");
    }
}
