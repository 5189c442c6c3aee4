//! Add a member to a workspace.
