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
}
