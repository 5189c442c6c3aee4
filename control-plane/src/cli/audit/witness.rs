//! Checkpoints from outside: from files, and from edges that have seen them in heads.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Url};
use serde::Deserialize;

use super::super::CliError;
use super::AuditError;
use crate::http_client;
use crate::verify::{Trust, Witness, notes};

/// How long an edge may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const MOST_BYTES: usize = 256 * 1024;

/// What is needed of an edge's status.
#[derive(Deserialize)]
struct Status {
    audit_checkpoint: Option<String>,
}

/// The checkpoints of all these files and edges. One that is not believed is no witness.
pub(super) async fn gather(files: &[PathBuf], edges: &[Url], trust: &Trust) -> Result<Vec<Witness>, CliError> {
    let mut witnesses = Vec::new();
    for path in files {
        let text = std::fs::read(path).map_err(|source| CliError::Io { path: path.clone(), source })?;
        add(&mut witnesses, &path.display().to_string(), &unwrapped(&text), trust)?;
    }
    if !edges.is_empty() {
        let client = http_client::builder().timeout(LIMIT).build().map_err(CliError::Client)?;
        for url in edges {
            let note = ask(&client, url).await?;
            add(&mut witnesses, url.as_str(), &note.unwrap_or_default(), trust)?;
        }
    }
    Ok(witnesses)
}

/// Notes as they stand in a file, also where it holds the header that came with an export.
fn unwrapped(file: &[u8]) -> String {
    let decoded = STANDARD.decode(file.trim_ascii()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| String::from_utf8_lossy(file).into_owned())
}

fn add(witnesses: &mut Vec<Witness>, from: &str, text: &str, trust: &Trust) -> Result<(), AuditError> {
    let notes = notes(text);
    if notes.is_empty() {
        return Err(AuditError::NoCheckpoint { from: from.to_owned() });
    }
    for note in notes {
        let from = from.to_owned();
        match trust.open(&note) {
            Ok(checkpoint) => witnesses.push(Witness { from, checkpoint }),
            Err(source) => return Err(AuditError::Witness { from, source }),
        }
    }
    Ok(())
}

async fn ask(client: &Client, edge: &Url) -> Result<Option<String>, AuditError> {
    let status = format!("{}/.keyward/status", edge.as_str().trim_end_matches('/'));
    let failed = |source: reqwest::Error| AuditError::Edge { url: edge.clone(), source: source.without_url() };
    let answer = client.get(status).send().await.and_then(reqwest::Response::error_for_status);
    let mut answer = answer.map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MOST_BYTES {
            break;
        }
    }
    let status: Option<Status> = serde_json::from_slice(&bytes).ok();
    status.map(|status| status.audit_checkpoint).ok_or_else(|| AuditError::NoCheckpoint { from: edge.to_string() })
}
