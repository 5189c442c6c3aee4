//! Where one request ends and the next begins: whatever a client says of its body's length, no bytes of
//! it become a request of their own at the origin.
//!
//! Asked of plain workerd: wrangler's proxy answers broken bodies by itself.

use std::time::Duration;

use anyhow::{Result, ensure};
use keyward_tests::stack::{basic, eventually};
use keyward_tests::{Stack, Workerd, raw};

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("no_request_hides_in_the_body_of_another", no_request_hides),
        Test::shared("the_body_of_a_refused_request_goes_nowhere", a_refused_body_goes_nowhere),
    ]
}

/// Header lines about the body's length; `LENGTH` is what it really is.
const FRAMINGS: [&[&str]; 16] = [
    &["Content-Length: LENGTH"],
    &["Content-Length: 0"],
    &["Content-Length: 5"],
    &["Transfer-Encoding: chunked"],
    &["Content-Length: LENGTH", "Transfer-Encoding: chunked"],
    &["Transfer-Encoding: chunked", "Content-Length: LENGTH"],
    &["Content-Length: 5", "Transfer-Encoding: chunked"],
    &["Content-Length: LENGTH", "Content-Length: 5"],
    &["Content-Length: 5, 5"],
    &["Content-Length: +5"],
    &["Content-Length: -1"],
    &["Content-Length: LENGTH", "Transfer-Encoding: xchunked"],
    &["Content-Length: LENGTH", "Transfer-Encoding: chunked, identity"],
    &["Content-Length: LENGTH", "Transfer-Encoding:\tchunked"],
    &["Content-Length: LENGTH", "Transfer_Encoding: chunked"],
    &["Content-Length: LENGTH", "Connection: Content-Length"],
];

fn no_request_hides(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("framing")?;
    stack.applied(key.generation)?;
    let plain = Workerd::start(stack, &[])?;
    plain.applied(key.generation)?;
    let (open, hidden) = (format!("/{}", admin.fresh_name("framing")), format!("/{}", admin.fresh_name("hidden")));
    let credential = format!("Authorization: {}", basic(&key.secret, ""));
    // Once as bytes of no meaning, once behind what ends a chunked body.
    let inner = raw::request("DELETE", &hidden, &["X-Keyward-Key-Id: evil", "Content-Length: 0"]);
    let last = raw::request("GET", "/.keyward/status", &[""; 0]);
    for method in ["GET", "POST", "DELETE"] {
        for body in [inner.clone(), [b"0\r\n\r\n", inner.as_slice()].concat()] {
            for lines in FRAMINGS {
                let lines = lines.iter().map(|line| line.replace("LENGTH", &body.len().to_string()));
                let lines: Vec<_> = lines.chain([credential.clone()]).collect();
                // The connection stays open for a last one, so that what is left of the bytes is read.
                let head = raw::request(method, &open, &lines);
                let head = String::from_utf8(head)?.replace("Connection: close\r\n", "");
                let answer = plain.raw(&[head.as_bytes(), &body, &last].concat())?;
                // A body that is none breaks off the request to the origin.
                ensure!(
                    answer.status < 500 || answer.status == 502,
                    "{method} with {lines:?} is answered with {}: {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                );
            }
        }
    }
    ensure!(!stack.origin().seen_at(&open).is_empty(), "none of them passed");
    ensure!(stack.origin().seen_at(&hidden).is_empty(), "the origin saw {:?}", stack.origin().seen_at(&hidden));
    for seen in stack.origin().seen_at(&open) {
        ensure!(seen.header("x-keyward-key-id") == [key.id.as_str()], "the origin saw {seen:?}");
    }
    Ok(())
}

fn a_refused_body_goes_nowhere(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key_with("refused", serde_json::json!({"access": "read-only"}))?;
    stack.applied(key.generation)?;
    let path = format!("/{}", admin.fresh_name("refused"));
    let body = vec![b'k'; 5 << 20];
    for (secret, status) in [("0123456789abcdef0123456789abcdef", 401), (key.secret.as_str(), 403)] {
        let request = stack.edge(&path).method("POST").key(secret);
        request.body("application/octet-stream", body.clone()).send()?.must_be(status)?;
        // The next is judged by itself.
        stack.edge(&path).key(&key.secret).send()?.must_be(200)?;
    }
    eventually(Duration::from_secs(5), || {
        let seen = stack.origin().seen_at(&path);
        ensure!(seen.len() == 2 && seen.iter().all(|seen| seen.method == "GET"), "the origin saw {seen:?}");
        Ok(())
    })
}
