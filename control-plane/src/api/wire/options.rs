//! What the query of a mutation may ask for.

use serde::Deserialize;
use utoipa::IntoParams;

/// For routes that show a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct QrOption {
    /// The secret as a QR code too, in this form.
    pub qr: Option<QrForm>,
}

/// A form of a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QrForm {
    /// SVG 1.1.
    Svg,
}

/// For routes that can show beforehand what they would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DryRunOption {
    /// Only says what would happen, and changes nothing.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    dry_run: Flag,
}

impl DryRunOption {
    /// Whether nothing is to be changed.
    pub const fn is_dry_run(self) -> bool {
        matches!(self.dry_run, Flag::True)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Flag {
    #[default]
    False,
    True,
}
