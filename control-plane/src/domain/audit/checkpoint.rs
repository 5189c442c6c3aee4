//! Checkpoints: how large the audit log's tree was, with which root, and when
//! (<https://c2sp.org/tlog-checkpoint>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::merkle::Hash;
use super::note::NoteError;
use crate::domain::time::UnixMillis;

/// What the line begins with that says when; one of the extension lines that the form allows.
const TIME: &str = "time ";

/// The state of a log at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Events in it.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// When that was so, as whoever signed it says.
    pub at: UnixMillis,
}

/// What a deployment's log is called: the name of its signer too. The number is raised where a restored
/// database cannot go on from what was signed.
pub fn origin(deployment: &str, incarnation: u32) -> String {
    format!("keyward/{deployment}/audit/{incarnation}")
}

/// Of which incarnation a log of this name is; none where it is not of this deployment.
pub fn incarnation_of(deployment: &str, name: &str) -> Option<u32> {
    let incarnation = name.rsplit('/').next()?.parse().ok()?;
    (origin(deployment, incarnation) == name).then_some(incarnation)
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let Self { origin, size, root, at } = self;
        format!("{origin}\n{size}\n{}\n{TIME}{at}\n", STANDARD.encode(root))
    }

    /// Reads the text of a checkpoint, and nothing that differs from one by a letter.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let read = || {
            let mut lines = text.split('\n');
            let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
            let at = lines.next()?.strip_prefix(TIME)?;
            let root = STANDARD.decode(root).ok()?.try_into().ok()?;
            let at = UnixMillis::parse(at)?;
            Some(Self { origin: origin.to_owned(), size: size.parse().ok()?, root, at })
        };
        read().filter(|checkpoint| checkpoint.text() == text).ok_or(NoteError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: origin("acme", 1),
            size: 4_007,
            root: [7; 32],
            at: UnixMillis::from_millis(1_700_000_000_123),
        }
    }

    const TEXT: &str = "keyward/acme/audit/1\n4007\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\
        time 2023-11-14T22:13:20.123Z\n";

    #[test]
    fn the_text_is_held_and_read_back() {
        assert_eq!(checkpoint().text(), TEXT);
        assert_eq!(Checkpoint::parse(TEXT), Ok(checkpoint()));
    }

    #[test]
    fn no_other_spelling_is_read() {
        for (from, to) in [
            ("4007", "04007"),
            ("4007", "+4007"),
            ("4007", "-1"),
            ("4007", "4007 "),
            ("4007", "99999999999999999999"),
            ("Bwc=", "Bwc"),
            ("Bwc=", "Bwd="),
            ("Bwc=\n", "Bwc=\r\n"),
            ("time ", "at "),
            ("123Z", "1230Z"),
            ("123Z", "123+00:00"),
            ("123Z\n", "123Z"),
            ("123Z\n", "123Z\nmore\n"),
        ] {
            assert_eq!(Checkpoint::parse(&TEXT.replace(from, to)), Err(NoteError::Malformed), "{to:?}");
        }
    }
}
