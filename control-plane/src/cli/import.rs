//! `keyward import`: brings a file of keys over the REST API, part by part.
//!
//! It uses nothing but the public API, so that the control plane which serves publishes what is brought
//! at once. A part that broke off is sent again: what is there already is unchanged. It never prints a
//! secret.

mod parts;

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use super::CliError;
use crate::http_client;
use crate::secrets::{self, SecretText};
use parts::{Part, Parts};

/// Bring keys from a file, a line each
///
/// Each line is a JSON object: `external_id`, `workspace`, `name`, `access`, `apis`, and one of
/// `secret` and `sha256`; docs/reference.md has the others. Lines that are refused are told with
/// the reason and leave the others alone. Running it again is safe: what is there already stays as
/// it is. Exits with 0 when no line was refused, with 1 otherwise.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Import {
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Base URL of the control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    control_plane: Url,
    /// File that holds an operator's token
    #[arg(long, value_name = "FILE", default_value = ".keyward/secrets/operator-token")]
    token_file: PathBuf,
    /// Only say what would happen, judging a thousand lines at a time
    #[arg(long)]
    dry_run: bool,
    /// File for the result of every line
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Refused lines that are told of.
const SHOWN: usize = 20;
/// How often a part is sent before it is given up.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_secs(2);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A batch may wait for the writer a few times.
const SILENCE_LIMIT: Duration = Duration::from_mins(1);

/// What stops an import.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("the control plane did not answer: {0}")]
    Unreachable(#[source] reqwest::Error),
    #[error("the control plane answered {status}{words}")]
    Refused { status: StatusCode, words: String },
    #[error("the control plane's answer is not that of an import; is that a Keyward control plane?")]
    Strange,
    #[error("the control plane's answer ended early")]
    Incomplete,
    #[error("the control plane cannot use its database")]
    Unavailable,
    #[error("cannot read the lines: {0}")]
    Read(#[source] io::Error),
    #[error("cannot write the results: {0}")]
    Write(#[source] io::Error),
}

impl Stop {
    /// Whether the same part may do better later.
    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Incomplete | Self::Unavailable => true,
            Self::Refused { status, .. } => status.is_server_error(),
            Self::Strange | Self::Read(_) | Self::Write(_) => false,
        }
    }
}

/// The part of a result line that is looked at.
#[derive(Deserialize)]
struct Told {
    line: u64,
    external_id: Option<String>,
    outcome: String,
    code: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

/// What has become of the lines so far.
#[derive(Default)]
struct Tally {
    created: u64,
    updated: u64,
    unchanged: u64,
    refused: u64,
    short: u64,
    shown: Vec<String>,
}

impl Import {
    pub(super) async fn run(self) -> Result<ExitCode, CliError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CliError::Io { path, source }
        };
        let token = secrets::file::read(&self.token_file).map_err(failed(&self.token_file))?;
        let client = http_client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(SILENCE_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(CliError::Client)?;
        let file = self.open().map_err(failed(&self.file))?;
        let known = file.metadata().map_err(failed(&self.file))?;
        let bar = if known.is_file() { bar(known.len()) } else { ProgressBar::new_spinner() };
        let results = match &self.results {
            Some(path) => Some(io::BufWriter::new(create_beside(path, &known).map_err(failed(path))?)),
            None => None,
        };
        let mut sending = Sending { client, token, url: self.url(), bar, results, tally: Tally::default() };
        let outcome = sending.all(Parts::of(file)).await;
        sending.bar.finish_and_clear();
        sending.tally.print(self.dry_run);
        match outcome {
            Ok(()) if sending.tally.refused == 0 => Ok(ExitCode::SUCCESS),
            Ok(()) => Ok(ExitCode::FAILURE),
            Err(stop) => {
                let advice = if stop.is_passing() { "run it again to go on, " } else { "" };
                eprintln!("keyward: {stop}; {advice}what was brought stays as it is");
                Ok(ExitCode::FAILURE)
            }
        }
    }

    fn open(&self) -> io::Result<File> {
        if self.file == Path::new("-") {
            return io::stdin().as_fd().try_clone_to_owned().map(File::from);
        }
        File::open(&self.file)
    }

    fn url(&self) -> Url {
        let mut url = self.control_plane.clone();
        url.set_path(&format!("{}/v1/keys/import", url.path().trim_end_matches('/')));
        if self.dry_run {
            url.query_pairs_mut().append_pair("dry_run", "true");
        }
        if let Some(reason) = &self.reason {
            url.query_pairs_mut().append_pair("reason", reason);
        }
        url
    }
}

/// Makes or empties a file, unless it is the one that the lines are in.
fn create_beside(path: &Path, lines: &Metadata) -> io::Result<File> {
    if lines.is_file() && fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (lines.dev(), lines.ino()))
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it holds the lines, and the results would replace them",
        ));
    }
    File::create(path)
}

/// A bar that shows how much of the file is done; nothing where nobody looks.
fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}

struct Sending {
    client: Client,
    token: SecretText,
    url: Url,
    bar: ProgressBar,
    results: Option<io::BufWriter<File>>,
    tally: Tally,
}

impl Sending {
    async fn all<R: Read>(&mut self, mut parts: Parts<R>) -> Result<(), Stop> {
        // Whether the token is one that may is said before a line is sent.
        self.part(&Part::default()).await?;
        while let Some(part) = parts.next().map_err(Stop::Read)? {
            self.part(&part).await?;
            if self.bar.is_hidden() {
                eprintln!("{}", self.tally.words());
            }
        }
        match &mut self.results {
            Some(results) => results.flush().map_err(Stop::Write),
            None => Ok(()),
        }
    }

    /// Sends a part until every line of it is answered.
    async fn part(&mut self, part: &Part) -> Result<(), Stop> {
        // What was answered before the connection broke is not counted twice.
        let (mut answered, mut tries) = (0, 1);
        loop {
            match self.once(part, &mut answered).await {
                Err(stop) if stop.is_passing() && tries < TRIES => {
                    self.bar.suspend(|| eprintln!("{stop}; trying again"));
                    tokio::time::sleep(BETWEEN_TRIES).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn once(&mut self, part: &Part, answered: &mut u64) -> Result<(), Stop> {
        let unreachable = |error: reqwest::Error| Stop::Unreachable(error.without_url());
        let request = self.client.post(self.url.clone()).bearer_auth(self.token.expose());
        let request = request.header("content-type", "application/x-ndjson").body(part.body.clone());
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        if status != StatusCode::OK {
            let problem: Value = answer.json().await.unwrap_or_default();
            let of = |member: &str, before: &str| {
                problem[member].as_str().map(|text| format!("{before}{}", printable(text))).unwrap_or_default()
            };
            return Err(Stop::Refused { status, words: format!("{}{}", of("code", " "), of("detail", ": ")) });
        }
        let mut unread = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
            unread.extend_from_slice(&piece);
            let Some(end) = unread.iter().rposition(|byte| *byte == b'\n') else { continue };
            let rest = unread.split_off(end + 1);
            for line in unread.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                self.take(part, line, answered)?;
            }
            unread = rest;
        }
        if *answered >= part.last { Ok(()) } else { Err(Stop::Incomplete) }
    }

    fn take(&mut self, part: &Part, line: &[u8], answered: &mut u64) -> Result<(), Stop> {
        let told: Told = serde_json::from_slice(line).map_err(|_| Stop::Strange)?;
        if told.line <= *answered {
            return Ok(());
        }
        match told.code.as_deref() {
            Some("timeout") => return Err(Stop::Incomplete),
            Some("unavailable") => return Err(Stop::Unavailable),
            _ => *answered = told.line,
        }
        let number = part.lines_before + told.line;
        if let Some(results) = &mut self.results {
            let mut result: Value = serde_json::from_slice(line).map_err(|_| Stop::Strange)?;
            result["line"] = number.into();
            writeln!(results, "{result}").map_err(Stop::Write)?;
        }
        self.tally.count(number, &told)?;
        let end = usize::try_from(told.line).ok().and_then(|line| part.ends.get(line - 1));
        self.bar.set_position(end.copied().unwrap_or_default());
        self.bar.set_message(self.tally.words());
        Ok(())
    }
}

impl Tally {
    fn count(&mut self, number: u64, told: &Told) -> Result<(), Stop> {
        match told.outcome.as_str() {
            "created" => self.created += 1,
            "updated" => self.updated += 1,
            "unchanged" => self.unchanged += 1,
            "refused" => {
                self.refused += 1;
                if self.shown.len() < SHOWN {
                    let text = |text: &Option<String>| printable(text.as_deref().unwrap_or("-"));
                    let [external_id, code, detail] = [&told.external_id, &told.code, &told.detail].map(text);
                    self.shown.push(format!("line {number} ({external_id}): {code}: {detail}"));
                }
            }
            _ => return Err(Stop::Strange),
        }
        if told.warnings.iter().any(|warning| warning == "short_secret") {
            self.short += 1;
        }
        Ok(())
    }

    fn words(&self) -> String {
        let Self { created, updated, unchanged, refused, .. } = self;
        format!("{created} created, {updated} updated, {unchanged} unchanged, {refused} refused")
    }

    fn print(&self, is_dry_run: bool) {
        println!("{}{}", self.words(), if is_dry_run { "; a dry run, nothing was changed" } else { "" });
        for line in &self.shown {
            println!("{line}");
        }
        let more = self.refused - self.shown.len() as u64;
        if more > 0 {
            println!("and {more} more that were refused; --results FILE has them all");
        }
        if self.short > 0 {
            println!("{} secrets are so short that they may be guessed; rotate them soon", self.short);
        }
    }
}

/// A text that came from the file or over the network, fit for a terminal: what would move the cursor, turn
/// the direction of the text or be invisible is escaped.
fn printable(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => told.push(character),
            _ => told.extend(character.escape_debug()),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        assert_eq!(printable("`acme` is \"there\", 'é' too: \\"), "`acme` is \"there\", 'é' too: \\");
        let told = printable("\u{1b}[2J\r\n\u{202e}gnp\u{200b}\u{2066}\u{9b}31m\u{feff}");
        assert!(told.is_ascii() && !told.contains(char::is_control), "{told}");
    }

    #[test]
    fn the_results_never_replace_the_lines() {
        let directory = tempfile::tempdir().unwrap();
        let (lines, alias) = (directory.path().join("lines"), directory.path().join("alias"));
        fs::write(&lines, "{}").unwrap();
        fs::hard_link(&lines, &alias).unwrap();
        let known = fs::metadata(&lines).unwrap();
        for path in [&lines, &alias] {
            assert_eq!(create_beside(path, &known).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(fs::read_to_string(&lines).unwrap(), "{}");
        let results = directory.path().join("results");
        for _ in 0..2 {
            assert!(create_beside(&results, &known).is_ok());
        }
    }
}
