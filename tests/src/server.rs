//! The control plane of a stack or a fleet: started, killed and stopped as a test has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use xtask::parts::Part;
use xtask::parts::control_plane::ControlPlane;
use xtask::parts::http::Client;

use crate::stack::{Admin, Secrets};

/// A control plane, which runs or does not. Dropping it ends it.
pub(crate) struct Server {
    part: Mutex<Option<Part>>,
    as_run: ControlPlane,
    log: PathBuf,
    /// All that the API has shown.
    secrets: Secrets,
}

impl Server {
    /// One that does not run yet; all that it says goes to `log`, over its restarts.
    pub(crate) fn new(as_run: ControlPlane, log: PathBuf) -> Self {
        Self { part: Mutex::default(), as_run, log, secrets: Secrets::default() }
    }

    pub(crate) const fn as_run(&self) -> &ControlPlane {
        &self.as_run
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The REST API with the operator's token.
    pub(crate) fn admin(&self) -> Result<Admin> {
        let path = self.as_run.secret("operator-token");
        let token = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self.admin_with(token.trim()))
    }

    /// The REST API with another token, an operator's or a member's.
    pub(crate) fn admin_with(&self, token: &str) -> Admin {
        Admin::new(Client::new(&self.as_run.url(), Some(token.to_owned())), Arc::clone(&self.secrets))
    }

    /// Starts it, and waits until this path answers 200.
    pub(crate) fn start_until(&self, path: &str) -> Result<()> {
        self.start_as(&self.as_run, path)
    }

    /// The same, run in another way.
    pub(crate) fn start_as(&self, control_plane: &ControlPlane, path: &str) -> Result<()> {
        let mut part = self.part();
        ensure!(part.is_none(), "the control plane runs already");
        *part = Some(control_plane.start_until(&self.log, path)?);
        Ok(())
    }

    /// Ends it as a crash would (SIGKILL).
    pub(crate) fn kill(&self) -> Result<()> {
        let part = self.part().take();
        part.context("the control plane does not run")?.process().kill()?;
        Ok(())
    }

    /// Stops it as an operator would (SIGTERM); it must end well.
    pub(crate) fn stop(&self) -> Result<()> {
        let part = self.part().take();
        let status = part.context("the control plane does not run")?.process().stop()?;
        ensure!(status.success(), "the control plane was asked to stop and ended with {status}");
        Ok(())
    }

    /// Asks it to stop (SIGTERM) without waiting for it; `stop` waits.
    pub(crate) fn begin_to_stop(&self) -> Result<()> {
        self.part().as_mut().context("the control plane does not run")?.process().begin_stop();
        Ok(())
    }

    fn part(&self) -> MutexGuard<'_, Option<Part>> {
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
