//! Secrets in files that only their owner can read.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::SecretText;

/// No secret is longer; a file that is was named by mistake.
const MAX_BYTES: u64 = 8 * 1024;

/// Reads a secret. Warns when the file is not its owner's alone.
pub fn read(path: &Path) -> io::Result<SecretText> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than 8 KiB, which no secret is"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = %format_args!("{mode:03o}"),
            "others than the owner may use this secret's file; chmod 600 it"
        );
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(SecretText::new(text))
}

/// Writes a secret to a new file, mode 0600, and syncs it. An existing file is an error
/// of kind `AlreadyExists`, so that no secret is ever overwritten.
pub fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    write(&mut file, text)
}

/// Writes a file that is derived from secrets, mode 0600, in the place of the last one.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    write(&mut file, text)
}

/// Makes a directory, mode 0700, with its parents, unless it is there.
pub fn create_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write(file: &mut File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_is_its_owners_alone_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        create(&path, "first").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let again = create(&path, "second").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap().expose(), "first");
    }

    #[test]
    fn a_file_too_long_for_a_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "a".repeat(9 * 1024)).unwrap();
        assert!(read(&path).is_err());
    }
}
