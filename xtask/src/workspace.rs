//! Where things lie in this checkout, and who may change them now.
//!
//! Must never know what the tools or the parts do.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The checkout's top folder.
pub fn root() -> &'static Path {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.parent().unwrap_or(member)
}

/// Where native builds go. Given to every cargo call, so that all agree whatever is configured.
pub fn target() -> PathBuf {
    root().join("target")
}

/// Makes a folder with all its parents.
pub fn folder(path: impl Into<PathBuf>) -> Result<PathBuf> {
    let path = path.into();
    fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
    Ok(path)
}

/// Held while tools are installed or the edge is built in this checkout, so that two commands side
/// by side do each thing once. Given back when dropped, and by the system when we die.
pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// Waits for the lock kept in `path`, saying so when it has to.
pub fn lock(path: &Path) -> Result<Lock> {
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open the lock {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("  waiting for another cargo xtask that holds {}", path.display());
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    Ok(Lock(file))
}

/// The version of `package` that Cargo.lock settles on.
pub fn locked_version(package: &str) -> Result<String> {
    let path = root().join("Cargo.lock");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lock: toml::Table = toml::from_str(&text).context("Cargo.lock is not what cargo writes")?;
    lock.get("package")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .find(|entry| entry.get("name").and_then(toml::Value::as_str) == Some(package))
        .and_then(|entry| entry.get("version")?.as_str())
        .map(str::to_owned)
        .with_context(|| format!("Cargo.lock has no package {package}"))
}

/// A hash over files and folders, their paths included: equal when nothing in them changed.
pub fn fingerprint<'a>(inputs: impl IntoIterator<Item = &'a Path>, extra: &str) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(extra);
    for input in inputs {
        for file in files_under(input)? {
            let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let name = file.strip_prefix(root()).unwrap_or(&file);
            hash.update(name.as_os_str().as_encoded_bytes());
            hash.update([0]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(&bytes);
        }
    }
    Ok(hex::encode(hash.finalize()))
}

/// All files under a path, in a steady order; the path itself when it is a file.
pub fn files_under(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        files.extend(files_under(&path)?);
    }
    Ok(files)
}

/// A file that says for which inputs something was made last.
pub struct Stamp {
    path: PathBuf,
    wanted: String,
}

impl Stamp {
    /// A stamp kept in `path` for inputs with this fingerprint.
    pub fn new(path: impl Into<PathBuf>, wanted: String) -> Self {
        Self { path: path.into(), wanted }
    }

    /// Whether what was made last was made for these inputs.
    pub fn holds(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|found| found == self.wanted)
    }

    /// Forgets it, before the making starts: a half-made thing has no stamp.
    pub fn clear(&self) {
        // A stamp that was never there is as good as gone.
        let _ = fs::remove_file(&self.path);
    }

    /// Notes that the making is done.
    pub fn set(&self) -> Result<()> {
        fs::write(&self.path, &self.wanted).with_context(|| format!("cannot write {}", self.path.display()))
    }
}
