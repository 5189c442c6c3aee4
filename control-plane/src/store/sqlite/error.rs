//! From what the driver says to what a caller can do about it.

use sqlx::error::ErrorKind;

use crate::store::StoreError;

/// Result codes of SQLite (<https://www.sqlite.org/rescode.html>), without their extended part.
mod code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const NOMEM: i32 = 7;
    pub(super) const READONLY: i32 = 8;
    pub(super) const INTERRUPT: i32 = 9;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const NOTADB: i32 = 26;
}

/// Sorts a failure of the driver.
pub(in crate::store) fn failed(error: sqlx::Error) -> StoreError {
    use sqlx::Error as Driver;
    match &error {
        Driver::PoolTimedOut
        | Driver::PoolClosed
        | Driver::WorkerCrashed
        | Driver::Io(_)
        | Driver::BeginFailed
        | Driver::InvalidSavePointStatement => StoreError::Unavailable(Box::new(error)),
        Driver::ColumnDecode { .. } | Driver::Decode(_) | Driver::RowNotFound => {
            StoreError::Corrupt { what: "a row", source: Some(Box::new(error)) }
        }
        Driver::Database(database) if database.kind() == ErrorKind::UniqueViolation => {
            StoreError::Conflict(Box::new(error))
        }
        Driver::Database(database) => {
            let extended = database.code().and_then(|code| code.parse::<i32>().ok());
            match extended.map(|code| code & 0xff) {
                Some(
                    code::BUSY
                    | code::LOCKED
                    | code::NOMEM
                    | code::READONLY
                    | code::INTERRUPT
                    | code::IOERR
                    | code::FULL
                    | code::CANTOPEN,
                ) => StoreError::Unavailable(Box::new(error)),
                Some(code::CORRUPT | code::NOTADB) => {
                    StoreError::Corrupt { what: "the database file", source: Some(Box::new(error)) }
                }
                _ => StoreError::Misused(Box::new(error)),
            }
        }
        _ => StoreError::Misused(Box::new(error)),
    }
}

/// Refuses a write that did not meet exactly the row it was meant for.
pub(super) fn one_row(rows: u64, what: &'static str) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::Misused(format!("{rows} rows of {what} instead of one").into())) }
}
