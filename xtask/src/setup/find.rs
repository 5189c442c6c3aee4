//! Looks programs up on the path, and puts folders before it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The first program of this name on the path.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Puts a folder before whatever the command's path is.
pub(super) fn first_on_path<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    let path = command
        .get_envs()
        .find(|(name, _)| *name == "PATH")
        .and_then(|(_, value)| value.map(OsString::from))
        .or_else(|| env::var_os("PATH"))
        .unwrap_or_default();
    let mut joined = OsString::from(folder);
    if !path.is_empty() {
        joined.push(":");
        joined.push(path);
    }
    command.env("PATH", joined)
}

/// What a command prints, trimmed, when it ends well.
pub(super) fn answer(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
