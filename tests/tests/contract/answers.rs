//! What every answer has, and what of the origin's answers reaches the client.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::stack::{EdgeRequest, NewKey, basic};
use keyward_tests::{Answer, Stack, Workerd, raw};
use serde_json::json;

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("every_answer_has_a_request_id_of_its_own", request_ids),
        Test::shared("the_origins_answer_comes_back_as_it_is", the_origins_answer_comes_back),
        Test::shared("redirects_of_the_origin_are_not_followed", redirects_are_not_followed),
        Test::shared("no_shared_cache_may_store_an_authenticated_answer", shared_caches),
        Test::shared("large_bodies_pass_both_ways", large_bodies),
        Test::shared("bodies_pass_as_they_come", bodies_pass_as_they_come),
        Test::shared("a_request_passes_with_whatever_body_it_has", whatever_body),
        Test::shared("without_an_origin_there_is_nothing_but_the_pong", without_an_origin),
        Test::shared("an_origin_that_is_away_is_told_as_502", an_origin_that_is_away),
    ]
}

fn ready(stack: &Stack, stem: &str) -> Result<(NewKey, String)> {
    let admin = stack.admin()?;
    let key = admin.key(stem)?;
    stack.applied(key.generation)?;
    Ok((key, format!("/{}", admin.fresh_name(stem))))
}

fn request_ids(stack: &Stack) -> Result<()> {
    const THREADS: usize = 4;
    const EACH: usize = 250;
    let (key, path) = ready(stack, "ids")?;
    let (key, path) = (&key, &path);
    let of = |thread: usize| -> Result<Vec<String>> {
        let ways: [(EdgeRequest<'_>, u16); 5] = [
            (stack.edge("/v1/ping").key(&key.secret), 200),
            (stack.edge(path), 401),
            (stack.edge(path).key(&key.secret), 200),
            (stack.edge("/.keyward/status"), 200),
            (stack.edge("/.keyward/verify"), 403),
        ];
        let mut ids = Vec::new();
        for (request, status) in ways.iter().cycle().skip(thread).take(EACH) {
            let answer = request.clone().header("x-keyward-request-id", "mine").send()?.must_be(*status)?;
            let id = answer.header("x-keyward-request-id").context("no request id")?;
            ensure!(id.len() > 8 && id.len() < 64 && id.is_ascii(), "the request id is {id}");
            ids.push(id.to_owned());
        }
        Ok(ids)
    };
    let all: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || of(thread))).collect();
        let each = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread broke"))?);
        each.collect::<Result<Vec<_>>>()
    })?
    .concat();
    let distinct: HashSet<_> = all.iter().collect();
    ensure!(all.len() == THREADS * EACH && distinct.len() == all.len(), "{} of {}", distinct.len(), all.len());
    // The origin is told the same one.
    let seen = stack.origin().seen_at(path);
    ensure!(!seen.is_empty(), "the origin saw nothing");
    for seen in seen {
        let told = seen.header("x-keyward-request-id");
        ensure!(told.len() == 1 && all.iter().any(|id| id == told[0]), "the origin was told {told:?}");
    }
    Ok(())
}

fn the_origins_answer_comes_back(stack: &Stack) -> Result<()> {
    let (key, path) = ready(stack, "answer")?;
    for status in ["200", "201", "204", "304", "400", "401", "404", "418", "500", "503"] {
        let request = stack.edge(&path).key(&key.secret).header("x-answer-status", status);
        let request = request.header("x-answer-header", "etag: \"v1\"").header("x-answer-header", "x-of-origin: yes");
        let answer = request.header("x-answer-header", "x-keyward-request-id: forged").send()?;
        ensure!(answer.status.to_string() == status, "{status} came back as {}", answer.status);
        ensure!(answer.header("etag") == Some("\"v1\"") && answer.header("x-of-origin") == Some("yes"), "{answer:?}");
        ensure!(answer.header("x-keyward-request-id").is_some_and(|id| id != "forged"), "{:?}", answer.headers);
    }
    let cookies = stack.edge(&path).key(&key.secret).header("x-answer-header", "set-cookie: a=1; Path=/");
    let answer = cookies.header("x-answer-header", "set-cookie: b=2; Path=/").send()?.must_be(200)?;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    ensure!(cookies == ["a=1; Path=/", "b=2; Path=/"], "{cookies:?}");
    let head = stack.edge(&path).method("HEAD").key(&key.secret).send()?.must_be(200)?;
    ensure!(head.body.is_empty(), "HEAD has a body");
    // Encoded bytes are neither decoded nor encoded anew.
    let gzip = [("content-encoding: gzip"), ("content-type: application/octet-stream")];
    let request =
        gzip.iter().fold(stack.edge(&path).method("POST"), |request, line| request.header("x-answer-header", line));
    let request = request.header("x-answer-body", "request").header("accept-encoding", "gzip").key(&key.secret);
    let answer = request.body("application/octet-stream", GZIPPED.to_vec()).send()?.must_be(200)?;
    ensure!(answer.header("content-encoding") == Some("gzip"), "{:?}", answer.headers);
    ensure!(answer.body == GZIPPED, "{} bytes came back", answer.body.len());
    Ok(())
}

/// `pong!`, by gzip.
const GZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x2b, 0xc8, 0xcf, 0x4b, 0x57, 0x04, 0x00, 0xe5, 0x46,
    0x1d, 0x13, 0x05, 0x00, 0x00, 0x00,
];

fn redirects_are_not_followed(stack: &Stack) -> Result<()> {
    let (key, path) = ready(stack, "redirect")?;
    let elsewhere = format!("{}{path}/elsewhere", stack.origin().url());
    for status in ["301", "302", "303", "307", "308"] {
        for location in [elsewhere.as_str(), "/somewhere", "//other.test/x"] {
            let request = stack.edge(&path).key(&key.secret).header("x-answer-status", status);
            let answer = request.header("x-answer-header", &format!("location: {location}")).send()?;
            ensure!(answer.status.to_string() == status, "{status} came back as {}", answer.status);
            ensure!(answer.header("location") == Some(location), "{:?}", answer.headers);
        }
    }
    let followed = stack.origin().seen_at(&format!("{path}/elsewhere"));
    ensure!(followed.is_empty(), "a redirect was followed: {followed:?}");
    Ok(())
}

fn shared_caches(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let api = admin.fresh_name("cached");
    let path = format!("/{api}/image.png");
    let open = format!("/{api}/open/image.png");
    let public = format!("/{api}/open");
    admin.api(&api, &json!([{"path_prefix": format!("/{api}")}, {"path_prefix": public, "access": "public"}]))?;
    let key = admin.key("cached")?;
    stack.applied(key.generation)?;
    let answered = |request: EdgeRequest<'_>, origins: &[&str]| -> Result<Answer> {
        origins.iter().fold(request, |request, line| request.header("x-answer-header", line)).send()?.must_be(200)
    };
    for (origins, wanted) in [
        (&[][..], "private"),
        (&["cache-control: public, max-age=60"], "private, max-age=60"),
        (&["cache-control: max-age=60, s-maxage=600"], "private, max-age=60"),
        (&["cache-control: Public,S-MaxAge=600,immutable"], "private, immutable"),
        (&["cache-control: no-cache"], "private, no-cache"),
        (&["cache-control: private, max-age=60"], "private, max-age=60"),
        (&["cache-control: no-store"], "no-store"),
        (&["cache-control: public", "cache-control: s-maxage=60"], "private"),
        (&["cdn-cache-control: max-age=60", "surrogate-control: max-age=60"], "private"),
        (&["cloudflare-cdn-cache-control: max-age=60"], "private"),
    ] {
        let answer = answered(stack.edge(&path).key(&key.secret), origins)?;
        ensure!(answer.header("cache-control") == Some(wanted), "{origins:?} came back as {:?}", answer.headers);
        let others = ["cdn-cache-control", "cloudflare-cdn-cache-control", "surrogate-control"];
        ensure!(others.iter().all(|name| answer.header(name).is_none()), "{origins:?}: {:?}", answer.headers);
    }
    // What asks no key may be stored as the origin says.
    let answer = answered(stack.edge(&open), &["cache-control: public, s-maxage=60"])?;
    ensure!(answer.header("cache-control") == Some("public, s-maxage=60"), "{:?}", answer.headers);
    // The same path is asked of the origin every time.
    for _ in 0..3 {
        answered(stack.edge(&path).key(&key.secret), &["cache-control: public, max-age=600"])?;
    }
    ensure!(stack.origin().seen_at(&path).len() == 13, "the origin saw {}", stack.origin().seen_at(&path).len());
    stack.edge(&path).send()?.must_be(401).map(drop)
}

fn large_bodies(stack: &Stack) -> Result<()> {
    const SIZE: usize = 20 << 20;
    let (key, path) = ready(stack, "large")?;
    let body: Vec<u8> = (0..SIZE).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    let plain = Workerd::start(stack, &[])?;
    plain.applied(key.generation)?;
    for request in [stack.edge(&path), plain.edge(&path)] {
        let request = request.method("PUT").key(&key.secret).header("x-answer-body", "request");
        let answer = request.body("application/octet-stream", body.clone()).send()?.must_be(200)?;
        ensure!(answer.body.len() == SIZE, "{} of {SIZE} bytes came back", answer.body.len());
        ensure!(answer.body == body, "other bytes came back");
    }
    let seen = stack.origin().seen_at(&path);
    ensure!(seen.len() == 2 && seen.iter().all(|seen| seen.body_bytes == SIZE), "{seen:?}");
    Ok(())
}

/// The first half of an answer is there while the origin still waits with the second.
fn bodies_pass_as_they_come(stack: &Stack) -> Result<()> {
    const PAUSE: Duration = Duration::from_secs(2);
    let (key, path) = ready(stack, "stream")?;
    let credential = format!("Authorization: {}", basic(&key.secret, ""));
    let pause = format!("X-Answer-Pause-Ms: {}", PAUSE.as_millis());
    let request = raw::request("GET", &path, &[&credential, "X-Answer-Body: 131072", &pause]);
    let mut stream = TcpStream::connect(stack.edge_address())?;
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    let started = Instant::now();
    stream.write_all(&request)?;
    let (mut got, mut half_after, mut chunk) = (0, None, vec![0; 64 << 10]);
    loop {
        match stream.read(&mut chunk)? {
            0 => break,
            bytes => got += bytes,
        }
        if got >= 65_536 && half_after.is_none() {
            half_after = Some(started.elapsed());
        }
    }
    let half_after = half_after.context("not even half came")?;
    ensure!(got > 131_072, "{got} bytes came");
    ensure!(half_after < PAUSE && started.elapsed() >= PAUSE, "the first half came after {half_after:?}");
    Ok(())
}

fn whatever_body(stack: &Stack) -> Result<()> {
    let (key, path) = ready(stack, "body")?;
    let credential = format!("Authorization: {}", basic(&key.secret, ""));
    let plain = Workerd::start(stack, &[])?;
    plain.applied(key.generation)?;
    for edge in [stack.edge_address(), plain.address()] {
        for (method, framing, body, arrives) in [
            ("GET", "Content-Length: 0", &b""[..], 0),
            ("GET", "Content-Length: 2", b"{}", 2),
            ("HEAD", "Content-Length: 0", b"", 0),
            ("OPTIONS", "Content-Length: 2", b"{}", 2),
            ("DELETE", "Content-Length: 2", b"{}", 2),
            ("DELETE", "Content-Length: 0", b"", 0),
            ("POST", "Content-Length: 0", b"", 0),
            ("POST", "X-No-Body: yes", b"", 0),
            ("POST", "Transfer-Encoding: chunked", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 5),
            ("PATCH", "Transfer-Encoding: chunked", b"0\r\n\r\n", 0),
        ] {
            let before = stack.origin().seen_at(&path).len();
            let request = [raw::request(method, &path, &[&credential, framing]), body.to_vec()].concat();
            let answer = raw::send(edge, &request)?;
            ensure!(answer.status == 200, "{method} with {framing} is answered with {}", answer.status);
            let seen = stack.origin().seen_at(&path);
            let seen = seen.get(before).context("the origin saw nothing")?;
            ensure!(seen.method == method && seen.body_bytes == arrives, "{method} with {framing}: {seen:?}");
        }
    }
    Ok(())
}

fn without_an_origin(stack: &Stack) -> Result<()> {
    let (key, path) = ready(stack, "nowhere")?;
    let edge = Workerd::start(stack, &[("KEYWARD_ORIGIN", "")])?;
    edge.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    for method in ["GET", "POST"] {
        let answer = edge.edge(&path).method(method).key(&key.secret).send()?.must_be(404)?;
        ensure!(answer.json()?["code"] == "no_origin", "{}", answer.text());
        ensure!(answer.header("content-type") == Some("application/problem+json"), "{:?}", answer.headers);
        ensure!(answer.header("x-keyward-request-id").is_some(), "no request id");
    }
    edge.edge(&path).send()?.must_be(401).map(drop)
}

fn an_origin_that_is_away(stack: &Stack) -> Result<()> {
    let (key, path) = ready(stack, "away")?;
    // A port that nobody listens on.
    let edge = Workerd::start(stack, &[("KEYWARD_ORIGIN", "http://127.0.0.1:9")])?;
    let answer = edge.edge(&path).key(&key.secret).send()?.must_be(502)?;
    ensure!(answer.json()?["code"] == "origin_unreachable", "{}", answer.text());
    ensure!(answer.header("x-keyward-request-id").is_some(), "no request id");
    ensure!(answer.header("www-authenticate").is_none(), "a fault of ours is told as the client's");
    edge.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    edge.edge(&path).send()?.must_be(401).map(drop)
}
