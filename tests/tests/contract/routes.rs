//! Routes: which API a path belongs to, and what that asks of a key.

use anyhow::{Result, ensure};
use keyward_tests::stack::{EdgeRequest, NewKey, basic};
use keyward_tests::{Stack, Workerd, raw};
use serde_json::json;

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("the_longest_prefix_of_whole_segments_wins", the_longest_prefix_wins),
        Test::shared("a_read_only_key_is_stopped_where_a_route_writes", a_read_only_key_is_stopped),
        Test::shared("a_path_without_route_is_for_keys_of_every_api", no_route),
        Test::shared("a_route_is_for_the_methods_it_names", methods),
        Test::shared("a_public_route_asks_no_key_and_judges_none", public_routes),
        Test::shared("a_preflight_is_public_unless_a_route_says_otherwise", preflights),
    ]
}

/// Asks, and compares the status and, of a refusal, the code.
fn must(request: EdgeRequest<'_>, what: &str, status: u16, code: &str) -> Result<()> {
    let answer = request.send()?;
    ensure!(answer.status == status, "{what} is answered with {}: {}", answer.status, answer.text());
    if status != 200 {
        ensure!(answer.header("x-keyward-code") == Some(code), "{what}: {:?}", answer.headers);
        ensure!(answer.json()?["code"] == code, "{what}: {}", answer.text());
    }
    Ok(())
}

fn get(stack: &Stack, key: &NewKey, path: &str, status: u16, code: &str) -> Result<()> {
    must(stack.edge(path).key(&key.secret), path, status, code)
}

fn the_longest_prefix_wins(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let [data, segments, base] = ["data", "segments", "base"].map(|stem| admin.fresh_name(stem));
    let root = format!("/{}", admin.fresh_name("v"));
    admin.api(&data, &json!([{"path_prefix": format!("{root}/data")}]))?;
    admin.api(&segments, &json!([{"path_prefix": format!("{root}/data/segments")}]))?;
    admin.api(&base, &json!([{"path_prefix": format!("{root}/database")}]))?;
    let of_data = admin.key_with("data", json!({"apis": [data]}))?;
    let of_segments = admin.key_with("segments", json!({"apis": [segments]}))?;
    let of_both = admin.key_with("both", json!({"apis": [segments, base]}))?;
    let of_all = admin.key("all")?;
    stack.applied(of_all.generation)?;
    // The path, and who may call it.
    for (path, by_data, by_segments, by_both) in [
        ("/data", true, false, false),
        ("/data/", true, false, false),
        ("/data/7", true, false, false),
        ("/data?segments", true, false, false),
        ("/data/segments", false, true, true),
        ("/data/segments/", false, true, true),
        ("/data/segments/7/x", false, true, true),
        ("/data/segmentsx", true, false, false),
        ("/data/x/segments", true, false, false),
        ("/database", false, false, true),
        ("/database/7", false, false, true),
        ("/dat%61base", false, false, true),
        ("/databases", false, false, false),
        ("/dat", false, false, false),
        ("/Data", false, false, false),
    ] {
        let path = format!("{root}{path}");
        for (key, may) in [(&of_data, by_data), (&of_segments, by_segments), (&of_both, by_both), (&of_all, true)] {
            get(stack, key, &path, if may { 200 } else { 403 }, "api_not_granted")?;
        }
    }
    let seen = stack.origin().seen_at(&format!("{root}/data/segments"));
    ensure!(seen.len() == 3, "the origin saw {} of two that may and one that may everything", seen.len());
    Ok(())
}

fn a_read_only_key_is_stopped(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let api = admin.fresh_name("access");
    let route = |name: &str| format!("/{api}/{name}");
    admin.api(
        &api,
        &json!([
            {"path_prefix": route("usual")},
            {"path_prefix": route("by-method"), "access": "by_method"},
            {"path_prefix": route("read"), "access": "read"},
            {"path_prefix": route("write"), "access": "write"},
        ]),
    )?;
    let reader = admin.key_with("reader", json!({"access": "read-only", "apis": [api]}))?;
    let everywhere = admin.key_with("everywhere", json!({"access": "read-only"}))?;
    let writer = admin.key_with("writer", json!({"apis": [api]}))?;
    stack.applied(writer.generation)?;
    let [safe, unsafe_] = [["GET", "HEAD", "OPTIONS"], ["POST", "PUT", "DELETE"]];
    for (path, may_read_by_safe, may_read_by_unsafe) in
        [("usual", true, false), ("by-method", true, false), ("read", true, true), ("write", false, false)]
    {
        let path = route(path);
        for (methods, may) in [(safe, may_read_by_safe), (unsafe_, may_read_by_unsafe)] {
            for method in methods.into_iter().chain((!may).then_some("PATCH")) {
                for key in [&reader, &everywhere] {
                    let request = stack.edge(&path).method(method).key(&key.secret);
                    let answer = request.send()?;
                    ensure!(
                        answer.status == if may { 200 } else { 403 },
                        "{method} {path} by a key that reads is answered with {}",
                        answer.status
                    );
                    if !may {
                        ensure!(answer.header("x-keyward-code") == Some("read_only_key"), "{:?}", answer.headers);
                    }
                }
                let request = stack.edge(&path).method(method).key(&writer.secret);
                request.send()?.must_be(200)?;
            }
        }
    }
    let credential = format!("Authorization: {}", basic(&reader.secret, ""));
    for method in ["PURGE", "LOCK", "MKCOL"] {
        let answer = stack.raw(&raw::request(method, &route("usual"), &[&credential]))?;
        ensure!(answer.status == 403 && answer.header("x-keyward-code") == Some("read_only_key"), "{answer:?}");
    }
    let stopped = stack.edge("/elsewhere").method("POST").key(&everywhere.secret);
    must(stopped, "POST without a route", 403, "read_only_key")
}

fn no_route(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let api = admin.fresh_name("routed");
    admin.api(&api, &json!([{"path_prefix": format!("/{api}")}]))?;
    let named = admin.key_with("named", json!({"apis": [api]}))?;
    let every = admin.key("every")?;
    stack.applied(every.generation)?;
    let path = format!("/{}", admin.fresh_name("unrouted"));
    get(stack, &every, &path, 200, "")?;
    get(stack, &every, "/", 200, "")?;
    get(stack, &named, &path, 403, "api_not_granted")?;
    get(stack, &named, "/", 403, "api_not_granted")?;
    get(stack, &named, &format!("/{api}"), 200, "")?;
    // Every usable key gets its pong.
    get(stack, &named, "/v1/ping", 200, "")?;
    ensure!(stack.origin().seen_at(&path).len() == 1, "the origin saw {:?}", stack.origin().seen_at(&path));
    Ok(())
}

fn methods(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let [reads, writes] = ["reads", "writes"].map(|stem| admin.fresh_name(stem));
    let path = format!("/{}", admin.fresh_name("methods"));
    admin.api(&reads, &json!([{"path_prefix": path, "methods": ["GET", "HEAD"]}]))?;
    admin.api(&writes, &json!([{"path_prefix": path, "methods": ["POST"], "access": "read"}]))?;
    let reader = admin.key_with("reads", json!({"apis": [reads]}))?;
    let writer = admin.key_with("writes", json!({"access": "read-only", "apis": [writes]}))?;
    stack.applied(writer.generation)?;
    let ask = |key: &NewKey, method: &str, status: u16| -> Result<()> {
        let answer = stack.edge(&path).method(method).key(&key.secret).send()?;
        ensure!(answer.status == status, "{method} is answered with {}", answer.status);
        Ok(())
    };
    for (method, by_reader, by_writer) in
        [("GET", 200, 403), ("HEAD", 200, 403), ("POST", 403, 200), ("PUT", 403, 403), ("DELETE", 403, 403)]
    {
        ask(&reader, method, by_reader)?;
        ask(&writer, method, by_writer)?;
    }
    Ok(())
}

fn public_routes(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let api = admin.fresh_name("public");
    let open = format!("/{api}/open");
    admin.api(&api, &json!([{"path_prefix": format!("/{api}")}, {"path_prefix": open, "access": "public"}]))?;
    let key = admin.key_with("public", json!({"access": "read-only", "apis": []})).or_else(|_| admin.key("public"))?;
    stack.applied(key.generation)?;
    let keeping = Workerd::start(stack, &[("KEYWARD_KEEP_AUTHORIZATION", "true")])?;
    let ways = [
        ("nothing", None),
        ("a usable key", Some(basic(&key.secret, ""))),
        ("an unknown key", Some(basic("0123456789abcdef0123456789abcdef", ""))),
        ("no credential", Some("Basic !".to_owned())),
    ];
    for (index, (way, credential)) in ways.iter().enumerate() {
        let with = |request| with_credential(request, credential.as_deref());
        for (at, method) in ["GET", "POST"].into_iter().enumerate() {
            let path = format!("{open}/{index}-{at}");
            must(with(stack.edge(&path)).method(method), way, 200, "")?;
            must(with(keeping.edge(&path)).method(method), way, 200, "")?;
            let seen = stack.origin().seen_at(&path);
            ensure!(seen.len() == 2, "the origin saw {} requests", seen.len());
            for seen in seen {
                let ours: Vec<_> = seen.headers.iter().filter(|(name, _)| name.starts_with("x-keyward-")).collect();
                ensure!(
                    ours.len() == 1 && ours[0].0 == "x-keyward-request-id",
                    "{way}: identity on a public route: {ours:?}"
                );
                ensure!(seen.header("authorization").is_empty(), "{way}: a credential travelled");
            }
        }
    }
    let spoofed = format!("{open}/spoofed");
    stack.edge(&spoofed).header("x-keyward-key-id", "evil").send()?.must_be(200)?;
    let seen = stack.origin().seen_at(&spoofed);
    ensure!(seen.len() == 1 && seen[0].header("x-keyward-key-id").is_empty(), "{seen:?}");
    // Beside it a key is asked as ever.
    must(stack.edge(&format!("/{api}/closed")), "beside", 401, "unauthorized")?;
    must(stack.edge(&format!("/{api}/openly")), "beside, by its first letters", 401, "unauthorized")
}

fn with_credential<'a>(request: EdgeRequest<'a>, value: Option<&str>) -> EdgeRequest<'a> {
    match value {
        Some(value) => request.header("authorization", value),
        None => request,
    }
}

fn preflights(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let api = admin.fresh_name("cors");
    let route = |name: &str| format!("/{api}/{name}");
    admin.api(
        &api,
        &json!([
            {"path_prefix": route("usual")},
            {"path_prefix": route("named"), "methods": ["GET", "OPTIONS"]},
            {"path_prefix": route("read"), "access": "read"},
        ]),
    )?;
    let key = admin.key_with("cors", json!({"apis": [api]}))?;
    stack.applied(key.generation)?;
    let ask = |path: &str, method: &str| stack.edge(path).method(method).header("origin", "https://app.example.com");
    let preflight = |path: &str| ask(path, "OPTIONS").header("access-control-request-method", "DELETE");
    let elsewhere = format!("/{}", admin.fresh_name("cors"));
    for path in [route("usual"), elsewhere.clone()] {
        must(preflight(&path), &path, 200, "")?;
        let seen = stack.origin().seen_at(&path);
        ensure!(seen.len() == 1 && seen[0].method == "OPTIONS", "{seen:?}");
        ensure!(seen[0].header("access-control-request-method") == ["DELETE"], "{seen:?}");
        ensure!(seen[0].header("x-keyward-key-id").is_empty(), "{seen:?}");
    }
    for path in [route("named"), route("read")] {
        must(preflight(&path), &path, 401, "unauthorized")?;
        must(preflight(&path).key(&key.secret), &path, 200, "")?;
    }
    for path in [route("usual"), elsewhere] {
        must(ask(&path, "OPTIONS"), "OPTIONS that is no preflight", 401, "unauthorized")?;
        let imitated = ask(&path, "DELETE").header("access-control-request-method", "DELETE");
        must(imitated, "a DELETE that says so", 401, "unauthorized")?;
    }
    Ok(())
}
