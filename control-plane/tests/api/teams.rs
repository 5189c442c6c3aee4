//! Teams of a workspace.
