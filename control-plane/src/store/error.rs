//! What a database can answer instead of doing what it was asked.

/// What went wrong in the database, without a word of SQL or of a value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Locked, full, away, or out of connections: the same call may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] Source),
    /// A row that may exist once exists already. Rules are checked before; this is the second net.
    #[error("the database refused a second row: {0}")]
    Conflict(#[source] Source),
    /// What was read is not what was ever written.
    #[error("the database holds something unreadable: {what}")]
    Corrupt {
        /// Which column or row.
        what: &'static str,
        /// What the driver said, if it did.
        #[source]
        source: Option<Source>,
    },
    /// The schema can't be brought to what this version needs.
    #[error("the database's schema can't be migrated: {0}")]
    Migration(#[source] Source),
    /// The schema is another version's, and not to be changed while another process uses it.
    #[error("the database's schema is version {found} and this program needs {wanted}; stop `serve` and run `migrate`")]
    OtherSchema {
        /// The version of the database's schema.
        found: i64,
        /// This program's.
        wanted: i64,
    },
    /// A mistake of ours: a query that the database does not accept, a change of another transaction.
    #[error("the database was misused: {0}")]
    Misused(#[source] Source),
}

/// What the driver said.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

impl StoreError {
    /// Something unreadable in `what`.
    pub const fn corrupt(what: &'static str) -> Self {
        Self::Corrupt { what, source: None }
    }
}
