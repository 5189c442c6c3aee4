//! A Worker's configuration for the Workers runtime, in the text form of Cap'n Proto.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use xtask::parts::edge::Edge;

/// What a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// JavaScript.
    Script,
    /// WebAssembly, imported compiled.
    WebAssembly,
}

/// One Worker on one address.
pub(crate) struct Configuration<'a> {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Its modules, which lie beside the configuration; the first is the entry.
    pub(crate) modules: &'a [(&'a str, Kind)],
    /// Variables of the environment that it is given under the same names.
    pub(crate) variables: Vec<&'a str>,
    /// What speaks the protocol of the binding `KEYWARD` to Workers KV.
    pub(crate) kv: Option<SocketAddr>,
    /// Flags of V8.
    pub(crate) flags: &'a [&'a str],
}

impl Configuration<'_> {
    /// The whole file.
    pub(crate) fn to_text(&self) -> Result<String> {
        let date = compatibility_date()?;
        let module = |(name, kind): &(&str, Kind)| {
            let kind = match kind {
                Kind::Script => "esModule",
                Kind::WebAssembly => "wasm",
            };
            format!("(name = \"{name}\", {kind} = embed \"{name}\")")
        };
        let modules = self.modules.iter().map(module).collect::<Vec<_>>().join(", ");
        let (mut bindings, mut services) = (String::new(), String::new());
        for name in &self.variables {
            write!(bindings, "(name = \"{name}\", fromEnvironment = \"{name}\"), ")?;
        }
        if let Some(kv) = self.kv {
            bindings.push_str("(name = \"KEYWARD\", kvNamespace = \"kv\"), ");
            write!(services, "(name = \"kv\", external = (address = \"{kv}\", http = ())),")?;
        }
        let flags = self.flags.iter().map(|flag| format!("\"{flag}\"")).collect::<Vec<_>>().join(", ");
        // Origin and control plane are on this machine, where a Worker may not go unless it is told to.
        Ok(format!(
            r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  v8Flags = [{flags}],
  services = [
    (name = "edge", worker = .edge),
    (name = "internet", network = (allow = ["public", "private"])),
    {services}
  ],
  sockets = [(name = "http", address = "{listen}", http = (), service = "edge")],
);

const edge :Workerd.Worker = (
  compatibilityDate = "{date}",
  modules = [{modules}],
  bindings = [{bindings}],
);
"#,
            listen = self.listen
        ))
    }
}

/// As it is deployed.
fn compatibility_date() -> Result<String> {
    let text = fs::read_to_string(Edge::shipped_config())?;
    let config: toml::Table = toml::from_str(&text).context("wrangler.toml is not TOML")?;
    let date = config.get("compatibility_date").and_then(toml::Value::as_str);
    Ok(date.context("wrangler.toml has no compatibility_date")?.to_owned())
}
