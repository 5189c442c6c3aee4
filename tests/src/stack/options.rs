//! What a test may want otherwise.

use xtask::build::native::Profile;

/// Where the edge reads heads from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lanes {
    /// From KV and from the control plane, as `cargo xtask dev` does.
    #[default]
    Both,
    /// From KV alone.
    Kv,
    /// From the control plane alone; there is no KV.
    Http,
}

impl Lanes {
    pub(crate) fn has_kv(self) -> bool {
        self != Self::Http
    }

    pub(crate) fn has_http(self) -> bool {
        self != Self::Kv
    }
}

/// What the edge does with its verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Refusals are refused.
    #[default]
    Enforce,
    /// Everything is forwarded, verdicts are only counted.
    Observe,
}

/// How a stack is to be started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the edge reads heads from.
    pub lanes: Lanes,
    /// What the edge does with its verdicts.
    pub mode: Mode,
    /// Whether requests have an origin to be forwarded to.
    pub with_origin: bool,
    /// Further variables of the Worker. They win over all others.
    pub worker_variables: Vec<(String, String)>,
    /// Further settings of the control plane, as `KEYWARD_*` variables.
    pub settings: Vec<(String, String)>,
    /// Whether the control plane starts before the edge; without, a test starts it itself.
    pub control_plane_at_once: bool,
    /// How the control plane is built.
    pub profile: Profile,
    /// Cargo features of the edge's crate that the shipped Worker does not have.
    pub edge_features: &'static [&'static str],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lanes: Lanes::default(),
            mode: Mode::default(),
            with_origin: true,
            worker_variables: Vec::new(),
            settings: Vec::new(),
            control_plane_at_once: true,
            profile: Profile::default(),
            edge_features: &[],
        }
    }
}

impl Options {
    /// The same with one more variable of the Worker.
    #[must_use]
    pub fn worker_variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.worker_variables.push((name.to_owned(), value.into()));
        self
    }

    /// The same with one more setting of the control plane.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }
}
