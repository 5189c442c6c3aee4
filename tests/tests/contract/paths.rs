//! What is judged is exactly what is forwarded: paths that hops could read differently are refused, all
//! others arrive byte for byte.
//!
//! Asked of plain workerd, because wrangler's proxy tidies paths before a Worker sees them.

use anyhow::{Context, Result, ensure};
use keyward_tests::raw::{self, RawAnswer};
use keyward_tests::stack::basic;
use keyward_tests::{Stack, Workerd};

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("a_path_that_can_be_read_in_two_ways_is_never_forwarded", bad_paths),
        Test::shared("a_path_that_is_none_is_refused_by_the_runtime", no_paths),
        Test::shared("a_good_path_reaches_the_origin_byte_for_byte", good_paths),
        Test::shared("an_absolute_target_is_judged_by_its_path", absolute_targets),
    ]
}

/// Each below a directory of the test's own, so that one that slipped through would be seen.
const BAD: [&str; 47] = [
    "/DIR/../DIR",
    "/DIR/a/../b",
    "/DIR/..",
    "/DIR/.",
    "/DIR/./a",
    "/./DIR/a",
    "/../DIR/a",
    "/DIR/a/...//",
    "/DIR/%2e%2e/DIR",
    "/DIR/%2E%2E/DIR",
    "/DIR/.%2e/DIR",
    "/DIR/%2e./DIR",
    "/DIR/%2e/a",
    "/DIR/a%2eb",
    "/DIR/a%2Eb",
    "/DIR//a",
    "//DIR/a",
    "/DIR/a//",
    "///DIR",
    "/DIR\\a",
    "\\DIR\\a",
    "/DIR/..\\DIR",
    "/DIR%5ca",
    "/DIR%5Ca",
    "/DIR/..%5cDIR",
    "/DIR%2fa",
    "/DIR%2Fa",
    "/DIR/..%2fDIR",
    "/DIR/%2e%2e%2fDIR",
    "/DIR/a%00",
    "/DIR/%00",
    "/DIR/a%00.json",
    "/DIR/a%0a",
    "/DIR/a%0D%0Ax-keyward-key-id:%20evil",
    "/DIR/a%09b",
    "/DIR/a%7f",
    "/DIR/..;/DIR",
    "/DIR/..;x=y/DIR",
    "/DIR/.;/a",
    "/DIR/;x/a",
    "/DIR/%",
    "/DIR/a%4",
    "/DIR/a%zz",
    "/DIR/a%u002e",
    "/DIR/a\"b",
    "/DIR/{id}",
    "/DIR/a^b",
];

/// With bytes that no request target may hold; none reaches the Worker.
const NONE: [&str; 5] = ["/DIR/a b", "/DIR/a\tb", "/DIR/<a>", "/DIR/a`b", "/DIR/a?b=c d"];

/// Path and query as they are sent.
const GOOD: [(&str, Option<&str>); 20] = [
    ("/DIR/a%20b;c=d", Some("x=%2F&y=..")),
    ("/DIR", None),
    ("/DIR/", None),
    ("/DIR/", Some("")),
    ("/DIR/a.b/..c/...", None),
    ("/DIR/.well-known/x", None),
    ("/DIR/~user/@me:you", None),
    ("/DIR/!$&'()*+,;=", None),
    ("/DIR/[1]|2", None),
    ("/DIR/%c3%a4/%C3%A4", None),
    ("/DIR/%41%61%7e", None),
    ("/DIR/100%25", None),
    ("/DIR/%252e%252e/a", None),
    ("/DIR/a", Some("next=/../..//a&b=\\c")),
    ("/DIR/a", Some("a=%00&b=%2e%2e%2f")),
    ("/DIR/a", Some("a=b?c=d??")),
    ("/DIR/a", Some("{a}^[b]|")),
    ("/DIR/a", Some("&&==&a&")),
    ("/DIR/a", Some("a+b=%2B&a+b=%20")),
    ("/DIR/a", Some("/.keyward/status")),
];

struct Case {
    edge: Workerd,
    credential: String,
    dir: String,
}

impl Case {
    fn new(stack: &Stack, stem: &str) -> Result<Self> {
        let admin = stack.admin()?;
        let key = admin.key(stem)?;
        let edge = Workerd::start(stack, &[])?;
        edge.applied(key.generation)?;
        let credential = format!("Authorization: {}", basic(&key.secret, ""));
        Ok(Self { edge, credential, dir: admin.fresh_name(stem) })
    }

    fn ask(&self, target: &str, with_key: bool) -> Result<RawAnswer> {
        let lines = if with_key { vec![self.credential.as_str()] } else { vec![] };
        self.edge.raw(&raw::request("GET", &target.replace("DIR", &self.dir), &lines))
    }

    /// What the origin saw of this case, however its path came there.
    fn seen(&self, stack: &Stack) -> Vec<String> {
        let seen = stack.origin().seen().into_iter();
        seen.map(|seen| seen.path).filter(|path| path.contains(&self.dir)).collect()
    }
}

fn bad_paths(stack: &Stack) -> Result<()> {
    let case = Case::new(stack, "bad-path")?;
    for target in BAD {
        let answer = case.ask(target, true)?;
        // A target that begins with no slash is none; the runtime says so itself.
        if !target.starts_with('/') {
            ensure!(answer.status == 400 || answer.status == 403, "{target} is answered with {}", answer.status);
            continue;
        }
        ensure!(answer.status == 403, "{target} is answered with {}", answer.status);
        ensure!(answer.header("x-keyward-code") == Some("bad_path"), "{target}: {:?}", answer.headers);
        ensure!(String::from_utf8_lossy(&answer.content()).contains(r#""code":"bad_path""#));
        let nobody = case.ask(target, false)?;
        ensure!(nobody.status == 401, "{target} without a key is answered with {}", nobody.status);
    }
    let seen = case.seen(stack);
    ensure!(seen.is_empty(), "the origin saw {seen:?}");
    Ok(())
}

fn no_paths(stack: &Stack) -> Result<()> {
    let case = Case::new(stack, "no-path")?;
    for target in NONE {
        let answer = case.ask(target, true)?;
        ensure!(answer.status == 400, "{target} is answered with {}", answer.status);
    }
    let seen = case.seen(stack);
    ensure!(seen.is_empty(), "the origin saw {seen:?}");
    Ok(())
}

fn good_paths(stack: &Stack) -> Result<()> {
    let case = Case::new(stack, "good-path")?;
    for (path, query) in GOOD {
        let path = path.replace("DIR", &case.dir);
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let before = stack.origin().seen_at(&path).len();
        let answer = case.ask(&target, true)?;
        ensure!(answer.status == 200, "{target} is answered with {}", answer.status);
        let seen = stack.origin().seen_at(&path);
        ensure!(seen.len() == before + 1, "{target} arrived as {:?}", stack.origin().seen().last());
        let arrived = seen.last().and_then(|seen| seen.query.clone());
        ensure!(arrived.as_deref() == query, "the query of {target} arrived as {arrived:?}");
        let nobody = case.ask(&target, false)?;
        ensure!(nobody.status == 401, "{target} without a key is answered with {}", nobody.status);
    }
    Ok(())
}

/// RFC 9112, section 3.2.2: a server must take a whole URL for a target too. Its host is not believed.
fn absolute_targets(stack: &Stack) -> Result<()> {
    let case = Case::new(stack, "absolute")?;
    let path = format!("/{}/a", case.dir);
    let good = case.ask("http://other.test/DIR/a?b=c", true)?;
    ensure!(good.status == 200, "answered with {}", good.status);
    let seen = stack.origin().seen_at(&path);
    let seen = seen.first().context("the origin saw nothing")?;
    ensure!(seen.query.as_deref() == Some("b=c"), "{seen:?}");
    ensure!(seen.header("host") == [host_of(&stack.origin().url())], "{seen:?}");
    for target in ["http://other.test/DIR/../DIR", "http://other.test//DIR", "http://edge.test/DIR/%2e%2e/DIR"] {
        let answer = case.ask(target, true)?;
        ensure!(answer.status == 403, "{target} is answered with {}", answer.status);
    }
    Ok(())
}

fn host_of(url: &str) -> &str {
    url.trim_start_matches("http://")
}
