//! The lines of a request's body: as they come, each bounded, none waited for longer than told.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt as _;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::api::limits::{BYTE_ORDER_MARK, IMPORT_LINE_BYTES};

/// One line that is not blank.
pub(super) struct Line {
    /// Counted from 1, blank lines too.
    pub(super) number: u64,
    /// Its bytes without the end of the line; none where there are too many of them.
    pub(super) text: Option<Zeroizing<Vec<u8>>>,
}

/// What comes next.
pub(super) enum Next {
    /// A line.
    Line(Line),
    /// Nothing for as long as one was to wait.
    Quiet,
    /// Nothing more.
    End,
    /// The connection is gone, or what came over it is no body.
    Broken(axum::Error),
}

/// The lines of a body.
pub(super) struct Lines {
    body: BodyDataStream,
    splitter: Splitter,
    ended: bool,
}

impl Lines {
    pub(super) fn of(body: Body) -> Self {
        Self { body: body.into_data_stream(), splitter: Splitter::default(), ended: false }
    }

    /// The next line, or what there is in its place after `wait` without a byte.
    pub(super) async fn next(&mut self, wait: Duration) -> Next {
        loop {
            if let Some(line) = self.splitter.next() {
                return Next::Line(line);
            }
            if self.ended {
                return self.splitter.last().map_or(Next::End, Next::Line);
            }
            match self.more(wait).await {
                None => return Next::Quiet,
                Some(Err(error)) => return Next::Broken(error),
                Some(Ok(())) => {}
            }
        }
    }

    /// Takes the next piece, unless none comes within `wait`.
    pub(super) async fn more(&mut self, wait: Duration) -> Option<Result<(), axum::Error>> {
        match timeout(wait, self.body.next()).await.ok()? {
            Some(Ok(piece)) => self.splitter.feed(piece),
            Some(Err(error)) => return Some(Err(error)),
            None => self.ended = true,
        }
        Some(Ok(()))
    }

    /// The number of the line that comes next.
    pub(super) fn number(&self) -> u64 {
        self.splitter.number + 1
    }
}

/// Cuts pieces into lines. Holds one piece and the beginning of one line.
#[derive(Default)]
pub(super) struct Splitter {
    piece: Bytes,
    held: Zeroizing<Vec<u8>>,
    too_long: bool,
    /// Lines so far.
    number: u64,
}

impl Splitter {
    /// Takes the next piece. The one before it has no whole line any more.
    pub(super) fn feed(&mut self, piece: Bytes) {
        let rest = std::mem::replace(&mut self.piece, piece);
        self.hold(&rest);
    }

    /// The next whole line of what was fed.
    pub(super) fn next(&mut self) -> Option<Line> {
        loop {
            let end = self.piece.iter().position(|byte| *byte == b'\n')?;
            let last = self.piece.split_to(end + 1);
            self.hold(&last[..end]);
            let line = self.whole();
            if line.is_some() {
                return line;
            }
        }
    }

    /// What stands behind the last end of a line.
    pub(super) fn last(&mut self) -> Option<Line> {
        self.feed(Bytes::new());
        if self.held.is_empty() && !self.too_long { None } else { self.whole() }
    }

    fn hold(&mut self, part: &[u8]) {
        if self.held.len() + part.len() > IMPORT_LINE_BYTES {
            self.too_long = true;
            self.held = Zeroizing::default();
        }
        if !self.too_long {
            self.held.extend_from_slice(part);
        }
    }

    fn whole(&mut self) -> Option<Line> {
        self.number += 1;
        let mut text = std::mem::take(&mut self.held);
        if std::mem::take(&mut self.too_long) {
            return Some(Line { number: self.number, text: None });
        }
        if self.number == 1 && text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        let is_blank = text.iter().all(u8::is_ascii_whitespace);
        (!is_blank).then_some(Line { number: self.number, text: Some(text) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(u64, Option<String>)> {
        let mut splitter = Splitter::default();
        let mut all = Vec::new();
        let text = |line: Line| (line.number, line.text.map(|text| String::from_utf8(text.to_vec()).unwrap()));
        for piece in pieces {
            splitter.feed(Bytes::copy_from_slice(piece));
            while let Some(line) = splitter.next() {
                all.push(text(line));
            }
        }
        all.extend(splitter.last().map(text));
        all
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let body = b"one\n\n  \r\ntwo\r\nthree";
        let wanted = vec![(1, Some("one".to_owned())), (4, Some("two\r".to_owned())), (5, Some("three".to_owned()))];
        assert_eq!(lines(&[body]), wanted);
        for at in 0..body.len() {
            assert_eq!(lines(&[&body[..at], &body[at..]]), wanted, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(lines(&bytes), wanted);
        assert_eq!(lines(&[]), []);
        assert_eq!(lines(&[b"\n\n"]), []);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let mark = b"\xef\xbb\xbf";
        for rest in [&b"one\ntwo"[..], b"\ntwo"] {
            let body = [mark, rest].concat();
            assert_eq!(lines(&[&body]), lines(&[rest]));
            let bytes: Vec<&[u8]> = body.chunks(1).collect();
            assert_eq!(lines(&bytes), lines(&[rest]));
        }
        assert_eq!(lines(&[b"one\n\xef\xbb\xbftwo"])[1], (2, Some("\u{feff}two".to_owned())));
    }

    #[test]
    fn a_line_that_is_too_long_is_told_and_not_held() {
        let long = vec![b'x'; IMPORT_LINE_BYTES];
        assert_eq!(lines(&[&long, b"\nnext"]).len(), 2);
        assert_eq!(lines(&[&long, b"x", &long, b"x\nnext"]), [(1, None), (2, Some("next".to_owned()))]);
        assert_eq!(lines(&[&long, b"x"]), [(1, None)]);
        let mut splitter = Splitter::default();
        for _ in 0..10 {
            splitter.feed(Bytes::from(long.clone()));
            assert!(splitter.next().is_none());
            assert!(splitter.held.len() <= IMPORT_LINE_BYTES);
        }
    }
}
