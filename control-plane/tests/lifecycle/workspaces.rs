//! Workspaces: their slugs, and what suspending and deleting one means for its keys.

use keyward_control_plane::domain::workspace::WorkspaceStatus;
use keyward_control_plane::lifecycle::{
    ArchiveKey, CreateWorkspace, DeleteWorkspace, DisableKey, Missing, Page, PatchWorkspace, Refusal, WorkspaceFields,
};
use keyward_shared::id::WorkspaceId;

use crate::house::{House, create, fingerprint, system, workspace};

fn with_slug(name: &str, slug: &str) -> CreateWorkspace {
    CreateWorkspace { slug: Some(slug.to_owned()), ..workspace(name) }
}

fn set_status(workspace: WorkspaceId, status: WorkspaceStatus) -> PatchWorkspace {
    PatchWorkspace { workspace, fields: WorkspaceFields { status: Some(status), ..WorkspaceFields::default() } }
}

#[tokio::test]
async fn a_slug_comes_from_the_name_and_is_unique() {
    let house = House::new().await;
    assert_eq!(house.workspace("Acme, Inc.").await.slug.as_str(), "acme-inc");
    let second = house.workspace("ACME Inc").await.slug;
    assert!(second.as_str().starts_with("acme-inc-"), "{second:?}");
    let refused = house.run(with_slug("Third", "acme-inc")).await;
    assert!(matches!(refused, Err(Refusal::SlugTaken)));
    let other = house.workspace("Other").await;
    let fields = WorkspaceFields { slug: Some("acme-inc".to_owned()), ..WorkspaceFields::default() };
    let refused = house.run(PatchWorkspace { workspace: other.id, fields }).await;
    assert!(matches!(refused, Err(Refusal::SlugTaken)));
}

#[tokio::test]
async fn an_edit_of_nothing_keeps_the_version() {
    let house = House::new().await;
    let before = house.workspace("Acme").await;
    let fields = WorkspaceFields { name: Some("Acme".to_owned()), ..WorkspaceFields::default() };
    let after = house.run(PatchWorkspace { workspace: before.id, fields }).await.expect("patched");
    assert_eq!(after, before);
    let fields = WorkspaceFields { name: Some("Acme 2".to_owned()), ..WorkspaceFields::default() };
    let after = house.run(PatchWorkspace { workspace: before.id, fields }).await.expect("patched");
    assert_eq!((after.name.as_str(), after.slug.as_str(), after.version), ("Acme 2", "acme", 2));
    assert_eq!(house.lifecycle.get_workspace(&system(), before.id).await.expect("a workspace"), after);
}

#[tokio::test]
async fn suspending_and_activating_touch_every_live_secret() {
    let house = House::new().await;
    let (one, other) = (house.workspace("One").await, house.workspace("Other").await);
    let (_, first) = house.key(one.id, "first").await;
    let (disabled, second) = house.key(one.id, "second").await;
    let (archived, _) = house.key(one.id, "third").await;
    house.run(DisableKey { target: disabled }).await.expect("disabled");
    house.run(ArchiveKey { target: archived }).await.expect("archived");
    house.key(other.id, "fourth").await;
    for (status, narrowing) in [(WorkspaceStatus::Suspended, true), (WorkspaceStatus::Active, false)] {
        house.run(set_status(one.id, status)).await.expect("patched");
        let mut expected = vec![(Some(fingerprint(&first)), narrowing), (Some(fingerprint(&second)), narrowing)];
        expected.sort_unstable();
        assert_eq!(house.touched().await, expected);
        let entries = "SELECT MIN(entries_of_mutation) FROM outbox WHERE generation = (SELECT generation FROM counter)";
        assert_eq!(house.number(entries).await, 2);
    }
}

#[tokio::test]
async fn another_slug_touches_every_live_secret() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (_, secret) = house.key(workspace.id, "build").await;
    let fields = WorkspaceFields { slug: Some("acme-2".to_owned()), ..WorkspaceFields::default() };
    house.run(PatchWorkspace { workspace: workspace.id, fields }).await.expect("patched");
    assert_eq!(house.touched().await, [(Some(fingerprint(&secret)), true)]);
}

#[tokio::test]
async fn a_workspace_is_deleted_whole_and_only_when_it_is_suspended() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (first, first_secret) = house.key(workspace.id, "first").await;
    let (archived, _) = house.key(workspace.id, "second").await;
    house.run(ArchiveKey { target: archived }).await.expect("archived");
    let delete = || DeleteWorkspace { workspace: workspace.id };
    assert!(matches!(house.run(delete()).await, Err(Refusal::NotSuspended)));
    house.run(set_status(workspace.id, WorkspaceStatus::Suspended)).await.expect("suspended");
    let events = house.events().await;
    house.run(delete()).await.expect("deleted");

    assert_eq!(house.events().await, events + 3, "one for the workspace, one for each key");
    assert_eq!(house.touched().await, [(Some(fingerprint(&first_secret)), true)]);
    assert_eq!(house.secrets(first).await, [(fingerprint(&first_secret), None, None, false)]);
    for live in [
        "SELECT COUNT(*) FROM key WHERE status <> 'deleted'",
        "SELECT COUNT(*) FROM member WHERE deleted_at IS NULL",
        "SELECT COUNT(*) FROM secret WHERE live = 1",
    ] {
        assert_eq!(house.number(live).await, 0, "{live}");
    }
    assert!(matches!(house.run(delete()).await, Err(Refusal::NotFound(Missing::Workspace))));
    let refused = house.run(create(workspace.id, "third")).await;
    assert!(matches!(refused, Err(Refusal::NotFound(Missing::Workspace))));
    assert_eq!(house.workspace("Acme").await.slug.as_str(), "acme", "the slug is free again");
}

#[tokio::test]
async fn the_list_is_newest_first_and_paged() {
    let house = House::new().await;
    for name in ["a1", "b2", "c3", "d4", "e5"] {
        house.workspace(name).await;
        house.pass(1);
    }
    let mut names = Vec::new();
    let mut page = Page { limit: Some(2), cursor: None };
    loop {
        let listed = house.lifecycle.list_workspaces(&system(), &page).await.expect("a page");
        names.extend(listed.items.iter().map(|workspace| workspace.name.as_str().to_owned()));
        page.cursor = listed.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    assert_eq!(names, ["e5", "d4", "c3", "b2", "a1"]);
}
