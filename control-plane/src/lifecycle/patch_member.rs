//! Edit a member; a role that is lower ends the keys that it may not have.
