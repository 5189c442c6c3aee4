//! A secret as a QR code (ISO/IEC 18004), drawn as SVG.

use keyward_shared::api_key::ApiKey;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use serde::Serialize;
use zeroize::Zeroizing;

use super::wire::options::{QrForm, QrOption};

/// Pixels of one module, so that a drawing that nobody has scaled can be read from a screen.
const MODULE_PIXELS: u32 = 4;

/// The member `qr_svg` of an answer, in one that was asked for it.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct QrSvg(Option<Zeroizing<String>>);

impl QrSvg {
    /// What `asked` for of this secret: `null` where there is none to be drawn.
    pub(super) fn of(asked: QrOption, secret: Option<&ApiKey>) -> Option<Self> {
        asked.qr.map(|QrForm::Svg| Self(secret.and_then(draw)))
    }
}

/// The secret itself and nothing else. Every key fits: at this level a code holds 2,331 bytes, and a key
/// has at most 256.
fn draw(secret: &ApiKey) -> Option<Zeroizing<String>> {
    let code = QrCode::with_error_correction_level(secret.expose(), EcLevel::M)
        .inspect_err(|error| tracing::error!(%error, "a key has no QR code"))
        .ok()?;
    let drawing = code.render::<svg::Color<'_>>().module_dimensions(MODULE_PIXELS, MODULE_PIXELS).build();
    Some(Zeroizing::new(drawing))
}

#[cfg(test)]
mod tests {
    use keyward_shared::api_key::{MAX_KEY_BYTES, MIN_KEY_BYTES};

    use super::*;

    fn drawn(key: &str) -> String {
        let key = ApiKey::parse(key).expect("a key");
        draw(&key).expect("a drawing").to_string()
    }

    #[test]
    fn a_key_of_any_length_is_drawn() {
        for length in [MIN_KEY_BYTES, 36, MAX_KEY_BYTES] {
            let svg = drawn(&"~".repeat(length));
            assert!(svg.starts_with("<?xml version=\"1.0\"") && svg.ends_with("</svg>"), "{length}");
            // The side of a code is 17 + 4 n modules, and the quiet zone four more on each side.
            let side = svg.split("width=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a width");
            let modules = side.parse::<u32>().expect("a number") / MODULE_PIXELS;
            assert!(modules > 25 && (modules - 25).is_multiple_of(4), "{length}: {modules}");
        }
        assert_ne!(drawn(&"a".repeat(36)), drawn(&"b".repeat(36)));
    }

    #[test]
    fn the_drawing_holds_no_text() {
        let key = "a-secret-that-somebody-brought";
        assert!(!drawn(key).contains(key));
    }

    #[test]
    fn what_was_not_asked_for_is_absent_and_what_is_not_there_is_null() {
        let key = ApiKey::parse("a-secret-that-somebody-brought").expect("a key");
        let asked = QrOption { qr: Some(QrForm::Svg) };
        assert!(QrSvg::of(QrOption::default(), Some(&key)).is_none());
        let nothing = QrSvg::of(asked, None).expect("a member");
        assert_eq!(serde_json::to_value(nothing).expect("JSON"), serde_json::Value::Null);
        let svg = QrSvg::of(asked, Some(&key)).expect("a member");
        assert_eq!(serde_json::to_value(svg).expect("JSON"), drawn(key.expose()));
    }
}
