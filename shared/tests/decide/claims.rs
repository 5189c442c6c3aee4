//! What stands beside the key: the five forms, whom they name, and the other places for a key.

use keyward_shared::credentials::CredentialError;
use keyward_shared::decision::{Decision, Reason, Request};
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::settings::{BasicUser, CheckDigits};

use super::{KEY, Scene, malformed, request, unauthorized};
use crate::fixtures::basic;

fn decided(scene: &Scene, user_pass: &str) -> Decision {
    scene.decide(&request("GET", "/v1/data", &basic(user_pass)))
}

#[test]
fn the_five_forms_pass() {
    let scene = Scene::new();
    let (key, workspace) = (scene.record.key, scene.policy.workspace);
    for user_pass in [
        format!("{KEY}:"),
        format!("{KEY}:{KEY}"),
        format!(":{KEY}"),
        format!("{workspace}:{KEY}"),
        format!("acme:{KEY}"),
        format!("{key}:{KEY}"),
    ] {
        assert_eq!(decided(&scene, &user_pass), Decision::Allow(scene.grant()), "{user_pass}");
    }
}

#[test]
fn another_user_is_refused_unless_any_may_stand_there() {
    let mut scene = Scene::new();
    for user in [
        "globex".to_owned(),
        "Acme".to_owned(),
        "acme ".to_owned(),
        KeyId::from_u64(scene.record.key.as_u64() + 1).to_string(),
        WorkspaceId::from_u64(scene.policy.workspace.as_u64() + 1).to_string(),
        // The right bits under the wrong type.
        KeyId::from_u64(scene.policy.workspace.as_u64()).to_string(),
        WorkspaceId::from_u64(scene.record.key.as_u64()).to_string(),
        // The member is nobody's user.
        scene.record.member.to_string(),
        KEY.to_uppercase(),
        KEY[1..].to_owned(),
    ] {
        let user_pass = format!("{user}:{KEY}");
        scene.settings.basic_user = BasicUser::Match;
        assert_eq!(decided(&scene, &user_pass), unauthorized(Reason::WrongUser), "{user}");
        scene.settings.basic_user = BasicUser::Any;
        assert_eq!(decided(&scene, &user_pass), Decision::Allow(scene.grant()), "{user}");
    }
}

#[test]
fn with_any_user_the_password_alone_is_the_key() {
    let mut scene = Scene::new();
    scene.settings.basic_user = BasicUser::Any;
    let other = "0".repeat(32);
    assert_eq!(decided(&scene, &format!("{KEY}:{other}")), unauthorized(Reason::Unknown));
    assert_eq!(decided(&scene, &format!("{KEY}:")), Decision::Allow(scene.grant()));
}

#[test]
fn a_wrong_user_learns_no_more_than_a_stranger() {
    let mut scene = Scene::new();
    scene.record.disabled = true;
    assert_eq!(decided(&scene, &format!("globex:{KEY}")), unauthorized(Reason::WrongUser));
}

#[test]
fn bearer_and_a_header_of_its_own_only_where_settings_accept_them() {
    let mut scene = Scene::new();
    let bearer = format!("Bearer {KEY}");
    let by_bearer = request("GET", "/v1/data", &bearer);
    let by_header = Request { authorization: None, key_header: Some(KEY), ..by_bearer };
    assert_eq!(scene.decide(&by_bearer), malformed(CredentialError::Scheme));
    assert_eq!(scene.decide(&by_header), malformed(CredentialError::Missing));
    scene.settings.accept.bearer = true;
    scene.settings.accept.header = Some("x-api-key".to_owned());
    assert_eq!(scene.decide(&by_bearer), Decision::Allow(scene.grant()));
    assert_eq!(scene.decide(&by_header), Decision::Allow(scene.grant()));
    let by_both = Request { key_header: Some(KEY), ..by_bearer };
    assert_eq!(scene.decide(&by_both), malformed(CredentialError::Several));
    scene.settings.accept.basic = false;
    assert_eq!(decided(&scene, &format!("{KEY}:")), malformed(CredentialError::Scheme));
    // Several header lines arrive joined by a comma and a space.
    let twice = format!("{KEY}, {KEY}");
    let header_twice = Request { key_header: Some(&twice), ..by_header };
    assert_eq!(scene.decide(&header_twice), malformed(CredentialError::Key));
    let bearer_twice = format!("{bearer}, {bearer}");
    assert_eq!(scene.decide(&request("GET", "/v1/data", &bearer_twice)), malformed(CredentialError::Key));
}

#[test]
fn wrong_check_digits_are_looked_up_only_where_settings_say_so() {
    let mut scene = Scene::new();
    let mistyped = "kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7M:";
    assert_eq!(decided(&scene, mistyped), malformed(CredentialError::CheckDigits));
    scene.settings.check_digits = CheckDigits::Off;
    assert_eq!(decided(&scene, mistyped), unauthorized(Reason::Unknown));
    scene.settings.check_digits = CheckDigits::Enforce;
    "other".clone_into(&mut scene.settings.key_prefix);
    assert_eq!(decided(&scene, mistyped), unauthorized(Reason::Unknown));
}
