//! The client for requests that this program makes: to Workers KV, to edges, to its own API.
//!
//! TLS is rustls with ring, which is chosen here once: reqwest's own choice would compile a whole C
//! library for the same ciphers. Knows nothing of what is asked.

use reqwest::ClientBuilder;

/// A client to be configured further.
pub fn builder() -> ClientBuilder {
    // An error says that a provider was installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}
