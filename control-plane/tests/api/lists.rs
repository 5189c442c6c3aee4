//! `?limit=&cursor=`, filters and order.

use serde_json::json;

use crate::service::{Reply, Service};

fn names(reply: &Reply) -> Vec<String> {
    let items = reply.body["items"].as_array().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

async fn walk(service: &Service, path: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = service.get(&format!("{path}{cursor}")).await.is(200);
        all.extend(names(&page));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn pages_neither_repeat_nor_hide_an_entry() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let mut made = Vec::new();
    for index in 0..7 {
        let name = format!("key {index}");
        service.key(&workspace, &name).await;
        made.push(name);
        // Some are made in the same millisecond, some not.
        service.pass_seconds(index % 2);
    }
    let path = format!("{workspace}/keys?limit=3&sort=name");
    assert_eq!(walk(&service, &path).await, made);
    let mut newest_first = walk(&service, &format!("{workspace}/keys?limit=2")).await;
    newest_first.sort();
    assert_eq!(newest_first, made);
    made.reverse();
    let path = format!("{workspace}/keys?limit=7&sort=-name");
    assert_eq!(walk(&service, &path).await, made);
}

#[tokio::test]
async fn workspaces_are_listed_newest_first() {
    let service = Service::start().await;
    for name in ["a", "b", "c"] {
        service.workspace(name).await;
        service.pass_seconds(1);
    }
    assert_eq!(walk(&service, "/v1/workspaces?limit=1").await, ["c", "b", "a"]);
    let page = service.get("/v1/workspaces?limit=3").await.is(200);
    assert!(page.body["next_cursor"].is_null());
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let service = Service::start().await;
    service.put("/v1/apis/data", json!({})).await.is(201);
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    for (name, access, apis, environment) in [
        ("live", "read-write", json!(["*"]), "live"),
        ("test", "read-only", json!(["data"]), "test"),
        ("off", "read-only", json!(["*"]), "live"),
        ("old", "read-only", json!(["*"]), "live"),
    ] {
        let body = json!({
            "name": name, "access": access, "apis": apis, "environment": environment,
            "external_id": format!("ext-{name}"),
        });
        let made = service.post(&keys, body).await.is(201);
        let path = made.header("location");
        if name == "off" {
            service.post(&format!("{path}/disable"), json!({})).await.is(200);
        }
        if name == "old" {
            service.post(&format!("{path}/archive"), json!({})).await.is(200);
        }
    }
    for (query, found) in [
        ("", &["live", "off", "test"][..]),
        ("status=active", &["live", "test"]),
        ("status=disabled", &["off"]),
        ("status=archived", &["old"]),
        ("access=read-only", &["off", "test"]),
        ("environment=test", &["test"]),
        ("name=live", &["live"]),
        ("external_id=ext-off", &["off"]),
        ("access=read-only&status=active", &["test"]),
        ("api=data&environment=test", &["test"]),
    ] {
        let page = service.get(&format!("{keys}?sort=name&{query}")).await;
        assert_eq!(names(&page.is(200)), found, "{query}");
    }
}

/// Keys that differ in when they were made, expire, were used last, and are to be rotated. It is the fifth
/// second of the year.
async fn keys_of_every_age(service: &Service) -> String {
    let workspace = service.workspace("Acme").await;
    for (name, members, used) in [
        ("dora", json!({ "expires_at": "2026-03-01T00:00:00Z" }), "1767225603000"),
        ("anna", json!({}), "NULL"),
        ("carl", json!({ "expires_at": "2026-02-01T00:00:00Z", "rotate_every_days": 1 }), "1767225602000"),
        ("bert", json!({ "rotate_every_days": 2 }), "1767225604000"),
    ] {
        let mut body = json!({ "name": name, "access": "read-only", "apis": ["*"] });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        service.post(&format!("{workspace}/keys"), body).await.is(201);
        service.behind(&format!("UPDATE key SET last_used_at = {used} WHERE name = '{name}'")).await;
        service.pass_seconds(1);
    }
    service.pass_seconds(1);
    format!("{workspace}/keys")
}

#[tokio::test]
async fn keys_are_found_by_when_they_were_used_expire_and_are_due() {
    let service = Service::start().await;
    let keys = keys_of_every_age(&service).await;
    // A day after the third was made.
    service.pass_seconds(86_400 - 3);
    for (query, found) in [
        // Never used, it counts from when it was made.
        ("last_used_before=2026-01-01T00:00:02Z", &["anna"][..]),
        ("last_used_before=2026-01-01T00:00:01Z", &[]),
        ("last_used_before=2026-01-01T00:00:03Z", &["anna", "carl"]),
        ("last_used_before=2026-01-02T00:00:00Z", &["anna", "bert", "carl", "dora"]),
        ("expires_before=2026-02-01T00:00:00Z", &[]),
        ("expires_before=2026-02-01T00:00:01Z", &["carl"]),
        ("expires_before=2030-01-01T00:00:00Z", &["carl", "dora"]),
        ("rotation_due=true", &["carl"]),
        ("rotation_due=false", &["anna", "bert", "dora"]),
        ("last_used_before=2026-01-02T00:00:00Z&expires_before=2030-01-01T00:00:00Z&rotation_due=false", &["dora"]),
    ] {
        let page = service.get(&format!("{keys}?sort=name&{query}")).await;
        assert_eq!(names(&page.is(200)), found, "{query}");
    }
}

#[tokio::test]
async fn every_order_is_what_its_word_says() {
    let service = Service::start().await;
    let keys = keys_of_every_age(&service).await;
    for (sort, order) in [
        ("created_at", ["dora", "anna", "carl", "bert"]),
        ("name", ["anna", "bert", "carl", "dora"]),
        ("last_used_at", ["anna", "carl", "dora", "bert"]),
    ] {
        assert_eq!(walk(&service, &format!("{keys}?limit=3&sort={sort}")).await, order, "{sort}");
        let mut reversed = order;
        reversed.reverse();
        assert_eq!(walk(&service, &format!("{keys}?limit=3&sort=-{sort}")).await, reversed, "-{sort}");
    }
    // What never expires is last, in no order of its own.
    let soonest = walk(&service, &format!("{keys}?limit=3&sort=expires_at")).await;
    assert_eq!(soonest[..2], ["carl", "dora"]);
    let mut reversed = walk(&service, &format!("{keys}?limit=3&sort=-expires_at")).await;
    reversed.reverse();
    assert_eq!(reversed, soonest);
    assert_eq!(walk(&service, &format!("{keys}?limit=3")).await, ["bert", "carl", "anna", "dora"], "newest first");
}

#[tokio::test]
async fn the_list_of_archived_keys_holds_the_last_ten_and_the_others_stay_readable() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let mut keys = Vec::new();
    for number in 0..12 {
        keys.push(service.key(&workspace, &format!("key {number:02}")).await);
        service.pass_seconds(1);
    }
    // The newest are archived first: it goes by when that was.
    for key in keys.iter().rev() {
        service.post(&format!("{key}/archive"), json!({})).await.is(200);
        service.pass_seconds(1);
    }
    let path = format!("{workspace}/keys?status=archived&sort=name&limit=4");
    let last: Vec<String> = (0..10).map(|number| format!("key {number:02}")).collect();
    assert_eq!(walk(&service, &path).await, last);
    for key in &keys {
        assert_eq!(service.get(key).await.is(200).text("status"), "archived");
    }
    assert!(walk(&service, &format!("{workspace}/keys?sort=name")).await.is_empty());
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    for (query, code, field) in [
        ("limit=0", "bad_parameter", "limit"),
        ("limit=201", "bad_parameter", "limit"),
        ("limit=x", "bad_parameter", "limit"),
        ("limit=1&limit=2", "bad_parameter", "limit"),
        ("cursor=x", "bad_parameter", "cursor"),
        ("status=gone", "bad_parameter", "status"),
        ("member=key_1", "bad_parameter", "member"),
        ("api=none", "bad_parameter", "api"),
        ("sort=size", "bad_parameter", "sort"),
        ("expires_before=soon", "bad_parameter", "expires_before"),
        ("rotation_due=maybe", "bad_parameter", "rotation_due"),
        ("page=2", "unknown_parameter", "page"),
    ] {
        let refused = service.get(&format!("{keys}?{query}")).await;
        refused.is_problem(400, code, Some(field));
    }
    let page = service.get(&format!("{keys}?limit=1")).await.is(200);
    assert!(page.body["next_cursor"].is_null());
    for path in ["/v1/settings?x=1", &format!("{workspace}?x=1"), "/v1/apis?x=1"] {
        let refused = service.get(path).await;
        refused.is_problem(400, "unknown_parameter", Some("x"));
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for name in ["a", "b", "c"] {
        service.key(&workspace, name).await;
    }
    let keys = format!("{workspace}/keys");
    let page = service.get(&format!("{keys}?limit=1")).await.is(200);
    let cursor = page.text("next_cursor");
    let other = format!("{keys}?limit=1&sort=name&cursor={cursor}");
    let refused = service.get(&other).await;
    refused.is_problem(400, "bad_parameter", Some("cursor"));
}
