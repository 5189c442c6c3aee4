//! Where the publisher is wired to the configuration.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::CliError;
use crate::config::{KvTarget, Layers};
use crate::entropy::{self, SystemEntropy};
use crate::publish::{KvApi, KvClient, KvError, PublishOptions, TARGET_RECORDS};
use crate::secrets::SecretText;

/// How long edges have to warm a tree: they hear of it from KV within a minute or so, over http at once.
const KV_WARM_UP: Duration = Duration::from_secs(150);
const HTTP_WARM_UP: Duration = Duration::from_secs(20);
/// How often objects are collected that no usable head names.
const COLLECT_EVERY: Duration = Duration::from_mins(10);

/// How the publisher is set up.
pub(super) fn options(layers: &Layers<'_>) -> Result<PublishOptions, CliError> {
    let cadence = layers.cadence()?;
    let kv = layers.kv()?;
    let warm_up = if kv.is_some() { KV_WARM_UP } else { HTTP_WARM_UP };
    if kv.is_none() {
        tracing::info!("no kv_url: edges read over http only");
    }
    Ok(PublishOptions {
        deployment: layers.deployment()?,
        signing_seed: Zeroizing::new(*layers.signing_key()?.expose()),
        pepper: super::database::pepper(layers)?.id(),
        kv: kv.as_ref().map(namespace).transpose()?,
        head_ttl: cadence.head_ttl,
        heartbeat: cadence.heartbeat,
        kv_min_interval: cadence.kv_min_interval,
        checkpoint_every: cadence.checkpoint_every,
        warm_up: cadence.warm_up.unwrap_or(warm_up),
        leaf_records: TARGET_RECORDS,
        collect_every: COLLECT_EVERY,
        holder: holder()?,
    })
}

/// A client for the namespace.
pub(super) fn namespace(kv: &KvTarget) -> Result<Arc<dyn KvApi>, KvError> {
    let token = kv.token.as_ref().map(SecretText::expose);
    Ok(Arc::new(KvClient::new(kv.url.as_ref(), token.map(|token| Zeroizing::new(token.to_owned())))?))
}

/// Names this process in the lease: no two have one name, also over restarts.
fn holder() -> Result<String, CliError> {
    let bytes = entropy::draw::<8>(&SystemEntropy)?;
    Ok(format!("{}-{}", std::process::id(), hex::encode(*bytes)))
}
