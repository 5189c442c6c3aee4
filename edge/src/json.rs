//! Writing JSON (RFC 8259): flat objects of texts and numbers are all that the edge has to say, and what
//! could write any other would be a fiftieth of its size.

use core::fmt::Write as _;

/// An object that is being written.
pub(crate) struct Object {
    text: String,
}

impl Object {
    /// One that has no member yet.
    pub(crate) fn new() -> Self {
        let mut text = String::with_capacity(512);
        text.push('{');
        Self { text }
    }

    /// A member that is a text, or null.
    pub(crate) fn text(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.quoted(name, |text| escape(text, value)),
            None => self.member(name, "null"),
        }
    }

    /// A member that is a number, or null.
    pub(crate) fn number(&mut self, name: &str, value: Option<u64>) {
        match value {
            Some(value) => {
                self.member(name, "");
                // Writing to a text cannot fail.
                let _ = write!(self.text, "{value}");
            }
            None => self.member(name, "null"),
        }
    }

    /// A member that is a text, of which `write` appends what stands between the quotation marks.
    pub(crate) fn quoted(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        self.member(name, "\"");
        write(&mut self.text);
        self.text.push('"');
    }

    /// A member that is an object.
    pub(crate) fn object(&mut self, name: &str, value: Self) {
        self.member(name, &value.finish());
    }

    /// A member, by its name and what its value begins with. A name holds nothing that would be escaped.
    fn member(&mut self, name: &str, begins: &str) {
        let divider = if self.text.len() > 1 { "," } else { "" };
        for part in [divider, "\"", name, "\":", begins] {
            self.text.push_str(part);
        }
    }

    /// Its text.
    pub(crate) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// Appends a text, of which the quotation mark, the backslash and control characters are escaped (section 7).
fn escape(to: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '"' | '\\' => to.extend(['\\', character]),
            '\0'..='\x1f' => {
                let _ = write!(to, "\\u{:04x}", u32::from(character));
            }
            _ => to.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_reader_finds_what_was_written(
            text in "([\\x00-\\x7f]|\\PC)*",
            number in any::<Option<u64>>(),
            other in proptest::option::of(".*"),
        ) {
            let mut inner = Object::new();
            inner.number("number", number);
            let mut object = Object::new();
            object.text("text", Some(&text));
            object.text("other", other.as_deref());
            object.number("number", number);
            object.object("inner", inner);
            object.object("empty", Object::new());
            object.quoted("quoted", |text| text.push_str("as it is"));
            let expected = json!({
                "text": text, "other": other, "number": number, "inner": {"number": number}, "empty": {},
                "quoted": "as it is",
            });
            prop_assert_eq!(serde_json::from_str::<Value>(&object.finish()).expect("JSON"), expected);
        }
    }
}
