//! The user's folder of programs, shared by all checkouts.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::workspace::{self, Lock};

/// `$XDG_CACHE_HOME/keyward/tools`, or the same under `~/.cache`.
fn folder() -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    ensure!(cache.is_absolute(), "XDG_CACHE_HOME must be an absolute path");
    Ok(cache.join("keyward/tools"))
}

/// A place in the cache: a program's name and version.
pub(super) struct Place {
    folder: PathBuf,
    name: String,
}

impl Place {
    /// The place for this name.
    pub(super) fn named(name: String) -> Result<Self> {
        Ok(Self { folder: folder()?, name })
    }

    /// Where the finished thing lies.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Taken while something is made in the cache.
    pub(super) fn lock(&self) -> Result<Lock> {
        workspace::lock(&self.folder.join(".lock"))
    }

    /// An empty folder to make the thing in, beside its place.
    pub(super) fn draft(&self) -> Result<PathBuf> {
        let draft = self.folder.join(format!(".{}.unfinished", self.name));
        remove(&draft)?;
        workspace::folder(draft)
    }

    /// Moves a finished draft to its place in one step, so that what is there is whole.
    pub(super) fn keep(&self, draft: &Path) -> Result<()> {
        let path = self.path();
        remove(&path)?;
        fs::rename(draft, &path).with_context(|| format!("cannot move {} to {}", draft.display(), path.display()))
    }
}

fn remove(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}
