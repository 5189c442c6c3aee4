//! Whose a database is: the deployment's name, and which secrets its rows were made with.
//!
//! Only ids of secrets are here. A database opened with another pepper or key-encryption key would
//! recognise none of its keys, so that whoever opens it compares first.

use keyward_shared::fingerprint::PepperId;

/// What a database was made with and has to be opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The deployment's name.
    pub deployment: String,
    /// The pepper its fingerprints were made with.
    pub pepper: PepperId,
    /// The key-encryption key its sealed columns were sealed with.
    pub kek: u32,
}
