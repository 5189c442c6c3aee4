//! The commands of the `keyward` program.
//!
//! This is where the parts are wired: the one place beside `store/` that names a database.
//! Standard output holds what was asked for, standard error everything else, and neither a
//! secret, but for the one token that `token create` prints once.

mod audit;
mod database;
mod doctor;
mod error;
mod import;
mod init;
mod lock;
mod logging;
mod migrate;
mod publisher;
mod raise_epoch;
mod serve;
mod snapshot;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::CliError;

/// Verifies API keys at the CDN edge; this program is the control plane that owns them.
///
/// `init` makes the secrets of a new deployment, `serve` runs it, `doctor` shows that a key
/// works at the edge and stops working when it is disabled.
#[derive(Parser)]
#[command(name = "keyward", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Init),
    Serve(serve::Serve),
    /// Manage operators' tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    Doctor(doctor::Doctor),
    Import(import::Import),
    /// Look at what is published
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Verify and prune the audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    Migrate(migrate::Migrate),
    RaiseEpoch(raise_epoch::RaiseEpoch),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("keyward: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)?;
    runtime.block_on(async {
        match cli.command {
            Command::Init(command) => command.run().await,
            Command::Serve(command) => command.run().await,
            Command::Token(command) => command.run().await,
            Command::Doctor(command) => command.run().await,
            Command::Import(command) => command.run().await,
            Command::Snapshot(command) => command.run().await,
            Command::Audit(command) => command.run().await,
            Command::Migrate(command) => command.run().await,
            Command::RaiseEpoch(command) => command.run().await,
        }
    })
}

/// Reads a variable of the process's environment.
fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does() {
        fn check(command: &clap::Command) {
            for command in command.get_subcommands() {
                assert!(command.get_about().is_some(), "{}", command.get_name());
                check(command);
            }
        }
        check(&Cli::command());
    }
}
