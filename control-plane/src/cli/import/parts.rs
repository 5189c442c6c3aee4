//! A file of lines in parts that are sent one after another, each of whole lines.
//!
//! Of a line that is longer than a part only the beginning is sent, so that it is refused like any other
//! line that is too long, and those behind it are not held up.

use std::io::{self, Read};

use crate::api::limits::{BYTE_ORDER_MARK, IMPORT_LINE_BYTES};

/// Bytes of a part, about eight thousand lines.
const PART_BYTES: usize = 2 * 1024 * 1024;
/// Bytes that are read at once of what is left out.
const SKIP_BYTES: u64 = 64 * 1024;

// The beginning of a line is too long by itself.
const _: () = assert!(PART_BYTES > IMPORT_LINE_BYTES);

/// Lines that are sent together.
#[derive(Default)]
pub(super) struct Part {
    pub(super) body: Vec<u8>,
    /// Lines before it.
    pub(super) lines_before: u64,
    /// Bytes of the file up to the end of each of its lines.
    pub(super) ends: Vec<u64>,
    /// The last of its lines that is not blank, counted from 1; 0 where all are.
    pub(super) last: u64,
}

/// Cuts what a reader gives into parts.
pub(super) struct Parts<R> {
    reader: R,
    /// What was read behind the last part.
    rest: Vec<u8>,
    lines: u64,
    bytes: u64,
}

impl<R: Read> Parts<R> {
    pub(super) fn of(reader: R) -> Self {
        Self { reader, rest: Vec::new(), lines: 0, bytes: 0 }
    }

    /// The next part, if there is more.
    pub(super) fn next(&mut self) -> io::Result<Option<Part>> {
        let mut body = std::mem::take(&mut self.rest);
        let wanted = PART_BYTES - body.len();
        let is_end = self.reader.by_ref().take(wanted as u64).read_to_end(&mut body)? < wanted;
        if is_end {
            return Ok((!body.is_empty()).then(|| self.part(body)));
        }
        if let Some(newline) = body.iter().rposition(|byte| *byte == b'\n') {
            self.rest = body.split_off(newline + 1);
            return Ok(Some(self.part(body)));
        }
        let left_out = self.skip_line()?;
        let mut part = self.part(body);
        self.bytes += left_out;
        // It is answered even where it is blank.
        (part.ends, part.last) = (vec![self.bytes], 1);
        Ok(Some(part))
    }

    /// Reads up to the end of a line, whose beginning was read, and says how many bytes that were.
    fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let mut piece = Vec::new();
            let read = self.reader.by_ref().take(SKIP_BYTES).read_to_end(&mut piece)?;
            let newline = piece.iter().position(|byte| *byte == b'\n');
            let line = newline.map_or(read, |newline| newline + 1);
            skipped += line as u64;
            if newline.is_some() || read == 0 {
                self.rest = piece.split_off(line);
                return Ok(skipped);
            }
        }
    }

    fn part(&mut self, body: Vec<u8>) -> Part {
        let (mut ends, mut last) = (Vec::new(), 0);
        let before = self.lines;
        for line in body.split_inclusive(|byte| *byte == b'\n') {
            self.bytes += line.len() as u64;
            self.lines += 1;
            // A mark at the beginning of a request is no part of its first line.
            let text = if ends.is_empty() { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
            ends.push(self.bytes);
            if !text.iter().all(u8::is_ascii_whitespace) {
                last = self.lines - before;
            }
        }
        Part { body, lines_before: before, ends, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_lines_and_together_the_file() {
        let file = (0..40_000).map(|number| format!("{{\"line\":\"{number:0100}\"}}\n")).collect::<Vec<_>>().concat();
        let file = format!("{file}\n\nlast");
        let mut parts = Parts::of(file.as_bytes());
        let (mut all, mut lines) = (Vec::new(), 0);
        while let Some(part) = parts.next().unwrap() {
            assert!(part.body.len() <= PART_BYTES);
            assert_eq!(part.lines_before, lines);
            lines += part.ends.len() as u64;
            all.extend(part.body);
            assert_eq!(part.ends.last(), Some(&(all.len() as u64)));
            assert_eq!(part.last, part.ends.len() as u64);
        }
        assert!(all == file.as_bytes());
        assert_eq!(lines, 40_003);
    }

    #[test]
    fn blank_lines_are_counted_and_wait_for_no_answer() {
        let part = Parts::of(&b"\n{}\n \r\n"[..]).next().unwrap().unwrap();
        assert_eq!((part.ends, part.last), (vec![1, 4, 7], 2));
        assert!(Parts::of(&b""[..]).next().unwrap().is_none());
        let part = Parts::of(&b"\xef\xbb\xbf\n\n"[..]).next().unwrap().unwrap();
        assert_eq!((part.ends, part.last), (vec![4, 5], 0));
    }

    #[test]
    fn a_line_longer_than_a_part_holds_up_none_behind_it() {
        const LONG: u64 = 5 * PART_BYTES as u64 + 7;
        for filler in [b'x', b' '] {
            let file = (&b"one\n"[..]).chain(io::repeat(filler).take(LONG)).chain(&b"\nthree\n"[..]);
            let mut parts = Parts::of(file);
            let first = parts.next().unwrap().unwrap();
            assert_eq!((first.body, first.last), (b"one\n".to_vec(), 1));
            let long = parts.next().unwrap().unwrap();
            assert_eq!((long.body.len(), long.lines_before), (PART_BYTES, 1));
            assert_eq!((long.ends, long.last), (vec![4 + LONG + 1], 1));
            let behind = parts.next().unwrap().unwrap();
            assert_eq!((behind.body, behind.lines_before), (b"three\n".to_vec(), 2));
            assert_eq!(behind.ends, [4 + LONG + 1 + 6]);
            assert!(parts.next().unwrap().is_none());
        }
        let mut endless = Parts::of(io::repeat(b'x').take(LONG));
        assert_eq!(endless.next().unwrap().unwrap().ends, [LONG]);
        assert!(endless.next().unwrap().is_none());
    }
}
