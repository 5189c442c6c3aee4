//! Lists of keys: order, pages, filters.

use keyward_control_plane::domain::edit::Edit;
use keyward_control_plane::domain::key::query::KeySort;
use keyward_control_plane::lifecycle::{
    ArchiveKey, CreateKey, DisableKey, KeyFields, KeyListInput, KeyPatch, KeySource, Missing, Page, PatchKey, Refusal,
};
use keyward_shared::id::WorkspaceId;
use keyward_shared::policy::Access;

use crate::house::{House, create, fields, system};

async fn names(house: &House, workspace: WorkspaceId, input: &KeyListInput, limit: u64) -> Vec<String> {
    let mut names = Vec::new();
    let mut page = Page { limit: Some(limit), cursor: None };
    loop {
        let listed = house.lifecycle.list_keys(&system(), workspace, input, &page, house.now()).await.expect("a page");
        assert!(listed.items.len() <= usize::try_from(limit).expect("small"));
        names.extend(listed.items.iter().map(|view| view.key.name.as_str().to_owned()));
        page.cursor = listed.next_cursor;
        if page.cursor.is_none() {
            return names;
        }
    }
}

fn sorted_by(sort: &str) -> KeyListInput {
    KeyListInput { sort: Some(sort.to_owned()), ..KeyListInput::default() }
}

#[tokio::test]
async fn every_order_gives_every_key_once_whatever_the_page() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    for number in 0_u32..23 {
        let expires_at = (number % 3 != 0).then(|| house.now().plus_seconds(1_000 + number % 5));
        let fields = KeyFields { expires_at, ..fields(&format!("key {:02}", number * 7 % 23)) };
        house.run(CreateKey { workspace: workspace.id, fields, source: KeySource::Generate }).await.expect("a key");
        house.pass(number % 2);
    }
    let mut all = names(&house, workspace.id, &sorted_by("name"), 200).await;
    assert_eq!(all.len(), 23);
    assert!(all.is_sorted());
    for sort in KeySort::WORDS {
        let whole = names(&house, workspace.id, &sorted_by(sort), 200).await;
        for limit in [1, 4, 23] {
            assert_eq!(names(&house, workspace.id, &sorted_by(sort), limit).await, whole, "{sort} {limit}");
        }
        let opposite = sort.strip_prefix('-').map_or_else(|| format!("-{sort}"), ToOwned::to_owned);
        let mut reversed = names(&house, workspace.id, &sorted_by(&opposite), 7).await;
        reversed.reverse();
        assert_eq!(reversed, whole, "{sort}");
    }
    all.reverse();
    assert_eq!(names(&house, workspace.id, &sorted_by("-name"), 5).await, all);
    let never = names(&house, workspace.id, &sorted_by("expires_at"), 200).await.split_off(15);
    assert_eq!(never.len(), 8, "what never expires is last");
}

#[tokio::test]
async fn filters_narrow_and_combine() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let made = house.now();
    let base = |name: &str| CreateKey { ..create(workspace.id, name) };
    let with = |name: &str, change: fn(&mut KeyFields)| {
        let mut create = base(name);
        change(&mut create.fields);
        create
    };
    house.run(base("plain")).await.expect("a key");
    house.run(with("writer", |fields| fields.access = Access::ReadWrite)).await.expect("a key");
    house.run(with("all", |fields| fields.apis = vec!["*".to_owned()])).await.expect("a key");
    house.run(with("push", |fields| fields.apis = vec!["push".to_owned()])).await.expect("a key");
    house
        .run(with("named", |fields| {
            fields.external_id = Some("42".to_owned());
        }))
        .await
        .expect("a key");
    house.run(with("due", |fields| fields.rotate_every_days = Some(1))).await.expect("a key");
    let soon = house.now().plus_seconds(90_000);
    let mut expiring = base("expiring");
    expiring.fields.expires_at = Some(soon);
    house.run(expiring).await.expect("a key");
    let (stopped, _) = house.key(workspace.id, "stopped").await;
    house.run(DisableKey { target: stopped }).await.expect("disabled");
    let (archived, _) = house.key(workspace.id, "archived").await;
    house.run(ArchiveKey { target: archived }).await.expect("archived");
    house.pass(86_400);

    let text = |text: &str| Some(text.to_owned());
    let none = KeyListInput::default();
    let cases = [
        (none.clone(), "all due expiring named plain push stopped writer"),
        (KeyListInput { status: text("active"), ..none.clone() }, "all due expiring named plain push writer"),
        (KeyListInput { status: text("disabled"), ..none.clone() }, "stopped"),
        (KeyListInput { status: text("archived"), ..none.clone() }, "archived"),
        (KeyListInput { status: text("expired"), ..none.clone() }, ""),
        (KeyListInput { name: text("plain"), ..none.clone() }, "plain"),
        (KeyListInput { access: text("read-write"), ..none.clone() }, "writer"),
        (KeyListInput { api: text("push"), ..none.clone() }, "all push"),
        (KeyListInput { api: text("push"), access: text("read-write"), ..none.clone() }, ""),
        (KeyListInput { environment: text("test"), ..none.clone() }, ""),
        (KeyListInput { external_id: text("42"), ..none.clone() }, "named"),
        (KeyListInput { rotation_due: Some(true), ..none.clone() }, "due"),
        (KeyListInput { rotation_due: Some(false), status: text("disabled"), ..none.clone() }, "stopped"),
        (KeyListInput { expires_before: Some(soon.plus_seconds(1)), ..none.clone() }, "expiring"),
        (KeyListInput { expires_before: Some(soon), ..none.clone() }, ""),
        (KeyListInput { last_used_before: Some(house.now()), api: text("push"), ..none.clone() }, "all push"),
        (KeyListInput { last_used_before: Some(made), ..none.clone() }, ""),
        (KeyListInput { last_used_before: Some(made.plus_seconds(1)), name: text("due"), ..none.clone() }, "due"),
    ];
    for (input, expected) in cases {
        let mut found = names(&house, workspace.id, &input, 200).await;
        found.sort_unstable();
        assert_eq!(found.join(" "), expected, "{input:?}");
    }
    house.pass(3_600);
    let expired = KeyListInput { status: text("expired"), ..none };
    assert_eq!(names(&house, workspace.id, &expired, 200).await, ["expiring"]);
}

#[tokio::test]
async fn the_list_of_archived_keys_holds_the_last_ten() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    for number in 0..12 {
        let (target, _) = house.key(workspace.id, &format!("key {number:02}")).await;
        house.pass(1);
        house.run(ArchiveKey { target }).await.expect("archived");
    }
    let input = KeyListInput { status: Some("archived".to_owned()), ..sorted_by("name") };
    let expected: Vec<String> = (2..12).map(|number| format!("key {number:02}")).collect();
    assert_eq!(names(&house, workspace.id, &input, 3).await, expected);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list() {
    let house = House::new().await;
    let (one, other) = (house.workspace("One").await, house.workspace("Other").await);
    for name in ["a", "b", "c"] {
        house.key(one.id, name).await;
    }
    let list = |workspace, input: KeyListInput, cursor: Option<String>| {
        let page = Page { limit: Some(1), cursor };
        let lifecycle = house.lifecycle.clone();
        let now = house.now();
        async move { lifecycle.list_keys(&system(), workspace, &input, &page, now).await }
    };
    let cursor = list(one.id, sorted_by("name"), None).await.expect("a page").next_cursor;
    assert!(cursor.is_some());
    for refused in [
        list(one.id, sorted_by("-name"), cursor.clone()).await,
        list(other.id, sorted_by("name"), cursor.clone()).await,
        list(one.id, KeyListInput { access: Some("read-only".to_owned()), ..sorted_by("name") }, cursor.clone()).await,
        list(one.id, sorted_by("name"), Some("nonsense".to_owned())).await,
    ] {
        assert!(matches!(refused, Err(Refusal::BadCursor)));
    }
    // What changes between two pages neither repeats nor hides other keys.
    let (first, _) = house.key(one.id, "0").await;
    let patch = KeyPatch { external_id: Edit::Set("x".to_owned()), ..KeyPatch::default() };
    house.run(PatchKey { target: first, patch }).await.expect("patched");
    let second = list(one.id, sorted_by("name"), cursor).await.expect("a page");
    assert_eq!(second.items[0].key.name.as_str(), "b");
}

#[tokio::test]
async fn a_wrong_filter_is_named() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let text = |text: &str| Some(text.to_owned());
    let none = KeyListInput::default();
    for (input, field) in [
        (KeyListInput { status: text("deleted"), ..none.clone() }, "status"),
        (KeyListInput { member: text("nobody"), ..none.clone() }, "member"),
        (KeyListInput { team: text("mem_00000000001"), ..none.clone() }, "team"),
        (KeyListInput { access: text("write"), ..none.clone() }, "access"),
        (KeyListInput { api: text("nope"), ..none.clone() }, "api"),
        (KeyListInput { environment: text("prod"), ..none.clone() }, "environment"),
        (sorted_by("size"), "sort"),
    ] {
        let refused = house.lifecycle.list_keys(&system(), workspace.id, &input, &Page::default(), house.now()).await;
        assert!(matches!(refused, Err(Refusal::Invalid(invalid)) if invalid.field == field));
    }
    for limit in [0, 201] {
        let page = Page { limit: Some(limit), cursor: None };
        let refused = house.lifecycle.list_keys(&system(), workspace.id, &none, &page, house.now()).await;
        assert!(matches!(refused, Err(Refusal::Invalid(invalid)) if invalid.field == "limit"));
    }
    let nowhere = WorkspaceId::from_u64(7);
    let refused = house.lifecycle.list_keys(&system(), nowhere, &none, &Page::default(), house.now()).await;
    assert!(matches!(refused, Err(Refusal::NotFound(Missing::Workspace))));
}
