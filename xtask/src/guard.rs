//! Child processes that never outlive the one that started them.
//!
//! A child runs under a *guard*: this same program, started again with one variable set, which
//! starts the command in a process group of its own and holds a pipe to us. When the pipe closes,
//! because we asked or because we died in whatever way, the guard ends the group: first politely,
//! then for good. Signals are sent to groups that the guard itself made, so no id is ever guessed.
//!
//! Must never know what the children are for.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeWriter, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// Set for the guard only; its value has no meaning.
const VARIABLE: &str = "KEYWARD_XTASK_GUARD";
/// How long a group may take to end after SIGTERM before it gets SIGKILL.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a shell answers when a command cannot be started.
const CANNOT_START: i32 = 127;

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Makes this program able to guard children. The first line of every `main` that spawns any: in
/// the guard itself this call does the guarding and never returns.
pub fn install() {
    if std::env::var_os(VARIABLE).is_some() {
        std::process::exit(guard());
    }
    INSTALLED.store(true, Ordering::SeqCst);
}

/// Where a child's output goes, both streams together.
pub enum Output {
    /// To the terminal or whatever we write to ourselves.
    Inherit,
    /// To the end of a file.
    File(File),
    /// To a pipe that we read.
    Pipe(PipeWriter),
}

/// A running child with its whole process group. Dropping it stops it.
pub struct Guarded {
    guard: Child,
}

impl Guarded {
    /// Starts `command`. Its program, arguments, variables and folder are used; its standard
    /// streams are not: input is empty, output goes where `output` says.
    pub fn spawn(command: &Command, output: Output) -> Result<Self> {
        ensure!(INSTALLED.load(Ordering::SeqCst), "guard::install() must be the first call of main");
        let program = command.get_program();
        let mut guard = Command::new(itself()?);
        guard.arg0("guard-of");
        guard.arg(program).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => guard.env(name, value),
                None => guard.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guard.current_dir(folder);
        }
        guard.env(VARIABLE, "1").stdin(Stdio::piped()).process_group(0);
        match output {
            Output::Inherit => {}
            Output::File(file) => {
                guard.stderr(file.try_clone()?).stdout(file);
            }
            Output::Pipe(pipe) => {
                guard.stderr(pipe.try_clone()?).stdout(pipe);
            }
        }
        let guard = guard.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { guard })
    }

    /// The process that guards: all that was started is below it.
    pub fn id(&self) -> u32 {
        self.guard.id()
    }

    /// The exit status, once the child has ended.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.guard.try_wait()?)
    }

    /// Waits for the child to end by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        // `Child::wait` would close the pipe, which is the order to stop.
        let pipe = self.guard.stdin.take();
        let status = self.guard.wait();
        drop(pipe);
        Ok(status?)
    }

    /// Asks the child to stop (SIGTERM) without waiting for it.
    pub fn begin_stop(&mut self) {
        drop(self.guard.stdin.take());
    }

    /// Stops the child and waits until its whole group is gone.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.begin_stop();
        Ok(self.guard.wait()?)
    }

    /// Ends the child at once (SIGKILL), as a crash would, and waits until it is gone.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.say("kill")?;
        self.wait()
    }

    /// Freezes the child (SIGSTOP): it is there but answers nothing.
    pub fn freeze(&mut self) -> Result<()> {
        self.say("freeze")
    }

    /// Lets a frozen child go on (SIGCONT).
    pub fn thaw(&mut self) -> Result<()> {
        self.say("thaw")
    }

    fn say(&mut self, word: &str) -> Result<()> {
        let pipe = self.guard.stdin.as_mut().context("the child was stopped already")?;
        writeln!(pipe, "{word}").context("the child has ended already")
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Nothing is left to tell a failure to; the guard ends the group in any case.
        let _ = self.stop();
    }
}

/// This program's own file. Where the system has a name for "what runs now", that name is taken: it
/// holds even when the file was built anew meanwhile, as `cargo test` does with this very program.
fn itself() -> Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(running.to_owned());
    }
    std::env::current_exe().context("cannot find this program's own file")
}

/// The guard's whole life. Returns the exit code that stands for the child's.
fn guard() -> i32 {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        return CANNOT_START;
    };
    let child = Command::new(&program).args(words).env_remove(VARIABLE).stdin(Stdio::null()).process_group(0).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return cannot_start(&program, &error),
    };
    let group = Pid::from_child(&child);
    thread::spawn(move || obey(group));
    let status = child.wait();
    end(group);
    match status {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        Err(_) => CANNOT_START,
    }
}

fn cannot_start(program: &OsStr, error: &io::Error) -> i32 {
    eprintln!("cannot start {}: {error}", program.display());
    CANNOT_START
}

/// Carries out what the parent writes, and ends the group when the parent says nothing any more.
fn obey(group: Pid) {
    for word in BufReader::new(io::stdin()).lines().map_while(io::Result::ok) {
        let signal = match word.as_str() {
            "kill" => Signal::KILL,
            "freeze" => Signal::STOP,
            "thaw" => Signal::CONT,
            _ => continue,
        };
        // The group may have ended meanwhile, which is what was wanted or soon seen.
        let _ = kill_process_group(group, signal);
    }
    end(group);
}

/// Ends what is left of the group: SIGTERM, patience, SIGKILL.
fn end(group: Pid) {
    let asked = Instant::now();
    let _ = kill_process_group(group, Signal::TERM);
    let _ = kill_process_group(group, Signal::CONT);
    while test_kill_process_group(group).is_ok() {
        if asked.elapsed() > PATIENCE {
            let _ = kill_process_group(group, Signal::KILL);
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
