//! Checkpoints from outside, and whose signatures are believed.

use crate::domain::audit::checkpoint::Checkpoint;
use crate::domain::audit::note::{self, NoteError, VerifierKey};

/// What signatures' lines begin with.
const MARK: &str = "\u{2014} ";

/// Who is believed, and for which deployment. Without a key, notes are read and their signatures are not
/// looked at.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Ed25519 public keys, whatever the incarnation of the log that they sign for.
    pub keys: Vec<[u8; 32]>,
    /// Keys that are bound to a name.
    pub named: Vec<VerifierKey>,
    /// The deployment that the log must be of.
    pub deployment: Option<String>,
}

/// Why a checkpoint is not believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// The note is no good.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is another log's.
    #[error("it is of another log, {origin}")]
    OtherLog {
        /// Which.
        origin: String,
    },
}

impl Trust {
    /// Whether signatures are looked at.
    pub const fn has_keys(&self) -> bool {
        !self.keys.is_empty() || !self.named.is_empty()
    }

    /// The checkpoint that a note vouches for.
    pub fn open(&self, note: &str) -> Result<Checkpoint, Untrusted> {
        let checkpoint = Checkpoint::parse(note::read(note)?.0)?;
        let Checkpoint { origin, .. } = &checkpoint;
        let is_ours = |deployment: &String| {
            let number = origin.strip_prefix(&format!("keyward/{deployment}/audit/"));
            number.is_some_and(|number| number.parse::<u32>().is_ok_and(|read| read.to_string() == number))
        };
        if !self.deployment.as_ref().is_none_or(is_ours) {
            return Err(Untrusted::OtherLog { origin: origin.clone() });
        }
        if self.has_keys() {
            let ours = self.keys.iter().filter_map(|key| VerifierKey::new(origin, key));
            let keys: Vec<VerifierKey> = self.named.iter().cloned().chain(ours).collect();
            note::open(note, &keys)?;
        }
        Ok(checkpoint)
    }
}

/// A checkpoint that did not come from where the log did.
#[derive(Debug, Clone)]
pub struct Witness {
    /// From where: a file or an edge.
    pub from: String,
    /// What was signed.
    pub checkpoint: Checkpoint,
}

/// The notes that a file holds one behind the other.
pub fn notes(file: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let (mut note, mut is_signed) = (String::new(), false);
    for line in file.split_inclusive('\n') {
        let signs = line.starts_with(MARK);
        if is_signed && !signs {
            notes.push(core::mem::take(&mut note));
            is_signed = false;
        }
        // Between notes there may be empty lines.
        if note.is_empty() && line.trim().is_empty() {
            continue;
        }
        is_signed |= signs;
        note.push_str(line);
    }
    if !note.is_empty() {
        notes.push(note);
    }
    notes
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::domain::audit::checkpoint::origin;
    use crate::domain::time::UnixMillis;

    fn signed(seed: u8, deployment: &str, incarnation: u32) -> String {
        let origin = origin(deployment, incarnation);
        let checkpoint = Checkpoint { origin, size: 7, root: [3; 32], at: UnixMillis::from_millis(5_000) };
        note::sign(&checkpoint.text(), &checkpoint.origin, &SigningKey::from_bytes(&[seed; 32])).expect("a name")
    }

    fn public(seed: u8) -> [u8; 32] {
        SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes()
    }

    #[test]
    fn a_note_is_believed_by_a_key_of_its_deployment_alone() {
        let trust = Trust { keys: vec![public(1)], named: Vec::new(), deployment: Some("acme".to_owned()) };
        for incarnation in [1, 2, u32::MAX] {
            assert_eq!(trust.open(&signed(1, "acme", incarnation)).map(|read| read.size), Ok(7));
        }
        assert_eq!(trust.open(&signed(2, "acme", 1)), Err(Untrusted::Note(NoteError::Unknown)));
        let other = trust.open(&signed(1, "acme/audit/1/x", 1)).expect_err("another log");
        assert_eq!(other.to_string(), "it is of another log, keyward/acme/audit/1/x/audit/1");
        let changed = signed(1, "acme", 1).replace("\n7\n", "\n8\n");
        assert_eq!(trust.open(&changed), Err(Untrusted::Note(NoteError::Forged)));
    }

    #[test]
    fn a_key_with_a_name_counts_for_that_name() {
        let key = VerifierKey::new("keyward/acme/audit/1", &public(1)).expect("a key");
        let trust = Trust { named: vec![key], ..Trust::default() };
        assert!(trust.open(&signed(1, "acme", 1)).is_ok());
        assert_eq!(trust.open(&signed(1, "acme", 2)), Err(Untrusted::Note(NoteError::Unknown)));
    }

    #[test]
    fn without_a_key_a_note_is_read_and_no_more() {
        assert!(Trust::default().open(&signed(9, "acme", 1)).is_ok());
        assert_eq!(Trust::default().open("no note"), Err(Untrusted::Note(NoteError::Malformed)));
    }

    #[test]
    fn several_notes_of_a_file_are_told_apart() {
        let (one, two) = (signed(1, "acme", 1), signed(2, "acme", 1));
        assert_eq!(notes(&one), core::slice::from_ref(&one));
        assert_eq!(notes(&format!("{one}{two}")), [one.clone(), two.clone()]);
        assert_eq!(notes(&format!("\n{one}\n\n{two}\n")), [one, two]);
        assert_eq!(notes("\n\n"), Vec::<String>::new());
        assert_eq!(notes("no note"), ["no note"]);
    }
}
