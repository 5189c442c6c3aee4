//! Counts what held and what did not.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Result;

use crate::guard::{Guarded, Output};
use crate::step;

/// The sum so far, and the names of what failed.
#[derive(Default)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Tally {
    /// Counts a check as one test. Says whether it held.
    pub(super) fn check(&mut self, name: &str, outcome: Result<()>) -> bool {
        match outcome {
            Ok(()) => {
                self.passed += 1;
                true
            }
            Err(error) => {
                eprintln!("\n{name}: {error:#}\n");
                self.fail(1, name.to_owned());
                false
            }
        }
    }

    /// Runs a test command, shows what it says, and adds up its results.
    pub(super) fn tests(&mut self, command: &Command) -> Result<()> {
        let started = Instant::now();
        let (reader, writer) = io::pipe()?;
        let mut child = Guarded::spawn(command, Output::Pipe(writer))?;
        let mut failed = 0;
        for line in BufReader::new(reader).split(b'\n') {
            let line = line?;
            io::stdout().write_all(&line)?;
            io::stdout().write_all(b"\n")?;
            if let Some(result) = Closing::parse(&String::from_utf8_lossy(&line)) {
                self.passed += result.passed;
                failed += result.failed;
            }
        }
        let status = child.wait()?;
        // A test that does not compile or that dies closes with no result of its own.
        if !status.success() && failed == 0 {
            failed = 1;
        }
        if failed > 0 {
            self.fail(failed, step::shown(command));
        }
        eprintln!("  {} ({:.0} s)", step::shown(command), started.elapsed().as_secs_f32());
        Ok(())
    }

    fn fail(&mut self, count: u64, name: String) {
        self.failed += count;
        self.failures.push(name);
    }

    /// Says what failed, and the sum as the last line.
    pub(super) fn close(self) -> ExitCode {
        for failure in &self.failures {
            eprintln!("failed: {failure}");
        }
        // The two streams must not be mixed within the line that is read by machines.
        let _ = io::stderr().flush();
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// What a test program's closing line says.
#[derive(Debug, PartialEq, Eq)]
struct Closing {
    passed: u64,
    failed: u64,
}

impl Closing {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim().strip_prefix("test result: ")?;
        let count =
            |word: &str| line.split([';', '.']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok());
        Some(Self { passed: count("passed")?, failed: count("failed")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closing_line_is_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(Closing::parse(line), Some(Closing { passed: 12, failed: 3 }));
    }

    #[test]
    fn other_lines_are_not() {
        assert_eq!(Closing::parse("test result_is_read ... ok"), None);
        assert_eq!(Closing::parse("3 passed; 4 failed"), None);
    }
}
