//! What is done to members, and how the edge judges their keys before and after.
