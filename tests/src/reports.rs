//! A way to the control plane that loses answers: whatever an edge reports goes through, and of each report
//! the first answer does not come back, so that the edge sends it again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, ensure};
use keyward_shared::report::{MAX_REPORT_BYTES, Report};

use crate::raw;
use crate::stack::Stack;

const PATH: &str = "/v1/edges/report";

/// A report as it went through, and what the control plane said.
#[derive(Clone, Debug)]
pub struct Passed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The status of the answer.
    pub status: u16,
}

/// The running way; it ends with the process.
pub struct Reports {
    address: SocketAddr,
    passed: Arc<Mutex<Vec<Passed>>>,
    is_shut: Arc<AtomicBool>,
}

impl Reports {
    /// To the control plane of a stack, on a free port.
    pub fn start(stack: &Stack) -> Result<Self> {
        let url = stack.control_plane_url();
        let to: SocketAddr = url.strip_prefix("http://").unwrap_or(&url).parse().context("an address")?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port is left")?;
        let address = listener.local_addr()?;
        let passed = Arc::new(Mutex::new(Vec::new()));
        let is_shut = Arc::new(AtomicBool::new(false));
        let (all, shut) = (Arc::clone(&passed), Arc::clone(&is_shut));
        thread::Builder::new().name("reports".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                if shut.load(Ordering::Relaxed) {
                    continue;
                }
                // The test that waits for a report is told by its not coming.
                if let Err(error) = pass(stream, to, &all) {
                    eprintln!("a report did not go through: {error:#}");
                }
            }
        })?;
        Ok(Self { address, passed, is_shut })
    }

    /// From now on nothing goes through, or everything again.
    pub fn shut(&self, is_shut: bool) {
        self.is_shut.store(is_shut, Ordering::Relaxed);
    }

    /// Where an edge is told to report.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Everything that went through, in its order.
    pub fn passed(&self) -> Vec<Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every report that the control plane took, each once.
    pub fn taken(&self) -> Result<Vec<Report>> {
        let mut taken = Vec::new();
        for Passed { bytes, status } in self.passed() {
            ensure!(status == 204, "a report was answered {status}");
            let report = Report::decode(&bytes)?;
            let Report { envelope, .. } = &report;
            let same = taken.iter().find(|other: &&Report| other.envelope.sequence == envelope.sequence);
            match same {
                // It may have been held up since.
                Some(same) => ensure!(same.body == report.body, "another report under the same number"),
                None => taken.push(report),
            }
        }
        Ok(taken)
    }
}

fn pass(stream: TcpStream, to: SocketAddr, passed: &Mutex<Vec<Passed>>) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut lines, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse()?,
            "authorization" | "content-type" => {}
            _ => continue,
        }
        lines.push(line.to_owned());
    }
    ensure!(length <= MAX_REPORT_BYTES, "{length} bytes");
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    let mut request = raw::request("POST", PATH, &lines);
    request.extend_from_slice(&bytes);
    let status = raw::send(to, &request)?.status;
    let mut passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
    let is_lost = passed.iter().all(|earlier| earlier.bytes != bytes);
    passed.push(Passed { bytes, status });
    if is_lost {
        return Ok(());
    }
    let answer = format!("HTTP/1.1 {status} Answered\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    Ok(reader.get_mut().write_all(answer.as_bytes())?)
}
