//! Takes out of a WebAssembly module what only debuggers read: the names of its functions, and which
//! tools made it. worker-build has its optimiser keep the names, a tenth of the edge.
//!
//! Knows of the format no more than that a module is a row of sections (WebAssembly core
//! specification, binary format, sections).

use anyhow::{Context, Result, ensure};

/// Magic number and version.
const HEADER_BYTES: usize = 8;
const CUSTOM: u8 = 0;
const UNWANTED: [&[u8]; 2] = [b"name", b"producers"];

/// The module without them.
pub(super) fn stripped(module: &[u8]) -> Result<Vec<u8>> {
    ensure!(module.starts_with(b"\0asm"), "this is no WebAssembly module");
    let (header, mut rest) = module.split_at_checked(HEADER_BYTES).context("a module without version")?;
    let mut kept = header.to_vec();
    while let [kind, behind @ ..] = rest {
        let (content, after) = prefixed(behind)?;
        let unwanted = *kind == CUSTOM && UNWANTED.contains(&prefixed(content)?.0);
        if !unwanted {
            kept.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    Ok(kept)
}

/// Bytes behind their length in LEB128, and what follows.
fn prefixed(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut length = 0;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return bytes[at + 1..].split_at_checked(length).context("a section that is cut off");
        }
    }
    anyhow::bail!("a length that does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_and_all_else_stays() -> Result<()> {
        let header = b"\0asm\x01\0\0\0";
        let (types, names, own) = (b"\x01\x02ab", b"\0\x07\x04name..", b"\0\x05\x03own.");
        let module = [&header[..], types, names, own].concat();
        assert_eq!(stripped(&module)?, [&header[..], types, own].concat());
        assert!(stripped(&module[..module.len() - 1]).is_err());
        assert!(stripped(b"\0as").is_err());
        Ok(())
    }
}
