//! One line for each step: what is done, how far it is, how long it took.
//!
//! On a terminal the running step shows the last line of its command; elsewhere a long step says
//! every half minute that it is still at it. Everything goes to standard error.
//!
//! Must never know what the steps are.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::guard::{Guarded, Output};
use crate::workspace;

/// How wide a step's name is laid out.
const NAME_WIDTH: usize = 24;
/// How much of a running command's last line fits beside it.
const LINE_WIDTH: usize = 70;
/// How often a long step is mentioned where there is no terminal.
const STILL_AT_IT: Duration = Duration::from_secs(30);
/// How many of a failed command's last lines are shown.
const TAIL: usize = 20;

/// A step under way. Dropped without [`Step::done`], it reads as failed.
pub struct Step {
    name: String,
    started: Instant,
    mentioned: Cell<Instant>,
    terminal: bool,
    finished: Cell<bool>,
    shown: RefCell<String>,
}

impl Step {
    /// Announces a step.
    pub fn begin(name: impl Into<String>) -> Self {
        let now = Instant::now();
        let step = Self {
            name: name.into(),
            started: now,
            mentioned: Cell::new(now),
            terminal: io::stderr().is_terminal(),
            finished: Cell::new(false),
            shown: RefCell::new(String::new()),
        };
        step.draw("");
        step
    }

    /// Shows what the step is at.
    pub fn tell(&self, line: &str) {
        let line: String = line.trim().chars().filter(|c| !c.is_control()).take(LINE_WIDTH).collect();
        if line.is_empty() {
            return;
        }
        if self.terminal {
            self.draw(&line);
        } else if self.mentioned.get().elapsed() >= STILL_AT_IT {
            self.mentioned.set(Instant::now());
            eprintln!("  {} … {:.0} s: {line}", self.name, self.started.elapsed().as_secs_f32());
        }
    }

    /// Ends the step, with a word on what came of it.
    pub fn done(self, outcome: &str) {
        self.close(outcome);
    }

    fn draw(&self, line: &str) {
        if self.terminal && (line.is_empty() || *self.shown.borrow() != line) {
            eprint!("\r\x1b[2K  {:<NAME_WIDTH$} {line}", self.name);
            // A terminal that cannot be written to has nothing to show either.
            let _ = io::stderr().flush();
            line.clone_into(&mut self.shown.borrow_mut());
        }
    }

    fn close(&self, outcome: &str) {
        self.finished.set(true);
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        let seconds = self.started.elapsed().as_secs_f32();
        eprintln!("{clear}  {:<NAME_WIDTH$} {outcome} ({seconds:.1} s)", self.name);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.finished.get() {
            self.close("failed");
        }
    }
}

/// Runs a command as part of a step: all it prints goes to `target/setup/LOG.log`, its last line to
/// the screen. A failure shows the log's end and says what to do next.
pub fn run(step: &Step, command: &Command, log: &str, advice: &str) -> Result<()> {
    let path = workspace::folder(workspace::target().join("setup"))?.join(format!("{log}.log"));
    let mut file = File::create(&path).with_context(|| format!("cannot write the log {}", path.display()))?;
    let (reader, writer) = io::pipe()?;
    let mut child = Guarded::spawn(command, Output::Pipe(writer))?;
    let mut tail = Vec::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        file.write_all(&line)?;
        file.write_all(b"\n")?;
        let line = String::from_utf8_lossy(&line).into_owned();
        step.tell(line.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or(""));
        if tail.len() == TAIL {
            tail.remove(0);
        }
        tail.push(line);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!(
            "{} ended with {status}\n\n{}\n\nThe whole log: {}\nWhat to do: {advice}",
            shown(command),
            tail.join("\n"),
            path.display()
        );
    }
    Ok(())
}

/// A command as one would type it. Variables are left out: they may hold secrets.
pub fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}
