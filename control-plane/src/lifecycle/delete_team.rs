//! Delete a team; its keys stay, and belong to none.
