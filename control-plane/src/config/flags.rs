//! The settings as clap arguments, so that each subcommand shows those it uses.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::error::ConfigError;
use super::layers::{Environment, Layers};
use super::table::{self, SecretSetting, Setting};

/// The settings that one subcommand takes.
pub trait Scope {
    /// Plain settings.
    const SETTINGS: &'static [&'static Setting];
    /// Secrets.
    const SECRETS: &'static [&'static SecretSetting];
}

/// What a command needs that only opens the database.
#[derive(Debug, Clone)]
pub struct DatabaseScope;

impl Scope for DatabaseScope {
    const SETTINGS: &'static [&'static Setting] =
        &[&table::DATA_DIR, &table::DATABASE, &table::DEPLOYMENT, &table::LOG];
    const SECRETS: &'static [&'static SecretSetting] = &[&table::PEPPER, &table::KEK, &table::KEK_OLDER];
}

/// What `init` needs.
#[derive(Debug, Clone)]
pub struct InitScope;

impl Scope for InitScope {
    const SETTINGS: &'static [&'static Setting] =
        &[&table::DATA_DIR, &table::DATABASE, &table::DEPLOYMENT, &table::LOG];
    const SECRETS: &'static [&'static SecretSetting] = &[&table::PEPPER, &table::KEK, &table::KEK_OLDER];
}

/// What `snapshot inspect` needs.
#[derive(Debug, Clone)]
pub struct InspectScope;

impl Scope for InspectScope {
    const SETTINGS: &'static [&'static Setting] = &[&table::DATA_DIR, &table::DEPLOYMENT, &table::LOG];
    const SECRETS: &'static [&'static SecretSetting] = &[&table::SIGNING_KEY, &table::EDGE_CREDENTIAL];
}

/// What `audit verify` needs.
#[derive(Debug, Clone)]
pub struct VerifyScope;

impl Scope for VerifyScope {
    const SETTINGS: &'static [&'static Setting] = &[&table::DATA_DIR, &table::DEPLOYMENT, &table::LOG];
    const SECRETS: &'static [&'static SecretSetting] = &[&table::SIGNING_KEY];
}

/// What `audit prune` needs.
#[derive(Debug, Clone)]
pub struct PruneScope;

impl Scope for PruneScope {
    const SETTINGS: &'static [&'static Setting] = DatabaseScope::SETTINGS;
    const SECRETS: &'static [&'static SecretSetting] =
        &[&table::PEPPER, &table::SIGNING_KEY, &table::KEK, &table::KEK_OLDER];
}

/// What `raise-epoch` needs.
#[derive(Debug, Clone)]
pub struct RaiseEpochScope;

impl Scope for RaiseEpochScope {
    const SETTINGS: &'static [&'static Setting] =
        &[&table::DATA_DIR, &table::DATABASE, &table::DEPLOYMENT, &table::KV_URL, &table::HEAD_TTL, &table::LOG];
    const SECRETS: &'static [&'static SecretSetting] =
        &[&table::PEPPER, &table::SIGNING_KEY, &table::KEK, &table::KEK_OLDER, &table::KV_TOKEN];
}

/// Everything, for `serve`.
#[derive(Debug, Clone)]
pub struct ServeScope;

impl Scope for ServeScope {
    const SETTINGS: &'static [&'static Setting] = table::SETTINGS;
    const SECRETS: &'static [&'static SecretSetting] = table::SECRETS;
}

/// The flags of a scope that the command line gave, to be completed from the other places.
#[derive(Debug, Clone)]
pub struct Flags<S> {
    values: BTreeMap<String, String>,
    scope: PhantomData<S>,
}

impl<S: Scope> Flags<S> {
    /// Joins the flags with the environment and the TOML file.
    pub fn layers(self, environment: Environment<'_>) -> Result<Layers<'_>, ConfigError> {
        Layers::new(self.values, environment)
    }

    fn arguments() -> Vec<Arg> {
        let settings = std::iter::once(&table::CONFIG)
            .chain(S::SETTINGS.iter().copied())
            .map(|setting| argument(setting.name, setting.placeholder, setting.help, setting.default));
        let secrets = S::SECRETS.iter().map(|secret| {
            argument(
                &table::file_of(secret.name),
                "FILE",
                &format!(
                    "File of a secret; {} may hold the secret itself. {}",
                    table::variable_of(secret.name),
                    secret.help
                ),
                &format!("DATA_DIR/secrets/{}", secret.file),
            )
        });
        settings.chain(secrets).collect()
    }
}

fn argument(name: &str, placeholder: &'static str, help: &str, default: &str) -> Arg {
    let variable = table::variable_of(name);
    let default = match default {
        "" => String::new(),
        some => format!(", default: {some}"),
    };
    Arg::new(name.to_owned())
        .long(table::flag_of(name))
        .value_name(placeholder)
        .value_parser(ValueParser::string())
        .help_heading("Settings")
        .help(format!("{help} [env: {variable}{default}]"))
}

impl<S: Scope> Args for Flags<S> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::arguments())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: Scope> FromArgMatches for Flags<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = Self::arguments()
            .iter()
            .filter_map(|argument| {
                let name = argument.get_id().as_str();
                let value = matches.get_one::<String>(name)?;
                Some((name.to_owned(), value.clone()))
            })
            .collect();
        Ok(Self { values, scope: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
