//! A batch of keys that are brought.

use super::tx::SqliteTx;
use crate::store::ImportTx;

impl ImportTx for SqliteTx {}
