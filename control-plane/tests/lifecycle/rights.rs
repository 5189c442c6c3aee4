//! Whose rights count, and when they are asked.

use keyward_control_plane::domain::actor::{Actor, ActorKind};
use keyward_control_plane::domain::member::Role;
use keyward_control_plane::domain::permission::Permission;
use keyward_control_plane::domain::scope::Scopes;
use keyward_control_plane::lifecycle::{Context, DisableKey, Missing, Needs, Refusal};
use keyward_shared::id::{MemberId, TeamId};

use crate::house::{House, acting, create, system};

#[tokio::test]
async fn rights_are_those_that_the_transaction_sees() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let staff = house.member(workspace.id, Role::Staff).await;
    let created = house.run_as(staff, create(workspace.id, "build")).await.expect("a key");
    assert_eq!(created.key.member.id, staff);
    let sql = format!("UPDATE member SET role = 'lite' WHERE id = {}", staff.as_u64().cast_signed());
    house.rows(&sql).await;
    let (events, generation) = (house.events().await, house.generation().await);
    let refused = house.run_as(staff, create(workspace.id, "deploy")).await.err();
    assert!(matches!(refused, Some(Refusal::Forbidden(Permission::KeyCreate))));
    assert_eq!((house.events().await, house.generation().await), (events, generation));

    let sql = format!("UPDATE member SET deleted_at = 1 WHERE id = {}", staff.as_u64().cast_signed());
    house.rows(&sql).await;
    let refused = house.run_as(staff, create(workspace.id, "deploy")).await.err();
    assert!(matches!(refused, Some(Refusal::Unauthenticated)));
    let refused = house.lifecycle.get_workspace(&acting(staff), workspace.id).await.err();
    assert!(matches!(refused, Some(Refusal::Unauthenticated)));
    let operator = Actor { kind: ActorKind::Operator, on_behalf_of: Some(staff), ..system() };
    let context = Context { actor: operator, ..house.context() };
    let refused = house.lifecycle.execute(&context, create(workspace.id, "deploy")).await.err();
    assert!(matches!(refused, Some(Refusal::Invalid(invalid)) if invalid.field == "Keyward-On-Behalf-Of"));
}

#[tokio::test]
async fn where_it_is_not_clear_who_asks_nobody_does() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (target, _) = house.key(workspace.id, "build").await;
    let owner = Some(house.member(workspace.id, Role::Owner).await);
    for (kind, member, on_behalf_of) in [
        (ActorKind::Member, None, None),
        (ActorKind::Member, None, owner),
        (ActorKind::Member, owner, owner),
        (ActorKind::Operator, owner, None),
        (ActorKind::Operator, owner, owner),
        (ActorKind::System, owner, None),
        (ActorKind::System, None, owner),
    ] {
        let actor = Actor { kind, member, on_behalf_of, ..system() };
        let refused = house.lifecycle.get_key(&actor, target, house.now()).await.err();
        assert!(matches!(refused, Some(Refusal::Unauthenticated)), "{kind:?} {member:?} {on_behalf_of:?}");
        let context = Context { actor, ..house.context() };
        let refused = house.lifecycle.execute(&context, DisableKey { target }).await.err();
        assert!(matches!(refused, Some(Refusal::Unauthenticated)), "{kind:?} {member:?} {on_behalf_of:?}");
    }
}

#[tokio::test]
async fn members_and_teams_that_are_not_seen_are_not_found() {
    let house = House::new().await;
    let (home, abroad) = (house.workspace("Acme").await.id, house.workspace("Other").await.id);
    let staff = house.member(home, Role::Staff).await;
    let (other, team, others) = (MemberId::from_u64(7), TeamId::from_u64(8), TeamId::from_u64(9));
    for id in [8, 9] {
        let home = home.as_u64().cast_signed();
        let sql =
            format!("INSERT INTO team (id, workspace_id, name, created_at, version) VALUES ({id}, {home}, {id}, 0, 1)");
        house.rows(&sql).await;
    }
    let sql = format!("INSERT INTO member_team (member_id, team_id) VALUES ({}, 8)", staff.as_u64().cast_signed());
    house.rows(&sql).await;
    let ask = |actor: Actor, needs| {
        let lifecycle = house.lifecycle.clone();
        async move {
            match lifecycle.admit(&actor, needs).await {
                Ok(()) => "admitted".to_owned(),
                Err(refusal @ (Refusal::Forbidden(_) | Refusal::NotFound(_))) => refusal.to_string(),
                Err(refusal) => panic!("{refusal}"),
            }
        }
    };
    let missing = |missing: Missing| Refusal::NotFound(missing).to_string();
    let forbidden = |permission| Refusal::Forbidden(permission).to_string();
    for (needs, expected) in [
        (Needs::Member(home, staff, Permission::MemberRead), "admitted".to_owned()),
        (Needs::Member(home, staff, Permission::TokenManage), "admitted".to_owned()),
        (Needs::Member(home, staff, Permission::MemberManage), forbidden(Permission::MemberManage)),
        (Needs::Member(home, other, Permission::MemberManage), missing(Missing::Member)),
        (Needs::Member(home, other, Permission::TokenRead), missing(Missing::Member)),
        (Needs::Member(abroad, staff, Permission::MemberRead), missing(Missing::Workspace)),
        (Needs::Team(home, team, Permission::TeamRead), "admitted".to_owned()),
        (Needs::Team(home, team, Permission::TeamManage), forbidden(Permission::TeamManage)),
        (Needs::Team(home, others, Permission::TeamManage), missing(Missing::Team)),
        (Needs::Team(abroad, team, Permission::TeamRead), missing(Missing::Workspace)),
        (Needs::In(home, Permission::MemberManage), forbidden(Permission::MemberManage)),
        (Needs::Deployment(Permission::KeyRead), forbidden(Permission::KeyRead)),
    ] {
        assert_eq!(ask(acting(staff), needs).await, expected, "{needs:?}");
        assert_eq!(ask(system(), needs).await, "admitted", "{needs:?}");
    }
    let narrowed = Actor { scopes: Scopes::stored(vec!["members:write".to_owned()]), ..acting(staff) };
    let needs = Needs::Member(home, staff, Permission::MemberRead);
    assert_eq!(ask(narrowed, needs).await, forbidden(Permission::MemberRead));
}

#[tokio::test]
async fn only_owners_and_operators_touch_owners() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    for (role, may) in [(Role::Owner, true), (Role::Admin, false), (Role::Staff, false)] {
        let member = house.member(workspace.id, role).await;
        let rights = house.lifecycle.rights(&acting(member)).await.expect("rights");
        assert_eq!(rights.role(Role::Owner).is_ok(), may, "{role:?}");
        assert!(rights.role(Role::Admin).is_ok());
    }
    assert!(house.lifecycle.rights(&system()).await.expect("rights").role(Role::Owner).is_ok());
}

#[tokio::test]
async fn a_preview_answers_as_the_change_would_and_changes_nothing() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (target, _) = house.key(workspace.id, "build").await;
    let staff = house.member(workspace.id, Role::Staff).await;
    let (events, generation) = (house.events().await, house.generation().await);
    let previewed = house.lifecycle.preview(&house.context(), DisableKey { target }).await.expect("previewed");
    assert_eq!(previewed.key.version, 2);
    assert_eq!(house.view(target).await.key.version, 1);
    assert_eq!((house.events().await, house.generation().await), (events, generation));
    let context = Context { actor: acting(staff), ..house.context() };
    let refused = house.lifecycle.preview(&context, DisableKey { target }).await.err();
    assert!(matches!(refused, Some(Refusal::NotFound(Missing::Key))));
    house.key(workspace.id, "deploy").await;
    assert_eq!(house.generation().await, generation + 1);
}
