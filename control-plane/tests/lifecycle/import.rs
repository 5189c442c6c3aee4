//! Batches of keys that are brought: what they leave, and what of them another workspace can tell.

use std::sync::Arc;

use keyward_control_plane::domain::edit::Edit;
use keyward_control_plane::domain::import::ImportOutcome;
use keyward_control_plane::domain::workspace::{Reveal, Workspace};
use keyward_control_plane::lifecycle::{
    CreateWorkspace, DisableKey, ImportBatch, ImportFields, ImportLine, ImportedBatch, ImportedSecret, KeyRef, Refusal,
    RotateKey,
};
use keyward_control_plane::store::Store as _;
use keyward_shared::api_key::ApiKey;
use keyward_shared::id::WorkspaceId;
use keyward_shared::policy::Access;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use zeroize::Zeroizing;

use crate::audit::all_told;
use crate::house::{House, bring, fingerprint, vault, workspace};

fn secret(number: u64) -> String {
    format!("brought-secret-{number:020}")
}

fn fields(workspace: WorkspaceId, number: u64) -> ImportFields {
    ImportFields {
        external_id: number.to_string(),
        workspace: workspace.to_string(),
        name: format!("key {number}"),
        access: Access::ReadWrite,
        apis: vec!["data".to_owned()],
        member: None,
        disabled: None,
        created_at: None,
        expires_at: Edit::Keep,
        restrictions: Edit::Keep,
        metadata: Edit::Keep,
        secret: ImportedSecret::Clear(Zeroizing::new(secret(number))),
    }
}

fn line(house: &House, fields: ImportFields) -> ImportLine {
    house.lifecycle.import_line(fields, house.line_entropy(), house.now()).unwrap_or_else(|refusal| panic!("{refusal}"))
}

fn batch(house: &House, lines: impl IntoIterator<Item = ImportFields>) -> ImportBatch {
    ImportBatch { lines: lines.into_iter().map(|fields| line(house, fields)).collect::<Vec<_>>().into() }
}

fn outcomes(batch: &ImportedBatch) -> Vec<Option<ImportOutcome>> {
    batch.lines.iter().map(|line| line.as_ref().ok().map(|line| line.outcome)).collect()
}

async fn import(house: &House, lines: impl IntoIterator<Item = ImportFields>) -> ImportedBatch {
    house.run(batch(house, lines)).await.expect("a batch")
}

fn target(workspace: &Workspace, batch: &ImportedBatch, index: usize) -> KeyRef {
    let line = batch.lines[index].as_ref().expect("a key");
    KeyRef { workspace: workspace.id, key: line.key }
}

#[tokio::test]
async fn a_clash_with_another_workspaces_key_reads_like_any_other_refusal() {
    let house = House::new().await;
    let (one, other) = (house.workspace("One").await, house.workspace("Other").await);
    house.run(bring(one.id, "own", &hex::encode(Sha256::digest(secret(1))))).await.expect("a key");
    house.run(bring(other.id, "foreign", &hex::encode(Sha256::digest(secret(2))))).await.expect("a key");
    let refused = import(&house, [fields(one.id, 1), fields(one.id, 2)]).await;
    let words: Vec<String> =
        refused.lines.iter().map(|line| format!("{:?}", line.as_ref().expect_err("refused"))).collect();
    assert_eq!(words[0], words[1]);
    assert!(matches!(refused.lines[1], Err(Refusal::SecretExists)));
    // Neither does a key that is there tell whose another secret is.
    import(&house, [fields(one.id, 3)]).await;
    let with = |number| ImportFields { external_id: "3".to_owned(), ..fields(one.id, number) };
    let refused = import(&house, [with(2), with(9)]).await;
    let words: Vec<String> =
        refused.lines.iter().map(|line| format!("{:?}", line.as_ref().expect_err("refused"))).collect();
    assert_eq!(words[0], words[1]);
}

#[tokio::test]
async fn every_key_of_a_batch_has_its_event_and_the_batch_has_one() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let nowhere = ImportFields { workspace: "nowhere".to_owned(), ..fields(workspace.id, 3) };
    let told = all_told(&house, batch(&house, [fields(workspace.id, 1), fields(workspace.id, 2), nowhere])).await;
    assert_eq!(told, ["Import API Keys: import", "Create API Keys: import", "Create API Keys: import"]);
    let details: String = house.rows("SELECT details FROM audit_event WHERE action = 'Import'").await[0].get("details");
    for count in ["\"lines\":3", "\"created\":2", "\"refused\":1"] {
        assert!(details.contains(count), "{details}");
    }
    let named = |name: &str| ImportFields { name: name.to_owned(), ..fields(workspace.id, 1) };
    let told = all_told(&house, batch(&house, [named("renamed"), fields(workspace.id, 2)])).await;
    assert_eq!(told, ["Import API Keys: import", "Update API Keys: import"]);
}

#[tokio::test]
async fn what_is_brought_is_published_and_nothing_twice() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let narrow = |number| ImportFields { access: Access::ReadOnly, ..fields(workspace.id, number) };
    let of = |number| fingerprint(&ApiKey::parse(&secret(number)).expect("a key"));
    let brought = import(&house, [fields(workspace.id, 1), fields(workspace.id, 2)]).await;
    let mut wanted = vec![(Some(of(1)), false), (Some(of(2)), false)];
    wanted.sort_by_key(|(fingerprint, _)| fingerprint.map(|one| *one.as_bytes()));
    assert_eq!(house.touched().await, wanted);
    assert_eq!(house.secrets(target(&workspace, &brought, 0)).await, [(of(1), Some(0), None, true)]);
    let again = import(&house, [narrow(1), fields(workspace.id, 1)]).await;
    assert_eq!(outcomes(&again), [Some(ImportOutcome::Updated); 2]);
    assert_eq!(house.touched().await, [(Some(of(1)), true)]);
    let renamed = ImportFields { name: "renamed".to_owned(), ..fields(workspace.id, 1) };
    import(&house, [renamed]).await;
    assert_eq!(house.touched().await, [], "a name does not travel");
}

#[tokio::test]
async fn a_secret_is_sealed_where_the_workspace_shows_it_again() {
    let house = House::new().await;
    let once = house.workspace("Once").await;
    let sealed = CreateWorkspace { reveal: Some(Reveal::Sealed), ..workspace("Sealed") };
    let sealed = house.run(sealed).await.expect("a workspace");
    let digest =
        ImportFields { secret: ImportedSecret::Sha256(hex::encode(Sha256::digest(secret(3)))), ..fields(sealed.id, 3) };
    let brought = import(&house, [fields(once.id, 1), fields(sealed.id, 2), digest]).await;
    let rows = house.rows("SELECT key_id, sealed_digest, sealed_secret FROM secret ORDER BY id").await;
    let kept: Vec<Option<Vec<u8>>> = rows.iter().map(|row| row.get("sealed_secret")).collect();
    assert!(kept[0].is_none() && kept[2].is_none());
    let (key, wanted) = (target(&sealed, &brought, 1).key, ApiKey::parse(&secret(2)).expect("a key"));
    let opened = vault().open_secret(kept[1].as_ref().expect("kept"), &fingerprint(&wanted), key);
    assert!(opened == Ok(wanted.clone()));
    let digest: Vec<u8> = rows[1].get("sealed_digest");
    let opened = vault().open_digest(&digest, &fingerprint(&wanted), key);
    assert!(opened.is_ok_and(|digest| digest == keyward_shared::fingerprint::Digest::of(&wanted)));
    let disk = house.disk();
    for number in 1..=3 {
        let clear = secret(number);
        assert!(!disk.windows(clear.len()).any(|window| window == clear.as_bytes()), "secret {number}");
        let digest = Sha256::digest(clear);
        assert!(!disk.windows(digest.len()).any(|window| window == &digest[..]), "digest {number}");
    }
}

#[tokio::test]
async fn a_key_in_rotation_is_known_by_either_secret() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let brought = import(&house, [fields(workspace.id, 1)]).await;
    let target = target(&workspace, &brought, 0);
    house.run(RotateKey { target, grace_seconds: 60 }).await.expect("rotated");
    let events = house.events().await;
    let again = batch(&house, [fields(workspace.id, 1)]);
    let context = house.context();
    let (again, generation) =
        house.lifecycle.execute_if(&context, again, ImportedBatch::changes).await.expect("a batch");
    assert_eq!((outcomes(&again), generation), (vec![Some(ImportOutcome::Unchanged)], None));
    assert_eq!(house.events().await, events);
    house.run(RotateKey { target, grace_seconds: 0 }).await.expect("regenerated");
    let refused = import(&house, [fields(workspace.id, 1)]).await;
    assert!(matches!(refused.lines[0], Err(Refusal::Import(_))), "an import brings no ended secret back");
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let first = import(&house, [fields(workspace.id, 1)]).await;
    house.run(DisableKey { target: target(&workspace, &first, 0) }).await.expect("disabled");
    let before = (house.generation().await, house.events().await);
    let lines = || {
        let enabled = ImportFields { disabled: Some(false), ..fields(workspace.id, 1) };
        batch(&house, [enabled, fields(workspace.id, 2), fields(workspace.id, 3)])
    };
    let preview = house.lifecycle.preview(&house.context(), lines()).await.expect("a preview");
    assert_eq!(outcomes(&preview)[0], Some(ImportOutcome::Updated));
    assert_eq!((house.generation().await, house.events().await), before);
    for polls in 0..40 {
        let context = house.context();
        let mut call = Box::pin(house.lifecycle.execute(&context, lines()));
        let mut left = polls;
        std::future::poll_fn(|task| {
            left -= 1;
            match call.as_mut().poll(task) {
                std::task::Poll::Pending if left > 0 => std::task::Poll::Pending,
                _ => std::task::Poll::Ready(()),
            }
        })
        .await;
        drop(call);
        // Waits for whatever of it is still under way.
        house.store.ready().await.expect("nothing is held");
        let keys = house.number("SELECT COUNT(*) FROM key").await;
        let secrets = house.number("SELECT COUNT(*) FROM secret").await;
        let disabled = house.number("SELECT COUNT(*) FROM key WHERE status = 'disabled'").await;
        let created = house
            .number(
                "SELECT COUNT(*) FROM audit_event WHERE action = 'Create'
            AND target_name LIKE 'key %'",
            )
            .await;
        assert!(matches!((keys, secrets, disabled, created), (1, 1, 1, 1) | (3, 3, 0, 3)), "after {polls} polls");
    }
}

#[tokio::test]
async fn lines_for_whom_one_asks_at_once_are_each_brought_once() {
    let house = Arc::new(House::new().await);
    let workspace = house.workspace("Acme").await;
    let lines = || batch(&house, (0..50).map(|number| fields(workspace.id, number)));
    let (context, other) = (house.context(), house.context());
    let (one, two) =
        tokio::join!(house.lifecycle.execute(&context, lines()), house.lifecycle.execute(&other, lines()),);
    let created = |outcome: &ImportedBatch| {
        outcomes(outcome).iter().flatten().filter(|it| **it == ImportOutcome::Created).count()
    };
    let (one, two) = (one.expect("a batch").0, two.expect("a batch").0);
    assert_eq!(created(&one) + created(&two), 50);
    assert!(one.lines.iter().chain(&two.lines).all(Result::is_ok));
}
