//! The signed, replicated copy of the truth: immutable objects under one small signed head.
//!
//! A Merkle radix tree over the fingerprint's leading bits. **Leaves** hold the records of one
//! prefix, **nodes** the names of their children, the **settings** what an administrator changes,
//! and the **head** names all of it and carries `recent`, the latest changes. Objects are named by
//! the hash of their bytes; the head is signed. Nothing that stores or carries them needs trust.
//!
//! All integers are big-endian. Every format begins with its kind and a version.

mod cache;
mod error;
mod head;
mod leaf;
mod name;
mod node;
mod object;
mod policies;
mod replica;
mod settings_object;
mod tree;
mod warm;

pub use error::{DecodeError, EncodeError};
pub use head::{
    Head, HeadOrder, MAX_HEAD_BYTES, MAX_RECENT_BYTES, MAX_RECENT_ENTRIES, MAX_TRUSTED_KEYS, PublicKey, PublicKeyId,
    RecentEntry, SignedHead, SigningKey, TrustedKeys,
};
pub use leaf::{Leaf, LeafBuilder, MAX_LEAF_BYTES, RECORD_BYTES, TARGET_LEAF_BYTES};
pub use name::ObjectName;
pub use node::Node;
pub use object::{MAX_DEPLOYMENT_BYTES, MAX_OBJECT_BYTES, Origin, Place, Stamp};
pub use replica::{HeadRefused, Lookup, MAX_CLOCK_AHEAD_MS, Need, Replica, ReplicaOptions};
pub use settings_object::{MAX_SETTINGS_BYTES, decode_settings, encode_settings};
pub use tree::{MAX_LEVEL_BITS, MAX_LEVELS, Shape, Tree};
