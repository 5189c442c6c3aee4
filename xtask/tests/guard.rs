//! Children end when they are told to, and also when nobody is left to tell them.

use std::io::{self, BufRead, BufReader, PipeReader};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::{Pid, test_kill_process};
use xtask::guard::{self, Guarded, Output};

/// The argument that makes this program one that starts a child and then dies.
const CARELESS: &str = "--careless-parent";

type Test = fn() -> Result<()>;

fn main() -> ExitCode {
    guard::install();
    if std::env::args().any(|argument| argument == CARELESS) {
        return careless_parent();
    }
    let tests: [(&str, Test); 5] = [
        ("a_child_is_stopped_with_its_own_children", a_child_is_stopped_with_its_own_children),
        ("a_child_that_ignores_the_order_is_ended", a_child_that_ignores_the_order_is_ended),
        ("a_killed_child_is_gone_at_once", a_killed_child_is_gone_at_once),
        ("an_exit_code_comes_through", an_exit_code_comes_through),
        ("a_child_ends_when_its_parent_dies", a_child_ends_when_its_parent_dies),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, test)| Trial::test(name, move || test().map_err(|error| Failed::from(format!("{error:?}")))))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Starts a child whose id a test can read from our output, and dies without a word.
fn careless_parent() -> ExitCode {
    let child = Guarded::spawn(&shell("echo $$; exec sleep 600"), Output::Inherit);
    thread::sleep(Duration::from_secs(1));
    drop(child.map(std::mem::forget));
    std::process::abort()
}

fn a_child_is_stopped_with_its_own_children() -> Result<()> {
    let (mut child, mut output) = start("sleep 600 & echo $!; wait")?;
    let grandchild = id(&mut output)?;
    child.stop()?;
    ensure!(!is_there(grandchild), "the child's own child is still there");
    Ok(())
}

fn a_child_that_ignores_the_order_is_ended() -> Result<()> {
    let (mut child, mut output) = start("trap '' TERM; echo $$; while :; do sleep 1; done")?;
    let stubborn = id(&mut output)?;
    child.stop()?;
    ensure!(!is_there(stubborn), "the child is still there");
    Ok(())
}

fn a_killed_child_is_gone_at_once() -> Result<()> {
    let (mut child, mut output) = start("trap 'sleep 600' TERM; echo $$; while :; do sleep 1; done")?;
    let victim = id(&mut output)?;
    let asked = Instant::now();
    let status = child.kill()?;
    ensure!(!status.success() && !is_there(victim), "the child is still there");
    ensure!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
    Ok(())
}

fn an_exit_code_comes_through() -> Result<()> {
    let (mut child, _output) = start("exit 7")?;
    ensure!(child.wait()?.code() == Some(7));
    Ok(())
}

fn a_child_ends_when_its_parent_dies() -> Result<()> {
    let mut parent =
        Command::new(std::env::current_exe()?).arg(CARELESS).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let output = parent.stdout.take().context("no output")?;
    let child = id(&mut BufReader::new(output))?;
    ensure!(!parent.wait()?.success());
    let died = Instant::now();
    while is_there(child) {
        ensure!(died.elapsed() < Duration::from_secs(5), "the child outlives its parent");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn start(script: &str) -> Result<(Guarded, BufReader<PipeReader>)> {
    let (reader, writer) = io::pipe()?;
    let child = Guarded::spawn(&shell(script), Output::Pipe(writer))?;
    Ok((child, BufReader::new(reader)))
}

fn id(output: &mut impl BufRead) -> Result<Pid> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    let number = line.trim().parse().with_context(|| format!("not an id: {line}"))?;
    Pid::from_raw(number).context("not an id")
}

fn is_there(process: Pid) -> bool {
    test_kill_process(process).is_ok()
}
