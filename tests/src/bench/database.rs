//! Databases with as many keys as a benchmark needs, filled directly and kept between runs.
//!
//! Secrets and schema are made by the product's own commands; only the rows are written here. Every
//! key is one that the product accepts: in its format, with the fingerprint that the data folder's own
//! pepper gives. The sealed digests are filler of the right length, which nothing measured here opens.
//! All of it but the data folder's secrets follows from a number, so that a key can be named without
//! being looked up. Must never know what is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::{Digest, Pepper};
use keyward_shared::id::{KeyId, WorkspaceId};
use sha2::{Digest as _, Sha256};
use xtask::parts::control_plane::ControlPlane;
use xtask::parts::ports;
use xtask::workspace::{self, Stamp};

mod fill;
mod import;

/// Raised when other rows are written for the same number of keys.
const VERSION: &str = "1";
/// Keys of a workspace, the crowded one apart.
const KEYS_OF_WORKSPACE: u64 = 10;
/// Times of creation count from here: 2026-01-01T00:00:00Z, in milliseconds.
const FIRST_MS: u64 = 1_767_225_600_000;

/// What a database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Population {
    /// Keys in workspaces of ten.
    pub(super) keys: u64,
    /// Further keys, all in one more workspace.
    pub(super) crowd: u64,
}

impl Population {
    /// So many keys in workspaces of ten.
    pub(super) const fn of(keys: u64) -> Self {
        Self { keys, crowd: 0 }
    }

    /// How many keys there are.
    pub(super) const fn total(self) -> u64 {
        self.keys + self.crowd
    }

    /// How many workspaces there are; the last is the crowded one, where there is one.
    const fn workspaces(self) -> u64 {
        self.small_workspaces() + (self.crowd > 0) as u64
    }

    const fn small_workspaces(self) -> u64 {
        self.keys.div_ceil(KEYS_OF_WORKSPACE)
    }
}

/// A filled database that nobody serves: the original of copies.
pub(super) struct Filled {
    folder: PathBuf,
    /// What it holds.
    pub(super) population: Population,
    key_ids: Vec<u64>,
    workspace_ids: Vec<u64>,
}

/// A database for one run, gone when it is dropped.
pub(super) struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    /// The data folder.
    pub(super) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A file beside it that goes with it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Filled {
    /// The database with this population, filled unless it was kept.
    pub(super) fn with(program: &Path, population: Population) -> Result<Self> {
        let migrations = workspace::root().join("control-plane/migrations");
        let made_of = workspace::fingerprint([migrations.as_path()], VERSION)?;
        let name = format!("{}+{}-{}", population.keys, population.crowd, &made_of[..12]);
        let folder = workspace::target().join("bench/databases").join(name);
        let filled = Self {
            population,
            key_ids: ids(b"key", population.total()),
            workspace_ids: ids(b"workspace", population.workspaces()),
            folder,
        };
        let stamp = Stamp::new(filled.folder.join("filled"), made_of);
        if !stamp.holds() {
            if filled.folder.exists() {
                fs::remove_dir_all(&filled.folder)?;
            }
            workspace::folder(&filled.folder)?;
            filled.make(program)?;
            stamp.set()?;
        }
        Ok(filled)
    }

    /// A copy that may be changed.
    pub(super) fn copy(&self) -> Result<Copy> {
        let parent = workspace::folder(workspace::target().join("bench/running"))?;
        let folder = tempfile::Builder::new().prefix("database-").tempdir_in(parent)?;
        let copy = Copy { folder };
        for file in workspace::files_under(&self.data_dir())? {
            let to = copy.data_dir().join(file.strip_prefix(self.data_dir())?);
            if let Some(parent) = to.parent() {
                workspace::folder(parent)?;
            }
            fs::copy(&file, &to).with_context(|| format!("cannot copy to {}", to.display()))?;
        }
        Ok(copy)
    }

    /// Imports so many further keys into a copy that is being served, in all workspaces: rows as an
    /// import writes them, a thousand keys in a transaction. Their numbers follow on those that were filled in.
    pub(super) fn import(&self, copy: &Copy, keys: u64) -> Result<()> {
        let pepper = pepper(&copy.data_dir())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(import::import(&copy.data_dir().join("keyward.db"), self, &pepper, keys))
    }

    /// A key's path in the REST API.
    pub(super) fn key_path(&self, number: u64) -> String {
        let workspace = self.workspace_path(self.workspace_of(number));
        format!("{workspace}/keys/{}", KeyId::from_u64(at(&self.key_ids, number)))
    }

    /// A workspace's path in the REST API.
    pub(super) fn workspace_path(&self, workspace: u64) -> String {
        format!("/v1/workspaces/{}", WorkspaceId::from_u64(at(&self.workspace_ids, workspace)))
    }

    /// The crowded workspace's path in the REST API.
    pub(super) fn crowd_path(&self) -> String {
        self.workspace_path(self.population.workspaces() - 1)
    }

    /// The fingerprint of a key.
    pub(super) fn fingerprint(&self, number: u64) -> Result<[u8; 16]> {
        Ok(fingerprint(&pepper(&self.data_dir())?, number)?.1)
    }

    /// How many workspaces there are.
    pub(super) const fn workspaces(&self) -> u64 {
        self.population.workspaces()
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn make(&self, program: &Path) -> Result<()> {
        let began = Instant::now();
        eprintln!("Filling a database with {} keys; it is kept for the next run", self.population.total());
        let control_plane = ControlPlane {
            program: program.to_owned(),
            data_dir: self.data_dir(),
            listen: ports::free()?,
            database: None,
            kv_url: None,
            settings: Vec::new(),
        };
        control_plane.init()?;
        let migrated = control_plane.command("migrate").output()?;
        ensure!(migrated.status.success(), "`keyward migrate` failed: {}", String::from_utf8_lossy(&migrated.stderr));
        let pepper = pepper(&self.data_dir())?;
        let file = self.data_dir().join("keyward.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(fill::fill(&file, self, &pepper))?;
        eprintln!("Filled in {:.0} s", began.elapsed().as_secs_f64());
        Ok(())
    }

    /// The workspace of a key, by numbers: neighbouring keys are of different workspaces.
    const fn workspace_of(&self, key: u64) -> u64 {
        let Population { keys, crowd: _ } = self.population;
        let small = self.population.small_workspaces();
        if key < keys { key % small } else { small }
    }

    /// The key whose secret was made as the nth: in another order than that of the keys' ids.
    const fn nth_made(&self, nth: u64) -> u64 {
        scattered(nth, self.population.total())
    }

    /// When a key was made, in milliseconds: no two at the same time.
    const fn made_at_ms(&self, key: u64) -> u64 {
        FIRST_MS + scattered(key, self.population.total())
    }
}

/// The key with this number: the same in every database.
pub(super) fn key(number: u64) -> Result<ApiKey> {
    let mut random = [0; 64];
    let (first, second) = random.split_at_mut(32);
    first.copy_from_slice(&drawn(b"key's secret, first half", number));
    second.copy_from_slice(&drawn(b"key's secret, second half", number));
    ApiKey::generate("kw", &random).context("too few digits were drawn")
}

fn pepper(data_dir: &Path) -> Result<Pepper> {
    let pepper = fs::read_to_string(data_dir.join("secrets/pepper"))?;
    let pepper = BASE64_URL_SAFE_NO_PAD.decode(pepper.trim()).context("the pepper is not base64url")?;
    Ok(Pepper::new(pepper.try_into().ok().context("the pepper is not of 32 bytes")?))
}

fn fingerprint(pepper: &Pepper, number: u64) -> Result<(ApiKey, [u8; 16])> {
    let key = key(number)?;
    let fingerprint = *pepper.fingerprint(&Digest::of(&key)).as_bytes();
    Ok((key, fingerprint))
}

/// Where a number goes when all below `count` change places: a prime far above every count has no
/// factor in common with it.
const fn scattered(number: u64, count: u64) -> u64 {
    const PRIME: u64 = 2_147_483_647;
    number * (PRIME % count) % count
}

/// So many identifiers in the order in which the database keeps them.
fn ids(what: &[u8], count: u64) -> Vec<u64> {
    let mut ids: Vec<i64> = (0..count)
        .map(|number| {
            let drawn = drawn(what, number);
            let (eight, _) = drawn.as_chunks::<8>();
            eight.first().copied().map_or(0, i64::from_be_bytes)
        })
        .collect();
    ids.sort_unstable();
    ids.into_iter().map(i64::cast_unsigned).collect()
}

fn drawn(what: &[u8], number: u64) -> [u8; 32] {
    Sha256::new().chain_update(what).chain_update(number.to_be_bytes()).finalize().into()
}

fn at(ids: &[u64], number: u64) -> u64 {
    usize::try_from(number).ok().and_then(|number| ids.get(number).copied()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn scattering_loses_nothing() {
        for count in [1, 10, 1_000, 1_001] {
            let all: BTreeSet<_> = (0..count).map(|number| scattered(number, count)).collect();
            assert_eq!(all.len() as u64, count);
        }
    }

    #[test]
    fn keys_are_of_the_products_format_and_no_two_alike() -> Result<()> {
        let (one, other) = (key(1)?, key(2)?);
        assert_ne!(one.expose(), other.expose());
        assert!(keyward_shared::api_key::verify_check_digits(one.expose().as_bytes(), "kw").is_ok());
        Ok(())
    }
}
