//! `keyward snapshot`: what is published, in words.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_shared::snapshot::{
    DecodeError, Head, MAX_HEAD_BYTES, PublicKey, RecentEntry, SigningKey, Tree, TrustedKeys,
};
use reqwest::{StatusCode, Url};

use super::{CliError, environment, logging};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Flags, InspectScope, Layers};
use crate::domain::time::UnixMillis;
use crate::http_client;

#[derive(Debug, Clone, clap::Subcommand)]
pub(super) enum SnapshotCommand {
    Inspect(Inspect),
}

/// Verify a signed head and show what it says
///
/// Reads the head from a file, or from the http lane of a control plane, verifies its
/// signature as an edge does, and prints its generations, times, tree and latest changes, or the
/// checkpoint of the audit log that it carries, which `audit verify --checkpoint` takes.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Inspect {
    /// File that holds a head, as KV holds it under `head`
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    head: Option<PathBuf>,
    /// URL of a head
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/v1/snapshot/head")]
    url: Url,
    /// Public key to trust, base64url; that of the data directory's signing key when absent
    #[arg(long, value_name = "KEY")]
    public_key: Vec<String>,
    /// Print the checkpoint of the audit log that it carries, and nothing else
    #[arg(long)]
    checkpoint: bool,
    #[command(flatten)]
    flags: Flags<InspectScope>,
}

/// Why a head cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The address did not answer.
    #[error("{url} did not answer: {source}")]
    Unreachable {
        /// The address.
        url: Url,
        /// What the client said.
        source: reqwest::Error,
    },
    /// The address answered something else.
    #[error("{url} answered {status}{hint}")]
    Refused {
        /// The address.
        url: Url,
        /// The status.
        status: StatusCode,
        /// What may be the reason.
        hint: &'static str,
    },
    /// More bytes than a head may have.
    #[error("longer than {MAX_HEAD_BYTES} bytes, which no head is")]
    TooLong,
    /// The public keys cannot be trusted.
    #[error("--public-key takes one to four Ed25519 public keys as base64url")]
    PublicKeys,
    /// No edge would take it.
    #[error("an edge of the deployment `{deployment}` would refuse this head: {source}")]
    Decode {
        /// The deployment it was verified for.
        deployment: String,
        /// What is wrong.
        source: DecodeError,
    },
    /// No checkpoint is in it.
    #[error("this head carries no checkpoint of the audit log; none was signed yet when it was made")]
    NoCheckpoint,
}

impl SnapshotCommand {
    pub(super) async fn run(self) -> Result<ExitCode, CliError> {
        match self {
            Self::Inspect(command) => command.run().await,
        }
    }
}

impl Inspect {
    async fn run(self) -> Result<ExitCode, CliError> {
        let layers = self.flags.clone().layers(&environment)?;
        logging::start(&layers.log()?);
        let deployment = layers.deployment()?;
        let trusted = self.trusted(&layers)?;
        let bytes = match &self.head {
            Some(path) => std::fs::read(path).map_err(|source| CliError::Io { path: path.clone(), source })?,
            None => self.fetch(&layers).await?,
        };
        let head = Head::verify(&bytes, &deployment, &trusted)
            .map_err(|source| InspectError::Decode { deployment, source })?;
        if self.checkpoint {
            let note = std::str::from_utf8(&head.checkpoint).ok().filter(|note| !note.is_empty());
            print!("{}", note.ok_or(InspectError::NoCheckpoint)?);
        } else {
            print!("{}", describe(&head, bytes.len(), SystemClock.now()));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn trusted(&self, layers: &Layers<'_>) -> Result<TrustedKeys, CliError> {
        let keys = if self.public_key.is_empty() {
            vec![SigningKey::from_seed(layers.signing_key()?.expose()).public()]
        } else {
            self.public_key
                .iter()
                .map(|text| {
                    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
                    PublicKey::from_bytes(&bytes.try_into().ok()?)
                })
                .collect::<Option<_>>()
                .ok_or(InspectError::PublicKeys)?
        };
        Ok(TrustedKeys::new(keys).ok_or(InspectError::PublicKeys)?)
    }

    async fn fetch(&self, layers: &Layers<'_>) -> Result<Vec<u8>, CliError> {
        let url = &self.url;
        let client = http_client::builder().timeout(Duration::from_secs(10)).build().map_err(CliError::Client)?;
        let unreachable =
            |source: reqwest::Error| InspectError::Unreachable { url: url.clone(), source: source.without_url() };
        let mut answer = client
            .get(url.clone())
            .bearer_auth(layers.edge_credential()?.expose())
            .send()
            .await
            .map_err(unreachable)?;
        let status = answer.status();
        if !status.is_success() {
            let hint = match status {
                StatusCode::NOT_FOUND => "; nothing is published yet, or nothing is there",
                StatusCode::UNAUTHORIZED => "; the edge credential is another deployment's",
                _ => "",
            };
            return Err(InspectError::Refused { url: url.clone(), status, hint }.into());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_HEAD_BYTES {
                return Err(InspectError::TooLong.into());
            }
        }
        Ok(bytes)
    }
}

fn describe(head: &Head, bytes: usize, now: UnixMillis) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn fmt::Display| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name:<18}{value}");
    };
    line("bytes", &bytes);
    line("epoch", &head.epoch);
    line("generation", &head.generation);
    line("tree generation", &head.tree_generation);
    line("recent since", &head.recent_since);
    line("narrowed since", &head.narrowed_since);
    line("narrowed through", &head.narrowed_through);
    line("issued at", &when(head.issued_at));
    let state =
        if i64::try_from(head.expires_at).is_ok_and(|at| now.as_millis() < at) { "good until then" } else { "expired" };
    line("expires at", &format_args!("{}, {state}", when(head.expires_at)));
    line("settings", &head.settings);
    line("tree", &tree(&head.tree));
    match &head.next {
        Some(next) => line("next tree", &tree(next)),
        None => line("next tree", &"none"),
    }
    line("audit checkpoint", &format_args!("{} bytes", head.checkpoint.len()));
    line("ack wanted", &head.ack_wanted);
    line("recent", &format_args!("{} entries", head.recent.len()));
    for entry in &head.recent {
        let _ = writeln!(text, "  {}", change(entry));
    }
    text
}

fn tree(tree: &Tree) -> String {
    let objects = tree.top.len();
    let depth = tree.shape.depth();
    format!("depth {depth}, {objects} objects at the top, pepper {}", tree.pepper)
}

fn change(entry: &RecentEntry) -> String {
    let fingerprint = hex::encode(entry.fingerprint.as_bytes());
    let generation = entry.generation;
    let Some((record, policy)) = &entry.state else {
        return format!("{fingerprint}  generation {generation}  gone");
    };
    let mut text = format!("{fingerprint}  generation {generation}  {} of {}", record.key, policy.workspace);
    if let Some(seconds) = record.deadline.seconds() {
        let _ = write!(text, ", until {}", when(u64::from(seconds) * 1000));
    }
    for (is_set, word) in
        [(record.disabled, "disabled"), (record.paused, "paused"), (record.suspended, "workspace suspended")]
    {
        if is_set {
            text.push_str(", ");
            text.push_str(word);
        }
    }
    text
}

fn when(millis: u64) -> String {
    match i64::try_from(millis) {
        Ok(millis) if millis < 253_402_300_800_000 => UnixMillis::from_millis(millis).to_string(),
        _ => format!("{millis} ms since the Unix epoch"),
    }
}
