//! Edit a team.
