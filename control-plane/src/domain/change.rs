//! What one mutation commits beside its rows: audit events, touched secrets, and its generation.
//!
//! A change can't be made without an audit event. Whether it is narrowing is decided here for every
//! secret by itself: a change is narrowing unless it can only turn a refusal into an allow.

use keyward_shared::fingerprint::Fingerprint;

use super::audit::AuditEvent;

/// The number of a committed mutation, counted up by one over the whole deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// A secret whose record in the snapshot is another after the mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Touched {
    /// The secret.
    pub fingerprint: Fingerprint,
    /// Whether an allow may have become a refusal.
    pub narrowing: bool,
}

/// Everything that commits together with a mutation's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    generation: Generation,
    first: AuditEvent,
    more: Vec<AuditEvent>,
    touched: Vec<Touched>,
    settings: bool,
}

impl Change {
    /// A change that touches no secret yet.
    pub const fn new(generation: Generation, event: AuditEvent) -> Self {
        Self { generation, first: event, more: Vec::new(), touched: Vec::new(), settings: false }
    }

    /// The same change with one more event.
    #[must_use]
    pub fn with_event(mut self, event: AuditEvent) -> Self {
        self.more.push(event);
        self
    }

    /// The same change, touching these secrets too.
    #[must_use]
    pub fn touching(mut self, secrets: impl IntoIterator<Item = Touched>) -> Self {
        self.touched.extend(secrets);
        self
    }

    /// The same change, touching the snapshot's settings too. Always narrowing.
    #[must_use]
    pub const fn touching_settings(mut self) -> Self {
        self.settings = true;
        self
    }

    /// The generation the change commits as.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The events, in order; at least one.
    pub fn events(&self) -> impl Iterator<Item = &AuditEvent> {
        core::iter::once(&self.first).chain(&self.more)
    }

    /// How many events there are.
    pub fn event_count(&self) -> usize {
        1 + self.more.len()
    }

    /// The touched secrets.
    pub fn touched(&self) -> &[Touched] {
        &self.touched
    }

    /// Whether the snapshot's settings are touched.
    pub const fn touches_settings(&self) -> bool {
        self.settings
    }
}
