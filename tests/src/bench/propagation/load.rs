//! A thousand verifications a second, at a steady pace, spread over edges.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::line::{Line, Question};

/// Requests a second, all threads together.
pub(super) const A_SECOND: u32 = 1_000;
const THREADS: u32 = 8;

/// Requests that go on until they are ended.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Vec<Duration>>>>,
    began: Instant,
}

impl Load {
    /// Asks edges in turn with a key that is usable.
    pub(super) fn start(edges: &[SocketAddr], secret: &str) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..THREADS).map(|at| {
            let lines = edges.iter().map(|edge| Line::to(*edge)).collect::<Result<Vec<_>>>()?;
            let (stop, question) = (Arc::clone(&stop), Question::of(secret));
            // No two at the same moment.
            let first = Instant::now() + Duration::from_secs(1) / A_SECOND * at;
            Ok(thread::Builder::new().name("load".to_owned()).spawn(move || paced(lines, &question, first, &stop))?)
        });
        Ok(Self { threads: threads.collect::<Result<_>>()?, stop, began: Instant::now() })
    }

    /// Ends it: how long each answer took, from when it was due to be asked for, the shortest first.
    pub(super) fn end(self) -> Result<Vec<Duration>> {
        self.stop.store(true, Ordering::Relaxed);
        let seconds = self.began.elapsed().as_secs_f64();
        let mut times = Vec::new();
        for thread in self.threads {
            times.extend(thread.join().ok().context("a thread of the load panicked")??);
        }
        let wanted = f64::from(A_SECOND) * seconds;
        let got = super::super::figures::as_f64(times.len() as u64);
        ensure!(
            got > 0.9 * wanted,
            "{got} requests instead of {wanted:.0}: this machine is too busy to be measured on"
        );
        times.sort_unstable();
        Ok(times)
    }
}

fn paced(mut lines: Vec<Line>, question: &Question, first: Instant, stop: &AtomicBool) -> Result<Vec<Duration>> {
    let (pause, mut due, mut times) = (Duration::from_secs(1) / A_SECOND * THREADS, first, Vec::new());
    let edges = lines.len();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let status = lines[times.len() % edges].ask(question)?;
        ensure!(status == 200, "a usable key was answered {status}");
        times.push(due.elapsed());
        due += pause;
    }
    Ok(times)
}
