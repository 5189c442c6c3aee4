//! Operators' tokens.

use keyward_control_plane::lifecycle::{Authenticated, CreateToken, Missing, Refusal, RevokeToken};

use crate::house::House;

fn token(name: &str) -> CreateToken {
    CreateToken { name: name.to_owned(), expires_at: None }
}

async fn authenticates(house: &House, text: &str) -> bool {
    matches!(house.lifecycle.authenticate(text, house.now()).await, Ok(Authenticated::Operator(_)))
}

#[tokio::test]
async fn a_token_authenticates_until_it_expires_or_is_revoked() {
    let house = House::new().await;
    let created = house.run(token("deploy")).await.expect("a token");
    assert_eq!((created.text.len(), &created.text[..4]), (47, "kwt_"));
    assert!(authenticates(&house, &created.text).await);
    assert!(!authenticates(&house, &created.text[..46]).await);
    assert!(!authenticates(&house, "").await);
    let disk = house.disk();
    assert!(!disk.windows(47).any(|window| window == created.text.as_bytes()));

    let expires_at = Some(house.now().plus_seconds(10));
    let short = house.run(CreateToken { expires_at, ..token("short") }).await.expect("a token");
    house.pass(9);
    assert!(authenticates(&house, &short.text).await);
    house.pass(1);
    assert!(!authenticates(&house, &short.text).await);
    let late = house.run(CreateToken { expires_at, ..token("late") }).await.err();
    assert!(matches!(late, Some(Refusal::Invalid(invalid)) if invalid.field == "expires_at"));

    let revoke = || RevokeToken { token: created.token.id };
    house.run(revoke()).await.expect("revoked");
    assert!(!authenticates(&house, &created.text).await);
    assert!(matches!(house.run(revoke()).await, Err(Refusal::NotFound(Missing::Token))));
}

#[tokio::test]
async fn the_token_of_set_up_is_registered_once() {
    let house = House::new().await;
    let text = format!("kwt_{}", "a".repeat(43));
    let register = || async {
        house.lifecycle.ensure_operator_token(&house.context(), &text, "operator").await.expect("registered")
    };
    assert!(register().await);
    let events = house.events().await;
    assert!(!register().await);
    assert_eq!(house.events().await, events);
    assert!(authenticates(&house, &text).await);
}
