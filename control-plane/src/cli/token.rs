//! `keyward token`: operators' tokens, made by whoever has the machine.

use std::process::ExitCode;

use keyward_shared::id::TokenId;

use super::{CliError, database, environment, logging};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{DatabaseScope, Flags};
use crate::lifecycle::{CreateToken, Lifecycle, RevokeToken};

#[derive(Debug, Clone, clap::Subcommand)]
pub(super) enum TokenCommand {
    Create(Create),
    Revoke(Revoke),
}

/// Make an operator's token and print it, once
///
/// The token may do everything in the deployment. It is printed on standard output and
/// nowhere kept: the database has its hash only.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Create {
    /// What the audit log is to call its holder
    #[arg(long, value_name = "NAME")]
    name: String,
    /// How long it is valid: a number and s, m, h or d, such as 90d; for ever when absent
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
    #[command(flatten)]
    flags: Flags<DatabaseScope>,
}

impl TokenCommand {
    pub(super) async fn run(self) -> Result<ExitCode, CliError> {
        match self {
            Self::Create(command) => command.run().await,
            Self::Revoke(command) => command.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> Result<ExitCode, CliError> {
        let now = SystemClock.now();
        let expires_at = match &self.expires_in {
            Some(text) => Some(now.plus_seconds(seconds(text)?)),
            None => None,
        };
        let layers = self.flags.layers(&environment)?;
        logging::start(&layers.log()?);
        let vault = database::vault(&layers)?;
        let lifecycle = Lifecycle::new(database::open_beside(&layers).await?, vault);
        let context = database::context("token create", now)?;
        let verb = CreateToken { name: self.name, expires_at };
        let (created, _) = lifecycle.execute(&context, verb).await?;
        println!("{}", *created.text);
        match expires_at {
            Some(at) => eprintln!("{} is valid until {at}; it is not shown again", created.token.id),
            None => eprintln!("{} is valid for ever; it is not shown again", created.token.id),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Revoke a token: from the next call on it opens nothing
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Revoke {
    /// The token's id, tok_…, as `token create` said it
    #[arg(value_name = "ID")]
    id: TokenId,
    #[command(flatten)]
    flags: Flags<DatabaseScope>,
}

impl Revoke {
    async fn run(self) -> Result<ExitCode, CliError> {
        let layers = self.flags.layers(&environment)?;
        logging::start(&layers.log()?);
        let lifecycle = Lifecycle::new(database::open_beside(&layers).await?, database::vault(&layers)?);
        let context = database::context("token revoke", SystemClock.now())?;
        lifecycle.execute(&context, RevokeToken { token: self.id }).await?;
        eprintln!("{} is revoked", self.id);
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads `90d`, `12h`, `30m`, `45s`: at least a second, at most ten years.
fn seconds(text: &str) -> Result<u32, CliError> {
    const TEN_YEARS: u32 = 10 * 366 * 86_400;
    let refuse = || CliError::Flag {
        flag: "expires-in",
        value: text.to_owned(),
        wanted: "a number and s, m, h or d, such as 90d, at most ten years",
    };
    let (number, unit) = text.char_indices().next_back().map(|(at, _)| text.split_at(at)).ok_or_else(refuse)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(refuse()),
    };
    number
        .parse::<u32>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|seconds| (1..=TEN_YEARS).contains(seconds))
        .ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, wanted) in [("45s", 45), ("30m", 1_800), ("12h", 43_200), ("90d", 7_776_000)] {
            assert_eq!(seconds(text).unwrap(), wanted);
        }
        for wrong in ["", "d", "0d", "90", "-1d", "1.5h", "90 d", "99999999d", "1é"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
