//! Members of a workspace.
