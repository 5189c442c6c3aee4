//! Refusals about exports of the audit log.

/// Why the audit log is not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportRefusal {
    /// Nobody signs the log here, or there is nothing to sign: a fault of ours.
    #[error("the audit log has no checkpoint")]
    NoNotary,
    /// A part of the log was pruned while it was exported.
    #[error("a part of the log went while it was exported")]
    Pruned,
    /// Many exports are on their way by mail already.
    #[error("{limit} exports are on their way by mail, or wait to be fetched")]
    TooMany {
        /// As many as there may be.
        limit: u64,
    },
    /// As many were asked for within a day as may be.
    #[error("{limit} exports were to be mailed within a day: ask again later")]
    Mailed {
        /// As many as there may be.
        limit: u64,
    },
    /// As many run of whoever asks, or by the link, as there may.
    #[error("{limit} of these exports are running: ask again when one has ended")]
    Running {
        /// As many as there may be.
        limit: u64,
    },
    /// As many began within the minute as may.
    #[error("{limit} of these exports began within a minute: ask again in the next")]
    Begun {
        /// As many as there may be.
        limit: u64,
    },
    /// The link to it has ended, or whoever asked for it may not have it any more.
    #[error("the link has ended; ask for the export again")]
    Expired,
}
