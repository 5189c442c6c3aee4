//! Edges as the control plane hears them: reports with the usage of secrets.

use axum::http::Method;
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::{Digest, Fingerprint, Pepper, PepperId};
use keyward_shared::report::{Applied, Body, Envelope, Lanes, Report, State, Usage};
use keyward_shared::snapshot::HeadOrder;

use crate::service::{EDGE_CREDENTIAL, PEPPER, Reply, Service};

/// The first report of an edge that has applied these generations, up to `until`.
pub(crate) fn report(instance: u8, generations: &[u64], until: u64) -> Report {
    let held = generations.last().map(|generation| HeadOrder { epoch: 2, generation: *generation, issued_at: until });
    let applied = |generation: &u64| Applied { epoch: 2, generation: *generation, at: until + generation % 1_000 };
    Report {
        envelope: Envelope { instance: [instance; 10], sequence: 1, location: "FRA".to_owned(), ..Envelope::default() },
        body: Body {
            since: until - 10_000,
            until,
            lanes: Lanes { kv: true, http: true },
            state: State::Fresh,
            software: "0.1.0".to_owned(),
            peppers: vec![PepperId::from_u64(0xab)],
            held,
            applied: generations.iter().map(applied).collect(),
            ..Body::default()
        },
    }
}

/// Sends bytes as an edge sends its report.
pub(crate) async fn send_bytes(service: &Service, bytes: Vec<u8>) -> Reply {
    let call = service.request(Method::POST, "/v1/edges/report").bearer(EDGE_CREDENTIAL);
    call.raw("application/octet-stream", bytes).send().await
}

/// Sends a report that is taken.
pub(crate) async fn send(service: &Service, report: &Report) {
    let taken = send_bytes(service, report.encode().expect("within bounds")).await.is(204);
    assert!(taken.bytes.is_empty());
}

/// What edges and database know of a secret.
pub(crate) fn fingerprint(secret: &str) -> Fingerprint {
    Pepper::new(PEPPER).fingerprint(&Digest::of(&ApiKey::parse(secret).expect("a key")))
}

/// Calls with one secret, the last of them at the report's end.
pub(crate) fn usage(secret: &str, calls: u32, refused: u32) -> Usage {
    Usage {
        fingerprint: fingerprint(secret).as_bytes()[..8].try_into().expect("long enough"),
        retiring: false,
        refused_by_status: false,
        calls,
        refused,
        last_ago: 0,
        first_denied_ago: None,
    }
}

/// Calls with one secret that its status refused.
pub(crate) fn denied(secret: &str, refused: u32, first_ago: u64) -> Usage {
    Usage { refused_by_status: true, first_denied_ago: Some(first_ago), ..usage(secret, 0, refused) }
}

/// An edge that reports one time after another, by the service's clock.
pub(crate) struct Reporter {
    instance: u8,
    sequence: u32,
    since: u64,
}

impl Reporter {
    /// An edge that begins now.
    pub(crate) fn new(service: &Service, instance: u8) -> Self {
        Self { instance, sequence: 0, since: service.now() }
    }

    /// Its next report, not sent yet.
    pub(crate) fn next(&mut self, service: &Service, usage: Vec<Usage>) -> Report {
        self.sequence += 1;
        let mut next = report(self.instance, &[], service.now());
        (next.envelope.sequence, next.body.since, next.body.usage) = (self.sequence, self.since, usage);
        self.since = service.now();
        next
    }

    /// Reports.
    pub(crate) async fn tell(&mut self, service: &Service, usage: Vec<Usage>) {
        let next = self.next(service, usage);
        send(service, &next).await;
    }
}
