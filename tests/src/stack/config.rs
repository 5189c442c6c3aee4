//! The edge's configuration for one stack: the project's own wrangler.toml but for what a test must
//! have otherwise, so that what is deployed is what is tested.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::{Table, Value};
use xtask::parts::edge::{self, Edge};
use xtask::workspace;

use super::options::{Mode, Options};

/// Writes the configuration into the stack's folder.
pub(super) fn write(folder: &Path, entry: &Path, options: &Options) -> Result<PathBuf> {
    let shipped = Edge::shipped_config();
    let text = fs::read_to_string(&shipped).with_context(|| format!("cannot read {}", shipped.display()))?;
    let mut config: Table = toml::from_str(&text).context("wrangler.toml is not TOML")?;
    config.insert("main".to_owned(), Value::String(entry.display().to_string()));
    config.remove("build");
    if !options.lanes.has_kv() {
        config.remove("kv_namespaces");
    }
    let folder = workspace::folder(folder.join("edge"))?;
    let path = folder.join("wrangler.toml");
    fs::write(&path, toml::to_string(&config)?)?;
    Ok(path)
}

/// Writes the variables that the edge gets beside the generated secrets.
pub(super) fn write_variables(path: &Path, origin: &str, control_plane: &str, options: &Options) -> Result<()> {
    let lane = if options.lanes.has_http() { format!("{control_plane}/v1/snapshot") } else { String::new() };
    let mode = match options.mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
    };
    let mut variables = vec![
        ("KEYWARD_ORIGIN", if options.with_origin { origin } else { "" }),
        ("KEYWARD_LANE_URL", lane.as_str()),
        ("KEYWARD_MODE", mode),
        // The platform's own interval is half a minute; a test would wait for nothing else.
        ("KEYWARD_KV_REFRESH_SECONDS", "1"),
    ];
    variables.extend(options.worker_variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    edge::write_variables(path, &variables)
}
