//! Secrets that stay, sealed, and where they end.

use keyward_control_plane::domain::workspace::Reveal;
use keyward_control_plane::lifecycle::{CreateWorkspace, DeleteKey, RotateKey};

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
    house.run(RotateKey { target, grace_seconds: 0 }).await.expect("regenerated");
    assert_eq!(house.number(SEALED).await, 1);
    house.run(DeleteKey { target }).await.expect("deleted");
    assert_eq!(house.number(SEALED).await, 0);
}
