//! Why a request was refused, asked for by the id that its answer had; and who is refused most.

use std::fs;
use std::time::Duration;

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result, ensure};
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::Digest;
use keyward_tests::stack::{Admin, EdgeRequest, NewKey, basic, eventually, generation};
use keyward_tests::{Stack, Workerd, clock};
use serde_json::{Value, json};

use crate::Test;
use crate::permissions::somebody;
use crate::usage::fingerprint;

/// The pause between two reports, and some more on a busy machine.
const REPORTED: Duration = Duration::from_mins(1);
/// How far two clocks of one machine are read apart.
const READ_APART_MS: i64 = 1_000;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("a_refusal_is_explained_by_the_id_that_its_answer_had", explained).slow(),
        Test::shared("those_refused_most_are_summed_over_edges_and_no_key_is_kept", summed).slow(),
    ]
}

/// A refusal at the edge, and what is to be known of it.
struct Refused {
    id: String,
    status: u16,
    code: Value,
    reason: &'static str,
    secret: Option<String>,
    key: Option<NewKey>,
    between: (i64, i64),
}

/// Sends what is refused for this reason.
fn refused(
    request: EdgeRequest<'_>,
    reason: &'static str,
    secret: Option<&str>,
    key: Option<&NewKey>,
) -> Result<Refused> {
    let before = clock::now_ms();
    let answer = request.send()?;
    let id = answer.header("x-keyward-request-id").context("no request id")?.to_owned();
    ensure!(answer.status >= 400, "{reason}: {}", answer.status);
    Ok(Refused {
        id,
        status: answer.status,
        code: answer.json()?["code"].clone(),
        reason,
        secret: secret.map(str::to_owned),
        key: key.cloned(),
        between: (before - READ_APART_MS, clock::now_ms() + READ_APART_MS),
    })
}

fn explained(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (usable, disabled, archived) = (admin.key("usable")?, admin.key("disabled")?, admin.key("archived")?);
    let reads = admin.key_with("reads", json!({"access": "read-only"}))?;
    let bound = admin.key_with("bound", json!({"restrictions": {"ips": ["198.51.100.0/24"]}}))?;
    admin.act(&disabled, "disable", &json!({"reason": "tried out"}))?;
    let last = generation(&admin.act(&archived, "archive", &json!({}))?)?;
    let edge = Workerd::start(stack, &[("KEYWARD_CLIENT_ADDRESS", "xff:1")])?;
    edge.applied(last)?;
    let mut mistyped = usable.secret.clone();
    let replaced = if mistyped.pop() == Some('a') { 'b' } else { 'a' };
    mistyped.push(replaced);
    let stranger = format!("{}-nobody-ever-had-this", admin.fresh_name("stranger"));
    let ping = || edge.edge("/v1/ping").header("x-forwarded-for", "203.0.113.5");
    let with = |key: &NewKey| ping().key(&key.secret);
    let all = [
        refused(ping(), "no_credentials", None, None)?,
        refused(ping().header("authorization", "Basic !"), "malformed", None, None)?,
        refused(ping().key(&mistyped), "check_digits", None, None)?,
        refused(ping().key(&stranger), "unknown", Some(&stranger), None)?,
        refused(with(&archived), "unknown", Some(&archived.secret), Some(&archived))?,
        refused(with(&disabled), "disabled", Some(&disabled.secret), Some(&disabled))?,
        refused(ping().basic("somebody", &usable.secret), "wrong_user", Some(&usable.secret), Some(&usable))?,
        refused(with(&bound), "restricted", Some(&bound.secret), Some(&bound))?,
        refused(
            edge.edge("/refusals").method("POST").key(&reads.secret),
            "read_only_key",
            Some(&reads.secret),
            Some(&reads),
        )?,
        refused(edge.edge("//refusals").key(&usable.secret), "bad_path", Some(&usable.secret), Some(&usable))?,
    ];
    for refused in &all {
        let told = told(&admin, &edge, &refused.id)?;
        is_of(stack, &told, refused).with_context(|| format!("{}: {told}", refused.reason))?;
    }
    // What was allowed is none, and an id of nobody neither; both are told why.
    let allowed = with(&usable).send()?.must_be(200)?;
    let allowed = allowed.header("x-keyward-request-id").context("no request id")?.to_owned();
    for id in [allowed, "00112233445566778899-1".to_owned()] {
        let unknown = admin.post("/v1/explain", &json!({"request_id": id}))?.must_be(404)?.json()?;
        ensure!(unknown["detail"].as_str().is_some_and(|detail| detail.contains("7 days")), "{unknown}");
    }
    // A member is told of the own workspace's keys alone.
    let (_, owner) = somebody(&admin, &disabled.workspace, "owner")?;
    let theirs = stack.admin_with(&owner);
    for refused in &all {
        let is_own = refused.key.as_ref().is_some_and(|key| key.id == disabled.id);
        let answer = theirs.post("/v1/explain", &json!({"request_id": refused.id}))?;
        ensure!(answer.status == if is_own { 200 } else { 404 }, "{}: {}", refused.reason, answer.text());
    }
    Ok(())
}

/// The explanation of a refusal, once the edge has told of it.
fn told(admin: &Admin, edge: &Workerd, id: &str) -> Result<Value> {
    let mut told = Value::Null;
    eventually(REPORTED, || {
        // What asks without a key makes it report.
        edge.edge("/v1/ping").send()?.must_be(401)?;
        told = admin.post("/v1/explain", &json!({"request_id": id}))?.must_be(200)?.json()?;
        Ok(())
    })?;
    Ok(told)
}

fn is_of(stack: &Stack, told: &Value, refused: &Refused) -> Result<()> {
    let Refused { id, status, code, reason, secret, key, between: (earliest, latest) } = refused;
    ensure!(told["verdict"] == "deny" && told["status"] == *status && told["code"] == *code, "another refusal");
    ensure!(told["reason"] == *reason, "another reason");
    ensure!(told["edge"].as_str() == id.split('-').next(), "another edge");
    let at = clock::ms_of(&told["at"])?;
    ensure!((*earliest..=*latest).contains(&at), "at another time than {earliest} to {latest}");
    match secret {
        Some(secret) => {
            let fingerprint = fingerprint(&Workerd::variables(stack, &[])?, secret)?;
            ensure!(told["fingerprint"] == hex::encode(fingerprint.as_bytes()), "another fingerprint");
            ensure!(!told.to_string().contains(secret.as_str()), "the key is repeated");
        }
        None => ensure!(told["fingerprint"].is_null(), "a fingerprint of nothing"),
    }
    match key {
        Some(key) => ensure!(told["key"]["id"] == key.id && told["key"]["workspace_id"] == key.workspace),
        None => ensure!(told["key"].is_null() && told["slot"].is_null()),
    }
    Ok(())
}

fn summed(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let disabled = admin.key("hammered")?;
    let last = generation(&admin.act(&disabled, "disable", &json!({}))?)?;
    let stranger = format!("{}-nobody-ever-had-this", admin.fresh_name("hammering"));
    let address = "2001:db8:77::1";
    let edges = [(); 2].map(|()| Workerd::start(stack, &[("KEYWARD_CLIENT_ADDRESS", "xff:1")]));
    let edges = edges.into_iter().collect::<Result<Vec<_>>>()?;
    for (edge, times) in edges.iter().zip([40, 25]) {
        edge.applied(last)?;
        for secret in [&stranger, &disabled.secret] {
            for _ in 0..times {
                edge.edge("/v1/ping").header("x-forwarded-for", address).key(secret).send()?.must_be(401)?;
            }
        }
    }
    let variables = Workerd::variables(stack, &[])?;
    let (unknown, known) = (fingerprint(&variables, &stranger)?, fingerprint(&variables, &disabled.secret)?);
    let digits = [unknown, known].map(|fingerprint| hex::encode(fingerprint.as_bytes()));
    eventually(REPORTED, || {
        for edge in &edges {
            edge.edge("/v1/ping").send()?.must_be(401)?;
        }
        let of = |what: &str, who: &str| entry(&admin, what, who);
        let [unknown, known] = [of("fingerprint", &digits[0])?, of("fingerprint", &digits[1])?];
        let from_there = of("address", address)?;
        for (told, count) in [(&unknown, 65), (&known, 65), (&from_there, 130)] {
            ensure!(told["count"] == count && told["error"] == 0, "{told}, expected {count}");
        }
        ensure!(unknown["reason"] == "unknown" && unknown["key"].is_null(), "{unknown}");
        ensure!(known["reason"] == "disabled" && known["key"]["id"] == disabled.id, "{known}");
        ensure!(known["key"]["workspace_id"] == disabled.workspace, "{known}");
        ensure!(from_there["reason"].is_null() && from_there["key"].is_null(), "{from_there}");
        Ok(())
    })?;
    is_not_kept(stack, &stranger, unknown.as_bytes())
}

/// The entry of those refused most that has this, wherever in the list it is.
fn entry(admin: &Admin, what: &str, who: &str) -> Result<Value> {
    let by = if what == "address" { "address" } else { "key" };
    let first = format!("/v1/edges/refusals?by={by}&limit=200");
    let mut path = first.clone();
    loop {
        let page = admin.get(&path)?.must_be(200)?.json()?;
        let items = page["items"].as_array().context("no list")?;
        if let Some(found) = items.iter().find(|item| item[what] == who) {
            return Ok(found.clone());
        }
        let next = page["next_cursor"].as_str().with_context(|| format!("{who} is not told of"))?;
        path = format!("{first}&cursor={next}");
    }
}

/// Of a key that was shown to an edge, the database has the fingerprint and nothing else.
fn is_not_kept(stack: &Stack, secret: &str, fingerprint: &[u8]) -> Result<()> {
    let digest = Digest::of(&ApiKey::parse(secret).ok().context("no key")?);
    let sent = basic(secret, "");
    let sought: [&[u8]; 4] = [
        secret.as_bytes(),
        sent.strip_prefix("Basic ").context("no scheme")?.as_bytes(),
        digest.as_bytes(),
        &hex::encode(digest.as_bytes()).into_bytes(),
    ];
    let (any, own) = (AhoCorasick::new(sought)?, AhoCorasick::new([fingerprint])?);
    let mut is_there = false;
    for name in ["keyward.db", "keyward.db-wal"] {
        let Ok(content) = fs::read(stack.control_plane().data_dir.join(name)) else { continue };
        ensure!(!any.is_match(&content), "the key is in {name}");
        is_there |= own.is_match(&content);
    }
    ensure!(is_there, "not even the fingerprint is there: another database was looked through");
    Ok(())
}
