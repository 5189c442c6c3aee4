//! A secret that somebody holds, and its key.

use super::SqliteStore;
use crate::store::LookupStore;

impl LookupStore for SqliteStore {}
