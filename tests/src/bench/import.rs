//! Bringing 200,000 keys over the REST API: how long it takes, and how much memory.
