//! Signed notes: a text and who vouches for it, in the form that transparency logs use
//! (<https://c2sp.org/signed-note>), with Ed25519 signatures (RFC 8032).
//!
//! Knows nothing of what a text says.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// Bytes of a note, most.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;
/// Signatures of a note, most.
const MAX_SIGNATURES: usize = 16;
/// The type of an Ed25519 key.
const ED25519: u8 = 0x01;
/// What a signature's line begins with: an em dash and a space.
const MARK: &str = "\u{2014} ";

/// Why a text is no note, or not one that a known key vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not of the form that notes have.
    #[error("not a signed note")]
    Malformed,
    /// No key that is known has signed it.
    #[error("signed by no key that is known here")]
    Unknown,
    /// It says that a known key has signed it, which is not so.
    #[error("its signature is not that of the key it names")]
    Forged,
}

/// A public key and the name of whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

impl VerifierKey {
    /// The key with these bytes (RFC 8032, section 5.1.5); none where they or the name are not fit for one.
    pub fn new(name: &str, key: &[u8; 32]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(key).ok().filter(|key| !key.is_weak())?;
        is_name(name).then(|| Self { name: name.to_owned(), key })
    }

    /// A key as it is written down: `NAME+ID+KEY`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let bytes: [u8; 33] = STANDARD.decode(key).ok()?.try_into().ok()?;
        let (&kind, key) = bytes.split_first()?;
        let found = Self::new(name, key.try_into().ok()?)?;
        (kind == ED25519 && id == hex::encode(found.id())).then_some(found)
    }

    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id: the first bytes of a hash of name and key.
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new_with_prefix(&self.name).chain_update([b'\n', ED25519]).chain_update(self.key.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        [a, b, c, d]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], &self.key.as_bytes()[..]].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The note of a text, which ends with a line break, signed in this name; none where the name is not fit.
pub fn sign(text: &str, name: &str, key: &SigningKey) -> Option<String> {
    let id = VerifierKey::new(name, key.verifying_key().as_bytes())?.id();
    let signature = key.sign(text.as_bytes());
    let signed = STANDARD.encode([&id[..], &signature.to_bytes()].concat());
    is_text(text).then(|| format!("{text}\n{MARK}{name} {signed}\n"))
}

/// The text of a note that one of these keys has signed. Signatures of others count for nothing.
pub fn open<'a>(note: &'a str, keys: &[VerifierKey]) -> Result<&'a str, NoteError> {
    let (text, signatures) = parts(note)?;
    let mut is_signed = false;
    for Line { name, id, signature } in signatures {
        let Some(known) = keys.iter().find(|known| known.name == name && known.id() == id) else { continue };
        let signature: [u8; 64] = signature.try_into().map_err(|_| NoteError::Forged)?;
        let signature = Signature::from_bytes(&signature);
        known.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteError::Forged)?;
        is_signed = true;
    }
    if is_signed { Ok(text) } else { Err(NoteError::Unknown) }
}

/// The text of a note whoever signed it, and the names of those.
pub fn read(note: &str) -> Result<(&str, Vec<&str>), NoteError> {
    let (text, signatures) = parts(note)?;
    Ok((text, signatures.into_iter().map(|line| line.name).collect()))
}

/// A signature as it stands in a note.
struct Line<'a> {
    name: &'a str,
    id: [u8; 4],
    signature: Vec<u8>,
}

fn parts(note: &str) -> Result<(&str, Vec<Line<'_>>), NoteError> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(NoteError::Malformed);
    }
    // The signatures stand behind the last empty line.
    let end = note.rfind("\n\n").ok_or(NoteError::Malformed)? + 1;
    let (text, signatures) = note.split_at(end);
    let lines = signatures.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n')).ok_or(NoteError::Malformed)?;
    let lines: Option<Vec<Line<'_>>> = lines.split('\n').take(MAX_SIGNATURES + 1).map(line).collect();
    match lines {
        Some(lines) if lines.len() <= MAX_SIGNATURES && is_text(text) => Ok((text, lines)),
        _ => Err(NoteError::Malformed),
    }
}

fn line(line: &str) -> Option<Line<'_>> {
    let (name, signature) = line.strip_prefix(MARK)?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    is_name(name).then(|| Line { name, id: *id, signature: signature.to_vec() })
}

fn is_text(text: &str) -> bool {
    text.ends_with('\n') && text.chars().all(|c| c == '\n' || !c.is_control())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the package that defined the form (<https://pkg.go.dev/golang.org/x/mod/sumdb/note>).
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const PETERS_SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PETERS_TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const PETERS_SIGNATURE: &str =
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    // From the specification (<https://c2sp.org/signed-note>).
    const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const EXAMPLES_TEXT: &str = "This is an example message.\n";
    const EXAMPLES_SIGNATURE: &str =
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=";

    fn key(text: &str) -> VerifierKey {
        VerifierKey::parse(text).expect("a key")
    }

    fn note(text: &str, lines: &[(&str, &str)]) -> String {
        let lines: Vec<String> = lines.iter().map(|(name, signature)| format!("{MARK}{name} {signature}\n")).collect();
        format!("{text}\n{}", lines.concat())
    }

    #[test]
    fn published_notes_are_verified() {
        let peters = note(PETERS_TEXT, &[("PeterNeumann", PETERS_SIGNATURE)]);
        assert_eq!(open(&peters, &[key(PETER)]), Ok(PETERS_TEXT));
        let example = note(EXAMPLES_TEXT, &[("example.com/foo", EXAMPLES_SIGNATURE)]);
        assert_eq!(open(&example, &[key(PETER), key(EXAMPLE)]), Ok(EXAMPLES_TEXT));
        for text in [PETER, EXAMPLE] {
            assert_eq!(key(text).to_string(), text);
        }
    }

    #[test]
    fn a_published_note_is_signed_to_the_same_bytes() {
        let seed = STANDARD.decode(PETERS_SEED).expect("base64");
        let signer = SigningKey::from_bytes(seed[1..].try_into().expect("a seed"));
        let signed = sign(PETERS_TEXT, "PeterNeumann", &signer);
        assert_eq!(signed, Some(note(PETERS_TEXT, &[("PeterNeumann", PETERS_SIGNATURE)])));
    }

    #[test]
    fn signatures_of_others_count_for_nothing_and_a_bad_one_of_ours_for_all() {
        let both = note(
            EXAMPLES_TEXT,
            &[("PeterNeumann", "x08go/ZJkuBS9UG/"), ("example.com/foo", EXAMPLES_SIGNATURE), ("a", "AAAAAAA=")],
        );
        assert_eq!(open(&both, &[key(EXAMPLE)]), Ok(EXAMPLES_TEXT));
        assert_eq!(open(&both, &[key(EXAMPLE), key(PETER)]), Err(NoteError::Forged));
        assert_eq!(open(&both, &[]), Err(NoteError::Unknown));
        assert_eq!(read(&both), Ok((EXAMPLES_TEXT, vec!["PeterNeumann", "example.com/foo", "a"])));
        let other = both.replace("an example", "no example");
        assert_eq!(open(&other, &[key(EXAMPLE)]), Err(NoteError::Forged));
        // The same key under another name is another signer.
        let renamed = VerifierKey::new("example.com/bar", key(EXAMPLE).key.as_bytes()).expect("a key");
        assert_eq!(open(&both, &[renamed]), Err(NoteError::Unknown));
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        let right = note(EXAMPLES_TEXT, &[("example.com/foo", EXAMPLES_SIGNATURE)]);
        let many = vec![("example.com/foo", EXAMPLES_SIGNATURE); MAX_SIGNATURES + 1];
        for wrong in [
            String::new(),
            "\n\n".to_owned(),
            EXAMPLES_TEXT.to_owned(),
            format!("{EXAMPLES_TEXT}\n"),
            right.replace('\n', "\r\n"),
            right.replace(MARK, "- "),
            right.replace(MARK, "\u{2014}"),
            right.trim_end().to_owned(),
            format!("{right}\n"),
            format!("{right}more\n"),
            right.replace("example message", "example\u{0}message"),
            right.replace(EXAMPLES_SIGNATURE, "Uw2"),
            right.replace(EXAMPLES_SIGNATURE, "not base64"),
            note(EXAMPLES_TEXT, &many),
            note(EXAMPLES_TEXT, &[("a+b", EXAMPLES_SIGNATURE)]),
            note(&"long\n".repeat(MAX_NOTE_BYTES), &[("example.com/foo", EXAMPLES_SIGNATURE)]),
        ] {
            assert_eq!(open(&wrong, &[key(EXAMPLE)]), Err(NoteError::Malformed), "{wrong:.80}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for wrong in
            ["", "PeterNeumann", &PETER[1..], &PETER.replace("c74f", "c74e"), &PETER.replace("+ARpc", "+ABpc"), "a+b+c"]
        {
            assert_eq!(VerifierKey::parse(wrong), None, "{wrong}");
        }
    }
}
