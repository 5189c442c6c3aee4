//! Creating, reading, editing, stopping and ending keys.

use keyward_control_plane::domain::api::Coverage;
use keyward_control_plane::domain::edit::Edit;
use keyward_control_plane::domain::key::{Environment, KeyStatus};
use keyward_control_plane::domain::time::UnixSeconds;
use keyward_control_plane::lifecycle::{
    ArchiveKey, CreateKey, DeleteKey, DisableKey, EnableKey, IfMatch, KeyPatch, Missing, PatchKey, PatchWorkspace,
    Refusal, Seen, WorkspaceFields,
};
use keyward_shared::fingerprint::Digest;
use keyward_shared::policy::Access;

use crate::house::{House, bring, create, fields, fingerprint, system, target, vault};

#[tokio::test]
async fn a_created_key_shows_its_secret_once_and_keeps_only_what_stands_for_it() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let created = house.run(create(workspace.id, "build")).await.expect("a key");
    let secret = created.secret.expect("a secret");
    assert!(secret.expose().starts_with("kw_"));
    assert_eq!(created.key.key.hint.as_deref(), Some(&*secret.hint()));
    assert_eq!(created.key.apis, ["data"]);
    assert_eq!(created.key.coverage, Coverage::Partial);
    assert_eq!(created.key.member.name, "default");
    assert_eq!(house.touched().await, [(Some(fingerprint(&secret)), false)]);
    assert_eq!(house.secrets(target(&created.key)).await, [(fingerprint(&secret), Some(0), None, true)]);
    assert_eq!(house.view(target(&created.key)).await, created.key);

    let sealed = house.rows("SELECT sealed_digest FROM secret").await;
    let sealed: Vec<u8> = sqlx::Row::get(&sealed[0], 0);
    let opened = vault().open_digest(&sealed, &fingerprint(&secret), created.key.key.id);
    assert!(opened.is_ok_and(|opened| opened == Digest::of(&secret)));
    let disk = house.disk();
    let held = |needle: &[u8]| disk.windows(needle.len()).any(|window| window == needle);
    assert!(!held(secret.expose().as_bytes()));
    assert!(!held(Digest::of(&secret).as_bytes()));
}

#[tokio::test]
async fn test_keys_have_a_prefix_of_their_own() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let mut create = create(workspace.id, "try");
    create.fields.environment = Environment::Test;
    let created = house.run(create).await.expect("a key");
    assert!(created.secret.is_some_and(|secret| secret.expose().starts_with("kw_test_")));
}

#[tokio::test]
async fn a_digest_that_is_brought_gives_no_secret_and_is_unique_for_ever() {
    let house = House::new().await;
    let (one, other) = (house.workspace("One").await, house.workspace("Other").await);
    let digest = "5e".repeat(32);
    let created = house.run(bring(one.id, "old", &digest)).await.expect("a key");
    assert!(created.secret.is_none());
    assert_eq!(created.key.key.hint, None);
    for (workspace, name) in [(one.id, "again"), (other.id, "old")] {
        let refused = house.run(bring(workspace, name, &digest)).await;
        assert!(matches!(refused, Err(Refusal::SecretExists)));
    }
    house.run(DeleteKey { target: target(&created.key) }).await.expect("deleted");
    let refused = house.run(bring(one.id, "old", &digest)).await;
    assert!(matches!(refused, Err(Refusal::SecretExists)));
}

#[tokio::test]
async fn the_digest_of_a_generated_key_is_taken() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (_, secret) = house.key(workspace.id, "build").await;
    let digest = hex::encode(Digest::of(&secret).as_bytes());
    assert!(matches!(house.run(bring(workspace.id, "again", &digest)).await, Err(Refusal::SecretExists)));
}

#[tokio::test]
async fn a_name_is_free_again_once_its_key_is_archived_or_deleted() {
    let house = House::new().await;
    let (one, other) = (house.workspace("One").await, house.workspace("Other").await);
    let (first, _) = house.key(one.id, "build").await;
    house.key(other.id, "build").await;
    assert!(matches!(house.run(create(one.id, "build")).await, Err(Refusal::NameTaken)));
    house.run(DisableKey { target: first }).await.expect("disabled");
    assert!(matches!(house.run(create(one.id, "build")).await, Err(Refusal::NameTaken)));
    house.run(ArchiveKey { target: first }).await.expect("archived");
    let (second, _) = house.key(one.id, "build").await;
    house.run(DeleteKey { target: second }).await.expect("deleted");
    house.key(one.id, "build").await;
    let (third, _) = house.key(one.id, "deploy").await;
    let patch = KeyPatch { name: Some("build".to_owned()), ..KeyPatch::default() };
    let refused = house.run(PatchKey { target: third, patch }).await;
    assert!(matches!(refused, Err(Refusal::NameTaken)));
}

#[tokio::test]
async fn a_workspace_has_at_most_its_max_keys() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let fields = WorkspaceFields { max_keys: Edit::Set(2), ..WorkspaceFields::default() };
    house.run(PatchWorkspace { workspace: workspace.id, fields }).await.expect("patched");
    let (first, _) = house.key(workspace.id, "one").await;
    house.key(workspace.id, "two").await;
    let refused = house.run(create(workspace.id, "three")).await;
    assert!(matches!(refused, Err(Refusal::KeyLimit { max: 2 })));
    house.run(ArchiveKey { target: first }).await.expect("archived");
    house.key(workspace.id, "three").await;
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_null_clears() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let mut create = create(workspace.id, "build");
    create.fields.expires_at = Some(house.now().plus_seconds(100));
    create.fields.external_id = Some("42".to_owned());
    let created = house.run(create).await.expect("a key");
    let target = target(&created.key);
    let secret = fingerprint(&created.secret.expect("a secret"));

    let patch = KeyPatch {
        access: Some(Access::ReadWrite),
        apis: Some(vec!["*".to_owned()]),
        expires_at: Edit::Clear,
        ..KeyPatch::default()
    };
    let after = house.run(PatchKey { target, patch }).await.expect("patched");
    assert_eq!((after.key.access, after.key.expires_at, after.key.version), (Access::ReadWrite, None, 2));
    assert_eq!((after.apis.as_slice(), after.coverage), (&["*".to_owned()][..], Coverage::Full));
    assert_eq!(after.key.external_id, created.key.key.external_id);
    assert_eq!(house.touched().await, [(Some(secret), false)]);
    assert_eq!(house.view(target).await, after);

    let expires_at = house.now().plus_seconds(50);
    let patch = KeyPatch { expires_at: Edit::Set(expires_at), ..KeyPatch::default() };
    house.run(PatchKey { target, patch }).await.expect("patched");
    assert_eq!(house.touched().await, [(Some(secret), true)]);
    let deadline = UnixSeconds::floor(expires_at).map(|deadline| i64::from(deadline.as_seconds()));
    assert_eq!(house.secrets(target).await, [(secret, Some(0), deadline, true)]);
    house.pass(50);
    assert_eq!(house.view(target).await.status, KeyStatus::Expired);

    let patch = KeyPatch { name: Some("renamed".to_owned()), ..KeyPatch::default() };
    house.run(PatchKey { target, patch }).await.expect("patched");
    assert_eq!(house.touched().await, [], "a name does not travel");
}

#[tokio::test]
async fn an_edit_on_a_version_that_has_passed_is_refused() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (target, _) = house.key(workspace.id, "build").await;
    let disable = |versions: &[u64]| {
        let context = house
            .context()
            .with_if_match(Some(IfMatch::Seen(versions.iter().map(|&version| Seen::version(version)).collect())));
        async { house.lifecycle.execute(&{ context }, DisableKey { target }).await.map(|(view, _)| view.key.version) }
    };
    assert!(matches!(disable(&[2]).await, Err(Refusal::PreconditionFailed { version: 1 })));
    assert!(matches!(disable(&[]).await, Err(Refusal::PreconditionFailed { version: 1 })));
    assert!(disable(&[7, 1]).await.is_ok_and(|version| version == 2));
    assert!(matches!(disable(&[1]).await, Err(Refusal::PreconditionFailed { version: 2 })));
    let context = house.context().with_if_match(Some(IfMatch::Any));
    house.lifecycle.execute(&context, EnableKey { target }).await.expect("enabled");
}

#[tokio::test]
async fn repeating_disable_keeps_the_version_and_is_still_an_event() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (target, secret) = house.key(workspace.id, "build").await;
    let first = house.run(DisableKey { target }).await.expect("disabled");
    assert_eq!(house.touched().await, [(Some(fingerprint(&secret)), true)]);
    let (events, generation) = (house.events().await, house.generation().await);
    let second = house.run(DisableKey { target }).await.expect("disabled");
    assert_eq!(first, second);
    assert_eq!(house.touched().await, []);
    assert_eq!((house.events().await, house.generation().await), (events + 1, generation + 1));
}

#[tokio::test]
async fn an_archived_key_stays_readable_and_a_deleted_one_does_not() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (target, secret) = house.key(workspace.id, "build").await;
    let archived = house.run(ArchiveKey { target }).await.expect("archived");
    assert_eq!(archived.status, KeyStatus::Archived);
    assert_eq!(archived.key.hint.as_deref(), Some(&*secret.hint()));
    assert_eq!(house.touched().await, [(Some(fingerprint(&secret)), true)]);
    assert_eq!(house.secrets(target).await, [(fingerprint(&secret), None, None, false)]);
    assert!(matches!(house.run(EnableKey { target }).await, Err(Refusal::Key(_))));
    house.run(DeleteKey { target }).await.expect("deleted");
    let gone = house.lifecycle.get_key(&system(), target, house.now()).await;
    assert!(matches!(gone, Err(Refusal::NotFound(Missing::Key))));
    assert!(matches!(house.run(DeleteKey { target }).await, Err(Refusal::NotFound(Missing::Key))));
}

#[tokio::test]
async fn a_key_is_not_found_through_another_workspace() {
    let house = House::new().await;
    let (one, other) = (house.workspace("One").await, house.workspace("Other").await);
    let (mut target, _) = house.key(one.id, "build").await;
    target.workspace = other.id;
    let gone = house.lifecycle.get_key(&system(), target, house.now()).await;
    assert!(matches!(gone, Err(Refusal::NotFound(Missing::Key))));
    assert!(matches!(house.run(DisableKey { target }).await, Err(Refusal::NotFound(Missing::Key))));
    let member = house.run(create(one.id, "second")).await.expect("a key").key.member.id;
    let create = CreateKey {
        fields: keyward_control_plane::lifecycle::KeyFields { member_id: Some(member), ..fields("third") },
        ..create(other.id, "third")
    };
    let refused = house.run(create).await;
    assert!(matches!(refused, Err(Refusal::Invalid(invalid)) if invalid.field == "member_id"));
}
