//! Figures for Prometheus. Labels hold routes and codes, never an id, a name or a secret.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::snapshot::SnapshotStatus;

/// The content type of the text that [`Metrics::encode`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds, from a cached read to the time limit.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
}

type UnsignedGauge = Gauge<u64, AtomicU64>;
type Seconds = Family<RouteLabels, Histogram, fn() -> Histogram>;

/// All figures of the control plane.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Seconds,
    generation: UnsignedGauge,
    published_generation: UnsignedGauge,
    tree_generation: UnsignedGauge,
    objects: UnsignedGauge,
    bytes: UnsignedGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("keyward");
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", Family::clone(&requests));
        let seconds = Seconds::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register("http_request_duration_seconds", "Time to the answer", Family::clone(&seconds));
        let mut gauge = |name: &str, help: &str| {
            let gauge = UnsignedGauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let generation = gauge("generation", "The newest committed generation");
        let published_generation = gauge("published_generation", "The newest published generation");
        let tree_generation = gauge("tree_generation", "The newest generation in the tree");
        let objects = gauge("snapshot_objects", "Objects of the published tree");
        let bytes = gauge("snapshot_bytes", "Bytes of the published tree");
        Self { registry, requests, seconds, generation, published_generation, tree_generation, objects, bytes }
    }
}

impl Metrics {
    /// Counts an answered request. `route` is the pattern, so that ids do not become labels.
    pub fn observe(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = label_of(method).to_owned();
        let route = route.to_owned();
        self.requests
            .get_or_create(&Labels { method: method.clone(), route: route.clone(), status: status.as_u16() })
            .inc();
        self.seconds.get_or_create(&RouteLabels { method, route }).observe(took.as_secs_f64());
    }

    /// The figures as text, with publishing as it stands now.
    pub fn encode(&self, snapshot: Option<&SnapshotStatus>) -> Result<String, std::fmt::Error> {
        if let Some(status) = snapshot {
            self.generation.set(status.generation);
            self.published_generation.set(status.published_generation);
            self.tree_generation.set(status.tree_generation);
            self.objects.set(status.objects);
            self.bytes.set(status.bytes);
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The method, or `other`: a client can invent methods, and each would be a new series.
fn label_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
