//! A file of lines in parts that are sent one after another, each of whole lines.

use std::io::{self, Read};

/// Bytes of a part, about eight thousand lines. No line is longer.
const PART_BYTES: usize = 2 * 1024 * 1024;

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
        if !is_end {
            let newline = body.iter().rposition(|byte| *byte == b'\n').ok_or_else(|| {
                let words = format!("line {} is longer than {PART_BYTES} bytes", self.lines + 1);
                io::Error::new(io::ErrorKind::InvalidData, words)
            })?;
            self.rest = body.split_off(newline + 1);
        }
        Ok((!body.is_empty()).then(|| self.part(body)))
    }

    fn part(&mut self, body: Vec<u8>) -> Part {
        let (mut ends, mut last) = (Vec::new(), 0);
        let before = self.lines;
        for line in body.split_inclusive(|byte| *byte == b'\n') {
            self.bytes += line.len() as u64;
            self.lines += 1;
            ends.push(self.bytes);
            if !line.iter().all(u8::is_ascii_whitespace) {
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
    }

    #[test]
    fn a_line_without_end_is_refused_and_not_held() {
        let refused = Parts::of(io::repeat(b'x')).next().err().map(|error| error.to_string());
        assert_eq!(refused, Some(format!("line 1 is longer than {PART_BYTES} bytes")));
    }
}
