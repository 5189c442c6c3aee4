//! `keyward serve`: the control plane itself.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::lock::Ownership;
use super::{CliError, database, environment, logging, publisher};
use crate::api::sign_ins::SignIns;
use crate::api::{self, ApiState, server};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Flags, ServeScope};
use crate::entropy::SystemEntropy;
use crate::lifecycle::Lifecycle;
use crate::lifecycle::last_signed::LastSigned;
use crate::lifecycle::notary::Notary;
use crate::mail::{self, ExportMail, Mailer};
use crate::publish::Publisher;
use crate::receipts::Receipts;
use crate::store::sqlite::SqliteStore;

/// How often kept answers are looked through for those that are to be forgotten.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// Run the control plane
///
/// Serves the REST API and publishes snapshots, until SIGINT or SIGTERM: then it takes no
/// more connections, finishes what runs for up to 10 seconds, and gives the publisher's
/// lease back. One process owns a data directory at a time.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    flags: Flags<ServeScope>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<ExitCode, CliError> {
        let layers = self.flags.layers(&environment)?;
        logging::start(&layers.log()?);
        // What is wrong with the configuration is said before anything is made or taken.
        let address = layers.listen()?;
        let vault = database::vault(&layers)?;
        let edge_credential = layers.edge_credential()?.hash();
        let lane_token = layers.lane_token()?.map(|token| token.hash());
        let publishing = publisher::options(&layers)?;
        let operator_token = layers.operator_token()?;
        let client_address = layers.client_address()?;
        let data_dir = layers.data_dir()?;
        let quiet_time = layers.quiet_time()?;
        let mailing = layers.mail()?;
        let mailer = mailing.as_ref().map(|mail| Mailer::new(&mail.smtp_url, &mail.from)).transpose()?;

        let ownership = Ownership::take(&layers)?;
        let stop = stop_signal()?;
        let listener = TcpListener::bind(address).await.map_err(|source| CliError::Listen { address, source })?;
        let address = listener.local_addr().unwrap_or(address);
        let store = database::open(&layers, &ownership).await?;
        let notary = Notary::new(Arc::clone(&store) as Arc<_>, &publishing.deployment, &publishing.signing_seed)
            .keeping(LastSigned::of(&publishing.deployment, &data_dir));
        let notary = Arc::new(notary);
        let lifecycle = Lifecycle::new(Arc::clone(&store) as Arc<_>, vault)
            .with_notary(Arc::clone(&notary))
            .with_quiet_time(quiet_time);
        if let Some(token) = operator_token {
            database::ensure_operator_token(&lifecycle, &token, SystemClock.now()).await?;
        }
        let pruning = tokio::spawn(go_on_pruning(Arc::clone(&store)));
        let receipts = Arc::new(Receipts::default());
        let publisher =
            Publisher::new(store, (notary, Arc::clone(&receipts)), Arc::new(SystemClock), publishing).await?.spawn();
        let mailed_dir: Arc<Path> = data_dir.join(mail::EXPORTS_DIR).into();
        let sign_ins = SignIns::default();
        let state = ApiState {
            lifecycle: lifecycle.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            snapshot: publisher.source(),
            receipts: Arc::clone(&receipts),
            edge_credential,
            lane_token,
            client_address,
            spool_dir: data_dir.into(),
            mailed_dir: mailer.is_some().then(|| Arc::clone(&mailed_dir)),
            metrics: Arc::default(),
            sign_ins: sign_ins.clone(),
        };
        let mailing = mailing.zip(mailer).map(|(config, mailer)| {
            tokio::spawn(mail::run(ExportMail {
                lifecycle: lifecycle.clone(),
                mailer,
                clock: Arc::new(SystemClock),
                entropy: Arc::new(SystemEntropy),
                directory: mailed_dir,
                public_url: config.public_url,
                attached_bytes: config.attached_bytes,
            }))
        });
        let counting = tokio::spawn(sign_ins.clone().run(lifecycle.clone(), Arc::new(SystemClock)));
        let forgetting = tokio::spawn(forget(lifecycle.clone()));
        tracing::info!(%address, "serving");
        let stopped = async {
            stopped(stop).await;
            receipts.end();
        };
        if !server::serve(listener, api::router(state), stopped).await {
            tracing::warn!("some requests were still running and are cut off");
        }
        forgetting.abort();
        pruning.abort();
        if let Some(mailing) = mailing {
            mailing.abort();
        }
        counting.abort();
        sign_ins.tell_rest(&lifecycle, SystemClock.now()).await;
        publisher.stop().await;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

/// Turns true at the first SIGINT or SIGTERM.
fn stop_signal() -> Result<watch::Receiver<bool>, CliError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Runtime)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
        sender.send_replace(true);
        // Held open: a closed channel would read as a stop.
        sender.closed().await;
    });
    Ok(receiver)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which only happens when the process ends.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// Drops the events that `audit prune` said were pruned and was cut off before it dropped.
async fn go_on_pruning(store: Arc<SqliteStore>) {
    match store.drop_pruned().await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "dropped events of the audit log that were pruned"),
        Err(error) => tracing::warn!(%error, "cannot drop the events of the audit log that were pruned"),
    }
}

/// Drops what has been kept for as long as it may be.
async fn forget(lifecycle: Lifecycle) {
    let mut ticks = tokio::time::interval(FORGET_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = lifecycle.many_reports() => {}
        }
        match lifecycle.forget_answers(SystemClock.now()).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "forgot the answers of idempotent calls"),
            Err(error) => tracing::warn!(%error, "cannot forget the answers of idempotent calls"),
        }
        match lifecycle.forget_secrets(SystemClock.now()).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "erased secrets whose grace period is over"),
            Err(error) => tracing::warn!(%error, "cannot erase the secrets whose grace period is over"),
        }
        match lifecycle.forget_edges(SystemClock.now()).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "forgot what edges told long ago"),
            Err(error) => tracing::warn!(%error, "cannot forget what edges told long ago"),
        }
    }
}
