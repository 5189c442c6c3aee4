//! Create a team.
