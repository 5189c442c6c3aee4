//! Bad input: the field is named, and nothing has changed.

use keyward_control_plane::domain::edit::Edit;
use keyward_control_plane::domain::invalid::Fault;
use keyward_control_plane::domain::restrictions::RestrictionsInput;
use keyward_control_plane::lifecycle::{KeyFields, KeyPatch, PatchKey, Refusal};
use keyward_shared::id::{MemberId, TeamId};
use keyward_shared::policy::App;
use serde_json::{Map, Value};

use crate::house::{House, bring, create, workspace};

type Case = (&'static str, Fault, fn(&mut KeyFields, &House));

const CASES: &[Case] = &[
    ("name", Fault::TooShort, |fields, _| fields.name.clear()),
    ("name", Fault::TooLong, |fields, _| {
        fields.name = "n".repeat(101);
    }),
    ("name", Fault::BadFormat, |fields, _| {
        fields.name.push('\u{7f}');
    }),
    ("apis", Fault::TooShort, |fields, _| fields.apis.clear()),
    ("apis[1]", Fault::Unknown, |fields, _| {
        fields.apis.push("nope".to_owned());
    }),
    ("apis[1]", Fault::Duplicate, |fields, _| {
        fields.apis.push("data".to_owned());
    }),
    ("expires_at", Fault::InThePast, |fields, house| {
        fields.expires_at = Some(house.now());
    }),
    ("expires_at", Fault::OutOfRange, |fields, house| {
        fields.expires_at = Some(house.now().plus_seconds(u32::MAX));
    }),
    ("rotate_every_days", Fault::OutOfRange, |fields, _| {
        fields.rotate_every_days = Some(0);
    }),
    ("member_id", Fault::Unknown, |fields, _| {
        fields.member_id = Some(MemberId::from_u64(1));
    }),
    ("team_id", Fault::Unknown, |fields, _| {
        fields.team_id = Some(TeamId::from_u64(1));
    }),
    ("restrictions.ips[32]", Fault::TooMany, |fields, _| {
        fields.restrictions.ips = (0..33).map(|number| format!("10.0.0.{number}")).collect();
    }),
    ("restrictions.ips[0]", Fault::BadFormat, |fields, _| {
        fields.restrictions.ips = vec!["10.0.0.0/33".to_owned()];
    }),
    ("restrictions.referrers[0]", Fault::BadFormat, |fields, _| {
        fields.restrictions.referrers = vec!["https://x".to_owned()];
    }),
    ("restrictions", Fault::TooLong, |fields, _| {
        let long = "a".repeat(60);
        fields.restrictions.referrers = (0..32).map(|number| format!("{long}{number}.example")).collect();
    }),
    ("restrictions.apps[0].bundle", Fault::TooShort, |fields, _| {
        fields.restrictions.apps = vec![App::Ios { bundle: String::new() }];
    }),
    ("external_id", Fault::TooLong, |fields, _| {
        fields.external_id = Some("x".repeat(256));
    }),
    ("metadata", Fault::TooLong, |fields, _| {
        fields.metadata = Map::from_iter([("k".to_owned(), Value::from("v".repeat(4096)))]);
    }),
];

#[tokio::test]
async fn a_wrong_field_of_a_new_key_is_named_and_nothing_changes() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (events, generation) = (house.events().await, house.generation().await);
    for (field, fault, spoil) in CASES {
        let mut create = create(workspace.id, "build");
        spoil(&mut create.fields, &house);
        match house.run(create).await.err() {
            Some(Refusal::Invalid(invalid)) => {
                assert_eq!((invalid.field.as_str(), invalid.fault), (*field, *fault));
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    let refused = house.run(bring(workspace.id, "build", "5e")).await.err();
    assert!(matches!(refused, Some(Refusal::Invalid(invalid)) if invalid.field == "sha256"));
    assert_eq!((house.events().await, house.generation().await), (events, generation));
    for table in ["key", "secret", "outbox WHERE generation > 2"] {
        assert_eq!(house.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_wrong_field_of_an_edit_is_named_and_nothing_changes() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (target, _) = house.key(workspace.id, "build").await;
    let before = house.view(target).await;
    let (events, generation) = (house.events().await, house.generation().await);
    let none = KeyPatch::default();
    let ranges = RestrictionsInput { ips: vec![String::new()], ..RestrictionsInput::default() };
    for (patch, field) in [
        (KeyPatch { name: Some(String::new()), ..none.clone() }, "name"),
        (KeyPatch { apis: Some(vec!["nope".to_owned()]), ..none.clone() }, "apis[0]"),
        (KeyPatch { expires_at: Edit::Set(house.now()), ..none.clone() }, "expires_at"),
        (KeyPatch { rotate_every_days: Edit::Set(99_999), ..none.clone() }, "rotate_every_days"),
        (KeyPatch { restrictions: Edit::Set(ranges), ..none.clone() }, "restrictions.ips[0]"),
        (KeyPatch { team_id: Edit::Set(TeamId::from_u64(1)), ..none.clone() }, "team_id"),
        (KeyPatch { external_id: Edit::Set(String::new()), ..none }, "external_id"),
    ] {
        let refused = house.run(PatchKey { target, patch }).await.err();
        assert!(matches!(refused, Some(Refusal::Invalid(invalid)) if invalid.field == field), "{field}");
    }
    assert_eq!((house.events().await, house.generation().await), (events, generation));
    assert_eq!(house.view(target).await, before);
}

#[tokio::test]
async fn a_wrong_field_of_a_workspace_is_named() {
    let house = House::new().await;
    let mut cases = Vec::new();
    for (field, slug, max_keys) in [("slug", Some("Not a slug"), None), ("max_keys", None, Some(10_000_001))] {
        let mut create = workspace("Acme");
        create.slug = slug.map(str::to_owned);
        create.max_keys = max_keys;
        cases.push((create, field));
    }
    cases.push((workspace(""), "name"));
    for (create, field) in cases {
        let refused = house.run(create).await.err();
        assert!(matches!(refused, Some(Refusal::Invalid(invalid)) if invalid.field == field), "{field}");
    }
    let context = house.context().with_reason(Some(&"r".repeat(501)));
    assert!(context.is_err_and(|invalid| invalid.field == "reason"));
}
