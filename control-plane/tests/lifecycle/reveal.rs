//! Secrets that stay, sealed, and where they end.

use std::sync::Arc;

use keyward_control_plane::domain::workspace::{Reveal, Workspace};
use keyward_control_plane::lifecycle::vault::Kek;
use keyward_control_plane::lifecycle::{
    CreateWorkspace, DeleteKey, Lifecycle, PatchWorkspace, RevealKey, RotateKey, StoredAnswer, Vault, WorkspaceFields,
};
use keyward_shared::fingerprint::Pepper;
use keyward_shared::id::WorkspaceId;
use sqlx::Row as _;
use zeroize::Zeroizing;

use crate::audit::told;
use crate::house::{House, bring, vault, workspace};

const SEALED: &str = "SELECT COUNT(*) FROM secret WHERE sealed_secret IS NOT NULL";

#[tokio::test]
async fn a_secret_is_kept_sealed_where_it_may_be_shown_again_and_for_as_long_as_it_lives() {
    let house = House::new().await;
    let sealed = CreateWorkspace { reveal: Some(Reveal::Sealed), ..workspace("Sealed") };
    let sealed = house.run(sealed).await.expect("a workspace");
    let once = house.workspace("Once").await;
    house.key(once.id, "shown once").await;
    house.run(bring(sealed.id, "brought", &"ab".repeat(32))).await.expect("a key");
    assert_eq!(house.number(SEALED).await, 0);

    let (target, secret) = house.key(sealed.id, "build").await;
    let rows = house.rows("SELECT sealed_secret FROM secret WHERE sealed_secret IS NOT NULL").await;
    let bytes: Vec<u8> = sqlx::Row::get(&rows[0], 0);
    let fingerprint = crate::house::fingerprint(&secret);
    assert!(vault().open_secret(&bytes, &fingerprint, target.key) == Ok(secret.clone()));
    let disk = house.disk();
    assert!(!disk.windows(secret.expose().len()).any(|window| window == secret.expose().as_bytes()));

    house.run(RotateKey { target, grace_seconds: 600 }).await.expect("rotated");
    assert_eq!(house.number(SEALED).await, 2);
    // Nobody asks for the older one when its time is over.
    let forget = async |house: &House| house.lifecycle.forget_secrets(house.now()).await.expect("forgotten");
    assert_eq!((forget(&house).await, house.number(SEALED).await), (0, 2));
    house.pass(601);
    assert_eq!((forget(&house).await, house.number(SEALED).await), (1, 1));
    house.run(RotateKey { target, grace_seconds: 600 }).await.expect("rotated");
    house.run(RotateKey { target, grace_seconds: 0 }).await.expect("regenerated");
    assert_eq!(house.number(SEALED).await, 1);
    house.run(DeleteKey { target }).await.expect("deleted");
    assert_eq!(house.number(SEALED).await, 0);
}

async fn sealed_workspace(house: &House) -> Workspace {
    let sealed = CreateWorkspace { reveal: Some(Reveal::Sealed), ..workspace("Sealed") };
    house.run(sealed).await.expect("a workspace")
}

fn set(workspace: WorkspaceId, reveal: Reveal) -> PatchWorkspace {
    PatchWorkspace { workspace, fields: WorkspaceFields { reveal: Some(reveal), ..WorkspaceFields::default() } }
}

#[tokio::test]
async fn a_reveal_is_told_and_changes_nothing() {
    let house = House::new().await;
    let workspace = sealed_workspace(&house).await;
    let (target, secret) = house.key(workspace.id, "build").await;
    let (before, secrets) = (house.view(target).await, house.secrets(target).await);
    assert_eq!(told(&house, RevealKey { target }).await, "Reveal API Keys: reveal");
    assert_eq!(house.touched().await, []);
    assert_eq!((house.view(target).await, house.secrets(target).await), (before, secrets));
    assert!(house.run(RevealKey { target }).await.is_ok_and(|revealed| revealed.secret == secret));
}

#[tokio::test]
async fn from_sealed_to_once_erases_the_sealed_secrets() {
    let house = House::new().await;
    let (workspace, other) = (sealed_workspace(&house).await, sealed_workspace(&house).await);
    let (target, _) = house.key(workspace.id, "build").await;
    house.key(workspace.id, "deploy").await;
    house.key(other.id, "build").await;
    house.run(RotateKey { target, grace_seconds: 600 }).await.expect("rotated");
    let of_workspace = format!(
        "SELECT sealed_secret FROM secret JOIN key ON key.id = secret.key_id
         WHERE key.workspace_id = {} AND sealed_secret IS NOT NULL",
        workspace.id.as_u64().cast_signed()
    );
    let sealed: Vec<Vec<u8>> = house.rows(&of_workspace).await.iter().map(|row| row.get(0)).collect();
    assert_eq!((sealed.len(), house.number(SEALED).await), (3, 4));

    assert_eq!(told(&house, set(workspace.id, Reveal::Once)).await, "Update Workspaces: edit");
    assert_eq!(house.touched().await, []);
    let details = house.rows("SELECT details FROM audit_event ORDER BY seq DESC LIMIT 1").await;
    assert!(details[0].get::<String, _>(0).contains("\"erased_secrets\":3"));
    assert_eq!((house.rows(&of_workspace).await.len(), house.number(SEALED).await), (0, 1));
    // Digests stay, so that no secret is accepted twice.
    assert_eq!(house.number("SELECT COUNT(*) FROM secret WHERE length(sealed_digest) > 0").await, 4);

    // The log of changes is written back when the last one who has the database open leaves.
    let house = house.restarted().await;
    let disk = house.disk();
    for bytes in sealed {
        assert!(!disk.windows(bytes.len()).any(|window| window == bytes));
    }
    assert_eq!(told(&house, set(workspace.id, Reveal::Sealed)).await, "Update Workspaces: edit");
    assert_eq!(house.number(SEALED).await, 1, "what was erased does not come back");
}

#[tokio::test]
async fn what_an_older_key_encryption_key_sealed_is_shown_and_answered_still() {
    let house = House::new().await;
    let workspace = sealed_workspace(&house).await;
    let (target, secret) = house.key(workspace.id, "build").await;
    let kept = |words: &str| StoredAnswer { status: 200, headers: Vec::new(), body: Zeroizing::new(words.to_owned()) };
    let call = |lifecycle: &Lifecycle| {
        let context = house.context();
        let call = lifecycle.idempotent_call(&context, "once", "POST", "/reveal", b"{}").expect("a call");
        (context, call)
    };
    let (context, first) = call(&house.lifecycle);
    let reveal = RevealKey { target };
    house.lifecycle.run(&context, reveal, Some(&first), |_, _| kept("the first")).await.expect("revealed");

    let newer = Vault::new(Pepper::new([1; 32]), Kek::new([9; 32])).with_older(vec![Kek::new([2; 32])]);
    let lifecycle = Lifecycle::new(Arc::new(house.store.clone()), Arc::new(newer));
    let (context, again) = call(&lifecycle);
    let reveal = RevealKey { target };
    let done = lifecycle.run(&context, reveal, Some(&again), |_, _| kept("the second")).await.expect("answered");
    assert!(done.replayed && *done.answer.body == "the first");

    let (shown, _) = lifecycle.execute(&house.context(), RevealKey { target }).await.expect("revealed");
    assert!(shown.secret == secret);
    let rotated = RotateKey { target, grace_seconds: 0 };
    let (rotated, _) = lifecycle.execute(&house.context(), rotated).await.expect("rotated");
    let alone = Vault::new(Pepper::new([1; 32]), Kek::new([9; 32]));
    let alone = Lifecycle::new(Arc::new(house.store.clone()), Arc::new(alone));
    let (shown, _) = alone.execute(&house.context(), RevealKey { target }).await.expect("sealed under the newest");
    assert!(shown.secret == rotated.secret);
    assert!(house.run(RevealKey { target }).await.is_err(), "the older one alone opens it not");
}
