//! What a running part has used of the machine, as Linux accounts for it (proc(5)).

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use xtask::parts::Part;

/// Processor time that a part's processes have used so far, all threads together. Taken from the
/// scheduler, in nanoseconds; what the kernel did for them is counted as theirs.
pub(crate) fn processor_time(part: &mut Part) -> Result<Duration> {
    let mut total = 0;
    for process in processes(part.process().id())? {
        let threads = fs::read_dir(format!("/proc/{process}/task")).context("a part has ended")?;
        for thread in threads {
            // A thread may end between the two reads.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            total += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(Duration::from_nanos(total))
}

/// Bytes of memory that the processes below a guard have had resident, at most since they began or since
/// [`forget_peak`].
pub(crate) fn peak_memory(guard: u32) -> Result<u64> {
    let mut total = 0;
    for process in processes(guard)? {
        let status = fs::read_to_string(format!("/proc/{process}/status")).context("a part has ended")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes: u64 = peak.context("no VmHWM")?.trim().trim_end_matches(" kB").parse()?;
        total += kibibytes * 1024;
    }
    Ok(total)
}

/// Has the peak begin anew with what is resident now.
pub(crate) fn forget_peak(guard: u32) -> Result<()> {
    for process in processes(guard)? {
        fs::write(format!("/proc/{process}/clear_refs"), "5").context("a part has ended")?;
    }
    Ok(())
}

/// The processes below a part's guard.
fn processes(guard: u32) -> Result<Vec<u32>> {
    let (mut found, mut rest) = (Vec::new(), children(guard)?);
    while let Some(process) = rest.pop() {
        found.push(process);
        rest.extend(children(process)?);
    }
    Ok(found)
}

fn children(of: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in fs::read_dir(format!("/proc/{of}/task")).context("a part has ended")? {
        let text = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        children.extend(text.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
    }
    Ok(children)
}
