//! `keyward import`: brings keys from a file, over the REST API.
