//! `dev.json`: what another program needs to use the running stack. It is there exactly while
//! everything answers; in between, the demo key's secret waits in a file beside it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::demo::DemoKey;

/// What dev.json says; the names are promised to others.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) control_plane_url: String,
    pub(super) console_url: String,
    pub(super) edge_url: String,
    pub(super) origin_url: String,
    pub(super) admin_token: String,
    pub(super) demo_workspace_id: String,
    pub(super) demo_key_id: String,
    pub(super) demo_key: String,
}

/// The file, now and from the last time.
pub(super) struct Handover {
    path: PathBuf,
    last_path: PathBuf,
    facts: Option<Facts>,
    handed_over: bool,
}

impl Handover {
    /// Takes back what an earlier run may have left, and remembers it.
    pub(super) fn open(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("dev.json");
        let last_path = data_dir.join("dev.last.json");
        if path.exists() {
            fs::rename(&path, &last_path).with_context(|| format!("cannot move {}", path.display()))?;
        }
        let facts = fs::read(&last_path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Self { path, last_path, facts, handed_over: false })
    }

    /// The demo key of the last run.
    pub(super) fn last_key(&self) -> Option<DemoKey> {
        let facts = self.facts.as_ref()?;
        Some(DemoKey {
            workspace_id: facts.demo_workspace_id.clone(),
            id: facts.demo_key_id.clone(),
            secret: facts.demo_key.clone(),
        })
    }

    /// What was handed over last.
    pub(super) fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// Writes the file, whole or not at all, readable by nobody else.
    pub(super) fn hand_over(&mut self, facts: Facts) -> Result<()> {
        let draft = self.path.with_extension("json.draft");
        // A draft of a run that was cut off would keep its own mode.
        if draft.exists() {
            fs::remove_file(&draft)?;
        }
        let mut file = File::options()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&draft)
            .with_context(|| format!("cannot write {}", draft.display()))?;
        file.write_all(&serde_json::to_vec_pretty(&facts)?)?;
        file.write_all(b"\n")?;
        drop(file);
        fs::rename(&draft, &self.path).with_context(|| format!("cannot write {}", self.path.display()))?;
        self.facts = Some(facts);
        self.handed_over = true;
        Ok(())
    }

    /// Takes the file back: from now on not everything answers.
    pub(super) fn withdraw(&mut self) -> Result<()> {
        if self.handed_over {
            self.handed_over = false;
            fs::rename(&self.path, &self.last_path).with_context(|| format!("cannot move {}", self.path.display()))?;
        }
        Ok(())
    }
}
