//! The catalogue of APIs and the settings, which travel together.

use keyward_control_plane::domain::api::Coverage;
use keyward_control_plane::domain::route::RouteInput;
use keyward_control_plane::domain::settings::SettingsEdit;
use keyward_control_plane::lifecycle::{
    CreateKey, DeleteApi, IfMatch, KeySource, Missing, PatchSettings, PutApi, Refusal, Seen,
};
use keyward_shared::settings::RouteAccess;

use crate::house::{House, create, fields, system};

fn put(name: &str, prefixes: &[&str]) -> PutApi {
    let route = |prefix: &&str| RouteInput {
        path_prefix: (*prefix).to_owned(),
        methods: Vec::new(),
        access: RouteAccess::ByMethod,
    };
    PutApi { name: name.to_owned(), title: None, routes: prefixes.iter().map(route).collect() }
}

#[tokio::test]
async fn put_creates_then_replaces() {
    let house = House::empty().await;
    let created = house.run(put("data", &["/v1/data"])).await.expect("an API");
    assert!(created.created);
    assert_eq!((created.api.number, created.api.version, created.api.title.as_str()), (1, 1, "data"));
    assert_eq!(house.touched().await, [(None, true)]);
    let again = house.run(put("data", &["/v1/data"])).await.expect("an API");
    assert_eq!((again.created, again.api.version), (false, 1));
    assert_eq!(house.touched().await, [], "nothing changed that travels");
    let changed = house.run(put("data", &["/v2/data"])).await.expect("an API");
    assert_eq!((changed.created, changed.api.version, changed.api.number), (false, 2, 1));
    assert_eq!(house.lifecycle.get_api(&system(), "data").await.expect("an API"), changed.api);
    let context = house.context().with_if_match(Some(IfMatch::Any));
    let refused = house.lifecycle.execute(&context, put("new", &[])).await.err();
    assert!(matches!(refused, Some(Refusal::PreconditionFailed { .. })));
}

#[tokio::test]
async fn a_route_belongs_to_one_api() {
    let house = House::empty().await;
    house.run(put("data", &["/v1/data"])).await.expect("an API");
    let refused = house.run(put("other", &["/v1/other", "/v1/data"])).await.err();
    assert!(matches!(refused, Some(Refusal::RouteConflict(conflict)) if conflict.field == "routes[1]"));
    let many: Vec<String> = (0..256).map(|number| format!("/r{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = house.run(put("many", &many)).await.err();
    assert!(matches!(refused, Some(Refusal::Invalid(invalid)) if invalid.field == "routes"));
    house.run(put("many", &many[..255])).await.expect("an API");
}

#[tokio::test]
async fn a_number_is_never_given_twice_and_keys_forget_the_name() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let fields = keyward_control_plane::lifecycle::KeyFields {
        apis: vec!["data".to_owned(), "push".to_owned()],
        ..fields("build")
    };
    let create = CreateKey { workspace: workspace.id, fields, source: KeySource::Generate };
    let created = house.run(create).await.expect("a key");
    assert_eq!(created.key.coverage, Coverage::Full);
    house.run(DeleteApi { name: "push".to_owned() }).await.expect("deleted");
    assert_eq!(house.touched().await, [(None, true)]);
    assert_eq!(house.view(crate::house::target(&created.key)).await.apis, ["data"]);
    let again = house.run(put("push", &[])).await.expect("an API");
    assert_eq!(again.api.number, 3);
    let view = house.view(crate::house::target(&created.key)).await;
    assert_eq!((view.apis, view.coverage), (vec!["data".to_owned()], Coverage::Partial));
    let refused = house.run(DeleteApi { name: "nope".to_owned() }).await;
    assert!(matches!(refused, Err(Refusal::NotFound(Missing::Api))));
}

#[tokio::test]
async fn settings_begin_with_defaults_and_change_by_field() {
    let house = House::new().await;
    let before = house.lifecycle.get_settings(&system()).await.expect("settings");
    assert_eq!((before.settings.key_prefix.as_str(), before.version), ("kw", 1));
    let edit = SettingsEdit { key_prefix: Some("acme".to_owned()), ..SettingsEdit::default() };
    let after = house.run(PatchSettings { edit }).await.expect("patched");
    assert_eq!((after.settings.key_prefix.as_str(), after.version), ("acme", 2));
    assert_eq!(house.touched().await, [(None, true)]);
    let house = house.restarted().await;
    assert_eq!(house.lifecycle.get_settings(&system()).await.expect("settings"), after);
    let workspace = house.workspace("Acme").await;
    let created = house.run(create(workspace.id, "build")).await.expect("a key");
    assert!(created.secret.is_some_and(|secret| secret.expose().starts_with("acme_")));
    let edit = SettingsEdit { realm: Some("Acme".to_owned()), ..SettingsEdit::default() };
    assert_eq!(house.run(PatchSettings { edit }).await.expect("patched").version, 3);
    let context = house.context().with_if_match(Some(IfMatch::Seen(vec![Seen::version(2)])));
    let refused = house.lifecycle.execute(&context, PatchSettings { edit: SettingsEdit::default() }).await.err();
    assert!(matches!(refused, Some(Refusal::PreconditionFailed { version: 3 })));
}
