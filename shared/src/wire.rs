//! Reading and writing the snapshot's bytes: big-endian integers and length-prefixed strings.
//!
//! A reader never looks past its end and never allocates: whoever decodes bounds the counts.

/// The bytes ended before a value did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cut off: {wanted} more bytes wanted at byte {at}")]
pub struct Truncated {
    /// Where the value began.
    pub at: usize,
    /// How many bytes it wanted.
    pub wanted: usize,
}

/// A cursor over untrusted bytes.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, wanted: usize) -> Result<&'a [u8], Truncated> {
        let taken = self
            .at
            .checked_add(wanted)
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or(Truncated { at: self.at, wanted })?;
        self.at += wanted;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Truncated> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_be_bytes)
    }

    /// Bytes behind their length in one byte.
    pub(crate) fn short(&mut self) -> Result<&'a [u8], Truncated> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// Bytes behind their length in two bytes.
    pub(crate) fn long(&mut self) -> Result<&'a [u8], Truncated> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// Appends values to a byte string.
pub(crate) trait Write {
    fn put(&mut self, bytes: &[u8]);

    /// Appends `bytes` behind their length in one byte; what is longer than 255 is the caller's
    /// error and was refused by its own bound.
    fn put_short(&mut self, bytes: &[u8]);

    /// Appends `bytes` behind their length in two bytes, with the same condition.
    fn put_long(&mut self, bytes: &[u8]);
}

impl Write for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_short(&mut self, bytes: &[u8]) {
        debug_assert!(u8::try_from(bytes.len()).is_ok(), "bounded by the caller");
        self.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        self.extend_from_slice(bytes);
    }

    fn put_long(&mut self, bytes: &[u8]) {
        debug_assert!(u16::try_from(bytes.len()).is_ok(), "bounded by the caller");
        self.put(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.extend_from_slice(bytes);
    }
}
