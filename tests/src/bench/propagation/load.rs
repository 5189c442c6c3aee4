//! Verifications at a steady pace, whatever becomes of the ones before: an open loop.
//!
//! Each request has a time at which it is due, and its own time counts from then, not from when there was a
//! thread to send it: what an edge holds up is not left out. Connections are kept. How much of the machine the
//! load itself takes is told beside what it measured.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, available_parallelism};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::line::{Line, Question};
use crate::bench::figures::{as_f64, milliseconds, percentile};
use crate::bench::{Row, Target};

/// Verifications a second.
pub(super) const A_SECOND: u32 = 1_000;
/// Requests that may be on their way at once. One that takes long holds up none that come after it.
const AT_ONCE: usize = 16;
/// Of the requests that were due so many must have been answered, else it was another load.
const ANSWERED: f64 = 0.99;

/// What is asked, and what is made of the answers.
pub(super) trait Questions: Send + Sync + 'static {
    /// Of the request with this number: which of the edges is asked, and what.
    fn ask(&self, number: usize) -> (usize, &Question);

    /// Its answer's status, and when it was asked. An error ends the load.
    fn answered(&self, number: usize, status: u16, asked: Instant) -> Result<()>;
}

/// One usable key, at all edges in turn.
struct Steady {
    edges: usize,
    question: Question,
}

impl Questions for Steady {
    fn ask(&self, number: usize) -> (usize, &Question) {
        (number % self.edges, &self.question)
    }

    fn answered(&self, _: usize, status: u16, _: Instant) -> Result<()> {
        ensure!(status == 200, "a usable key was answered {status}");
        Ok(())
    }
}

/// Requests that go on until they are ended.
pub(super) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<Done>>>,
}

struct Shared {
    edges: Vec<SocketAddr>,
    questions: Arc<dyn Questions>,
    pause: Duration,
    began: Instant,
    next: AtomicUsize,
    stop: AtomicBool,
}

/// What one thread did.
#[derive(Default)]
struct Done {
    answers: Vec<Answer>,
    on_processor: Duration,
}

/// An answer that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// The request's number.
    pub(super) number: usize,
    /// When it was due.
    pub(super) due: Instant,
    /// How long after that the answer was there.
    pub(super) took: Duration,
}

/// What the load came to.
pub(super) struct Outcome {
    /// The answers, in the order of their requests.
    pub(super) answers: Vec<Answer>,
    wanted: u32,
    lasted: Duration,
    on_processor: Duration,
}

impl Load {
    /// Asks edges in turn with a key that is usable.
    pub(super) fn start(edges: &[SocketAddr], secret: &str) -> Result<Self> {
        let steady = Steady { edges: edges.len(), question: Question::of(secret) };
        Self::of(edges, A_SECOND, Arc::new(steady))
    }

    /// Asks so many questions a second.
    pub(super) fn of(edges: &[SocketAddr], a_second: u32, questions: Arc<dyn Questions>) -> Result<Self> {
        let shared = Arc::new(Shared {
            edges: edges.to_vec(),
            questions,
            pause: Duration::from_secs(1) / a_second,
            began: Instant::now(),
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let threads = (0..AT_ONCE).map(|_| {
            let shared = Arc::clone(&shared);
            Ok(thread::Builder::new().name("load".to_owned()).spawn(move || shared.ask_on())?)
        });
        let threads = threads.collect::<Result<_>>()?;
        Ok(Self { shared, threads })
    }

    /// Ends it.
    pub(super) fn end(self) -> Result<Outcome> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let lasted = self.shared.began.elapsed();
        let (mut answers, mut on_processor) = (Vec::new(), Duration::ZERO);
        for thread in self.threads {
            let done = thread.join().ok().context("a thread of the load panicked")??;
            answers.extend(done.answers);
            on_processor += done.on_processor;
        }
        answers.sort_unstable_by_key(|answer| answer.number);
        let wanted = u32::try_from(Duration::from_secs(1).as_nanos() / self.shared.pause.as_nanos())?;
        Ok(Outcome { answers, wanted, lasted, on_processor })
    }
}

impl Shared {
    fn ask_on(&self) -> Result<Done> {
        let mut lines = Vec::new();
        for edge in &self.edges {
            lines.push(Line::to(*edge)?);
        }
        let mut done = Done::default();
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = self.began + self.pause * u32::try_from(number)?;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let (edge, question) = self.questions.ask(number);
            let asked = Instant::now();
            let status = lines.get_mut(edge).context("no such edge")?.ask(question)?;
            done.answers.push(Answer { number, due, took: due.elapsed() });
            self.questions.answered(number, status, asked)?;
        }
        done.on_processor = on_processor()?;
        Ok(done)
    }
}

impl Outcome {
    /// Of these answers alone.
    #[cfg(test)]
    pub(super) const fn of(answers: Vec<Answer>) -> Self {
        Self { answers, wanted: A_SECOND, lasted: Duration::ZERO, on_processor: Duration::ZERO }
    }

    /// How many answers came a second, how long requests took, and what of the machine the load took.
    pub(super) fn rows(&self) -> Vec<Row> {
        let a_second = as_f64(self.answers.len() as u64) / self.lasted.as_secs_f64();
        let mut times: Vec<_> = self.answers.iter().map(|answer| answer.took).collect();
        times.sort_unstable();
        let cores = available_parallelism().map_or(1, usize::from);
        let share = self.on_processor.as_secs_f64() / self.lasted.as_secs_f64() / as_f64(cores as u64);
        vec![
            Row::new("the same: verifications meanwhile", a_second, "/s")
                .target(Target::AtLeast(ANSWERED * f64::from(self.wanted))),
            Row::new("the same: a verification meanwhile, p99", milliseconds(percentile(&times, 99)), "ms"),
            Row::new("the same: of the processors' time, what asking them took", 100.0 * share, "%"),
        ]
    }
}

/// The time that this thread was on a processor, the kernel's work for it included (proc(5)).
fn on_processor() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").context("no account of this thread")?;
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok()).context("an account of no time")?;
    Ok(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers every request 200, the one that is the `held`th on a connection only after a while.
    fn edge(held: usize, held_for: Duration) -> Result<SocketAddr> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            let seen = Arc::new(AtomicUsize::new(0));
            for mut stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || {
                    let mut request = [0; 1 << 10];
                    while stream.read(&mut request).is_ok_and(|bytes| bytes > 0) {
                        if seen.fetch_add(1, Ordering::Relaxed) == held {
                            thread::sleep(held_for);
                        }
                        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Ok(address)
    }

    #[test]
    fn one_that_is_held_up_holds_up_no_other_and_all_are_asked_when_they_are_due() -> Result<()> {
        let held_for = Duration::from_secs(1);
        let load = Load::start(&[edge(100, held_for)?], "any")?;
        thread::sleep(2 * held_for);
        let outcome = load.end()?;
        let slow = outcome.answers.iter().filter(|answer| answer.took >= held_for).count();
        assert_eq!(slow, 1, "of {} answers", outcome.answers.len());
        // However busy the machine is: never more than are due.
        assert!((1_000..2_100).contains(&outcome.answers.len()), "{}", outcome.answers.len());
        assert!(outcome.answers.iter().map(|answer| answer.number).eq(0..outcome.answers.len()));
        assert!(outcome.on_processor > Duration::ZERO);
        Ok(())
    }

    #[test]
    fn an_answer_that_is_wrong_ends_it() -> Result<()> {
        struct Never(Question);
        impl Questions for Never {
            fn ask(&self, _: usize) -> (usize, &Question) {
                (0, &self.0)
            }

            fn answered(&self, _: usize, status: u16, _: Instant) -> Result<()> {
                ensure!(status != 200, "wrong");
                Ok(())
            }
        }
        let load = Load::of(&[edge(usize::MAX, Duration::ZERO)?], 100, Arc::new(Never(Question::of("any"))))?;
        thread::sleep(Duration::from_millis(100));
        assert!(load.end().is_err());
        Ok(())
    }
}
