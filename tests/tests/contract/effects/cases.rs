//! What is done to a key or to what it may call, and how the edge judges it before and after.

use anyhow::{Context, Result};
use keyward_tests::stack::{Admin, NewKey};
use keyward_tests::{Stack, clock};
use serde_json::json;

/// One thing that can be done, with everything it needs made ready.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) before: Vec<Probe>,
    /// Does it, and says what holds from then on.
    pub(super) act: Act,
}

type Act = Box<dyn FnOnce(&Admin) -> Result<Vec<Probe>>>;

/// One request to the edge and the status that it must be answered with.
pub(super) struct Probe {
    method: &'static str,
    path: String,
    user: String,
    password: String,
    status: u16,
}

impl Probe {
    pub(super) fn ping(secret: &str, status: u16) -> Self {
        Self::at("GET", "/v1/ping", secret, status)
    }

    pub(super) fn at(method: &'static str, path: &str, secret: &str, status: u16) -> Self {
        Self { method, path: path.to_owned(), user: secret.to_owned(), password: String::new(), status }
    }

    pub(super) fn of_user(user: &str, secret: &str, status: u16) -> Self {
        let ping = Self::ping(secret, status);
        Self { user: user.to_owned(), password: secret.to_owned(), ..ping }
    }

    /// Asks, and compares.
    pub(super) fn holds(&self, stack: &Stack) -> Result<()> {
        let Self { method, path, user, password, status } = self;
        let request = stack.edge(path).method(method).basic(user, password);
        let shown = format!("{method} {path} with a key that ends in {}", &user[user.len().saturating_sub(4)..]);
        request.send()?.must_be(*status).map(drop).context(shown)
    }
}

/// Every case, each with a workspace of its own.
pub(super) fn all(admin: &Admin) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    lifecycle(admin, &mut cases)?;
    rotation(admin, &mut cases)?;
    edits(admin, &mut cases)?;
    super::workspace_cases::workspaces(admin, &mut cases)?;
    apis(admin, &mut cases)?;
    super::people_cases::people(admin, &mut cases)?;
    super::bulk_cases::bulk(admin, &mut cases)?;
    Ok(cases)
}

pub(super) fn case(
    name: &'static str,
    before: Vec<Probe>,
    act: impl FnOnce(&Admin) -> Result<Vec<Probe>> + 'static,
) -> Case {
    Case { name, before, act: Box::new(act) }
}

/// A verb without a body, on a key that is usable, and what the key is good for afterwards.
fn verb(name: &'static str, key: NewKey, before: u16, after: u16) -> Case {
    let probe = Probe::ping(&key.secret, before);
    case(name, vec![probe], move |admin| {
        admin.act(&key, name, &json!({}))?;
        Ok(vec![Probe::ping(&key.secret, after)])
    })
}

fn lifecycle(admin: &Admin, cases: &mut Vec<Case>) -> Result<()> {
    let workspace = admin.workspace("create")?["id"].as_str().unwrap_or_default().to_owned();
    cases.push(case("create", vec![], move |admin| {
        let key = admin.key_in(&workspace, "create", json!({}))?;
        Ok(vec![Probe::ping(&key.secret, 200), Probe::of_user(&key.id, &key.secret, 200)])
    }));
    cases.push(verb("disable", admin.key("disable")?, 200, 401));
    let disabled = admin.key("enable")?;
    admin.act(&disabled, "disable", &json!({}))?;
    cases.push(verb("enable", disabled, 401, 200));
    cases.push(verb("archive", admin.key("archive")?, 200, 401));
    let key = admin.key("delete")?;
    cases.push(case("delete", vec![Probe::ping(&key.secret, 200)], move |admin| {
        admin.delete(&key.path())?.must_be(200)?;
        Ok(vec![Probe::ping(&key.secret, 401)])
    }));
    Ok(())
}

fn rotation(admin: &Admin, cases: &mut Vec<Case>) -> Result<()> {
    for (name, grace, old_status) in [("rotate with grace", 600, 200), ("rotate with none", 0, 401)] {
        let old = admin.key("rotate")?;
        cases.push(case(name, vec![Probe::ping(&old.secret, 200)], move |admin| {
            let new = admin.rotate(&old, grace)?;
            Ok(vec![Probe::ping(&old.secret, old_status), Probe::ping(&new.secret, 200)])
        }));
    }
    // Every older secret ends, of which there may be two: the retiring one, in use or paused, and the one
    // that was the newest.
    for (name, paused, retiring) in
        [("rotate with none, in a rotation", false, 200), ("rotate with none, in a paused rotation", true, 401)]
    {
        let oldest = admin.key("rotate")?;
        let older = admin.rotate(&oldest, 600)?;
        if paused {
            admin.act(&oldest, "rotation/pause", &json!({}))?;
        }
        let before = vec![Probe::ping(&oldest.secret, retiring), Probe::ping(&older.secret, 200)];
        cases.push(case(name, before, move |admin| {
            let newest = admin.rotate(&oldest, 0)?;
            // Nothing is left that could be taken up again.
            admin.try_act(&oldest, "rotation/resume", &json!({}))?.must_be(409)?;
            Ok(vec![
                Probe::ping(&oldest.secret, 401),
                Probe::ping(&older.secret, 401),
                Probe::ping(&newest.secret, 200),
            ])
        }));
    }
    // The older secret afterwards, and the newer one.
    for (name, body, older, newer) in [
        ("rotation/finish", json!({}), 401, 200),
        ("rotation/cancel", json!({}), 200, 401),
        ("rotation/pause", json!({}), 401, 200),
        ("rotation/extend", json!({"grace_seconds": 1}), 401, 200),
    ] {
        let old = admin.key("rotation")?;
        let new = admin.rotate(&old, 600)?;
        let before = vec![Probe::ping(&old.secret, 200), Probe::ping(&new.secret, 200)];
        cases.push(case(name, before, move |admin| {
            admin.act(&old, name, &body)?;
            Ok(vec![Probe::ping(&old.secret, older), Probe::ping(&new.secret, newer)])
        }));
    }
    let old = admin.key("resume")?;
    admin.rotate(&old, 600)?;
    admin.act(&old, "rotation/pause", &json!({}))?;
    cases.push(verb("rotation/resume", old, 401, 200));
    Ok(())
}

fn edits(admin: &Admin, cases: &mut Vec<Case>) -> Result<()> {
    let path = "/effects/edits";
    // What is changed, and what GET and POST are answered before and after.
    for (name, made, edit, before, after) in [
        ("PATCH access, narrower", json!({}), json!({"access": "read-only"}), (200, 200), (200, 403)),
        (
            "PATCH access, wider",
            json!({"access": "read-only"}),
            json!({"access": "read-write"}),
            (200, 403),
            (200, 200),
        ),
        (
            "PATCH restrictions, narrower",
            json!({}),
            json!({"restrictions": {"ips": ["203.0.113.0/24"]}}),
            (200, 200),
            (403, 403),
        ),
        (
            "PATCH restrictions, none",
            json!({"restrictions": {"ips": ["203.0.113.0/24"]}}),
            json!({"restrictions": null}),
            (403, 403),
            (200, 200),
        ),
    ] {
        let key = admin.key_with("edit", made)?;
        let both = |(get, post): (u16, u16), secret: &str| {
            vec![Probe::at("GET", path, secret, get), Probe::at("POST", path, secret, post)]
        };
        cases.push(case(name, both(before, &key.secret), move |admin| {
            admin.patch(&key.path(), &edit)?.must_be(200)?;
            Ok(both(after, &key.secret))
        }));
    }
    let key = admin.key("expires")?;
    cases.push(case("expires_at passes", vec![Probe::ping(&key.secret, 200)], move |admin| {
        let at = clock::rfc3339(clock::now_ms() + 2_000)?;
        admin.patch(&key.path(), &json!({"expires_at": at}))?.must_be(200)?;
        Ok(vec![Probe::ping(&key.secret, 401)])
    }));
    let key = admin.key("renamed")?;
    cases.push(case("PATCH name", vec![Probe::ping(&key.secret, 200)], move |admin| {
        admin.patch(&key.path(), &json!({"name": "renamed"}))?.must_be(200)?;
        Ok(vec![Probe::ping(&key.secret, 200)])
    }));
    Ok(())
}

fn apis(admin: &Admin, cases: &mut Vec<Case>) -> Result<()> {
    let api = |admin: &Admin, name: &str, path: &str| {
        let body = json!({"routes": [{"path_prefix": path}]});
        let answer = admin.put(&format!("/v1/apis/{name}"), &body)?;
        anyhow::ensure!(matches!(answer.status, 200 | 201), "{answer:?}");
        anyhow::Ok(())
    };
    let (one, other) = (admin.fresh_name("one"), admin.fresh_name("other"));
    let (path_of_one, path_of_other) = (format!("/{one}"), format!("/{other}"));
    api(admin, &one, &path_of_one)?;
    api(admin, &other, &path_of_other)?;

    let key = admin.key_with("apis", json!({"apis": [one]}))?;
    let probes = move |secret: &str, on_one: u16, on_other: u16| {
        vec![Probe::at("GET", &path_of_one, secret, on_one), Probe::at("GET", &path_of_other, secret, on_other)]
    };
    let granted = other;
    cases.push(case("PATCH apis", probes(&key.secret, 200, 403), move |admin| {
        admin.patch(&key.path(), &json!({"apis": [granted]}))?.must_be(200)?;
        Ok(probes(&key.secret, 403, 200))
    }));

    let moved = admin.fresh_name("moved");
    let (from, to) = (format!("/{moved}/from"), format!("/{moved}/to"));
    api(admin, &moved, &from)?;
    let key = admin.key_with("moved", json!({"apis": [moved]}))?;
    let probes = move |secret: &str, at_from: u16, at_to: u16| {
        vec![Probe::at("GET", &from, secret, at_from), Probe::at("GET", &to, secret, at_to)]
    };
    cases.push(case("an API's route moves", probes(&key.secret, 200, 403), move |admin| {
        api(admin, &moved, &format!("/{moved}/to"))?;
        Ok(probes(&key.secret, 403, 200))
    }));

    let gone = admin.fresh_name("gone");
    let path = format!("/{gone}");
    api(admin, &gone, &path)?;
    let key = admin.key_with("gone", json!({"apis": [gone]}))?;
    cases.push(case("an API is deleted", vec![Probe::at("GET", &path, &key.secret, 200)], move |admin| {
        admin.delete(&format!("/v1/apis/{gone}"))?.must_be(200)?;
        Ok(vec![Probe::at("GET", &path, &key.secret, 403)])
    }));
    Ok(())
}
