//! Who may do what: one table, role by action, and nowhere else.
//!
//! The table says how far somebody reaches; whether the thing at hand is within that reach is for the
//! use cases to ask, who know whose it is.

use keyward_shared::policy::Access;

use super::member::Role;
use super::scope::Scope;

/// In which capacity somebody asks: a column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// For the deployment: an operator's token, or one of Keyward's own commands.
    Operator,
    /// As a member of one workspace.
    Member(Role),
}

/// How far somebody reaches with one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// To nothing.
    Never,
    /// To what is their own: their keys, their tokens, their teams, themselves.
    Own,
    /// To everything: of the deployment for an operator, of their workspace for a member.
    All,
}

/// The table. Columns are operator, owner, admin, staff, read-only and lite; the last two are the
/// scope that a narrowed token needs, and the words for a refusal.
macro_rules! permissions {
    ($($name:ident: $operator:ident $owner:ident $admin:ident $staff:ident $read_only:ident $lite:ident,
        $scope:expr, $words:literal;)+) => {
        /// One action: a row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Permission {
            $(#[doc = concat!("To ", $words, ".")] $name,)+
        }

        impl Permission {
            /// Every action, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// What it is to do, in words.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }

            /// What a narrowed token needs for it; none where any token will do.
            pub const fn scope(self) -> Option<Scope> {
                match self { $(Self::$name => $scope,)+ }
            }

            /// How far somebody of this standing reaches.
            pub const fn reach(self, standing: Standing) -> Reach {
                match self {
                    $(Self::$name => match standing {
                        Standing::Operator => Reach::$operator,
                        Standing::Member(Role::Owner) => Reach::$owner,
                        Standing::Member(Role::Admin) => Reach::$admin,
                        Standing::Member(Role::Staff) => Reach::$staff,
                        Standing::Member(Role::ReadOnly) => Reach::$read_only,
                        Standing::Member(Role::Lite) => Reach::$lite,
                    },)+
                }
            }
        }
    };
}

permissions! {
    WorkspaceCreate: All Never Never Never Never Never, Some(Scope::WorkspacesWrite), "create a workspace";
    WorkspaceRead:   All All   All   All   All   All,   Some(Scope::WorkspacesRead),  "read a workspace";
    WorkspaceEdit:   All All   All   Never Never Never, Some(Scope::WorkspacesWrite), "edit a workspace";
    WorkspaceGovern: All Never Never Never Never Never, Some(Scope::WorkspacesWrite),
        "suspend or activate a workspace, or set its slug, its limit or its external id";
    WorkspaceDelete: All Never Never Never Never Never, Some(Scope::WorkspacesWrite), "delete a workspace";
    MemberRead:      All All   All   Own   Own   Own,   Some(Scope::MembersRead),     "read a member";
    MemberManage:    All All   All   Never Never Never, Some(Scope::MembersWrite),    "add, edit or remove a member";
    OwnerManage:     All All   Never Never Never Never, Some(Scope::MembersWrite),
        "make, edit or remove an owner, or make an owner's tokens";
    TeamRead:        All All   All   Own   Own   Own,   Some(Scope::TeamsRead),       "read a team";
    TeamManage:      All All   All   Never Never Never, Some(Scope::TeamsWrite),      "create, edit or delete a team";
    TokenRead:       All All   All   Own   Own   Own,   Some(Scope::TokensRead),      "read a member's tokens";
    TokenManage:     All All   All   Own   Own   Own,   Some(Scope::TokensWrite),
        "create or revoke a member's tokens";
    OperatorManage:  All Never Never Never Never Never, Some(Scope::Deployment),
        "create or revoke an operator's token";
    KeyRead:         All All   All   Own   Own   Never, Some(Scope::KeysRead),        "read a key";
    KeyCreate:       All All   All   Own   Own   Never, Some(Scope::KeysWrite),       "create this key";
    KeyEdit:         All All   All   Own   Own   Never, Some(Scope::KeysWrite),       "edit this key in this way";
    KeyRotate:       All All   All   Own   Own   Never, Some(Scope::KeysWrite),       "rotate this key";
    KeyStop:         All All   All   Own   Own   Never, Some(Scope::KeysWrite),       "stop this key or its old secret";
    KeyStart:        All All   All   Own   Own   Never, Some(Scope::KeysWrite),
        "start this key or its old secret again";
    KeyEnd:          All All   All   Own   Own   Never, Some(Scope::KeysWrite),       "archive or delete this key";
    KeyAssign:       All All   All   Never Never Never, Some(Scope::KeysWrite),       "give a key to another member";
    KeyReveal:       All All   All   Own   Own   Never, Some(Scope::KeysReveal),      "show this key's secret again";
    KeyLookup:       All All   All   Never Never Never, Some(Scope::KeysRead),        "look up a key by its secret";
    KeyImport:       All Never Never Never Never Never, Some(Scope::Deployment),      "import keys";
    Explain:         All All   All   Never Never Never, Some(Scope::KeysRead),        "have a verdict explained";
    AuditRead:       All All   All   Never Never Never, Some(Scope::AuditRead),       "read the audit log";
    CatalogueRead:   All All   All   All   All   All,   None,                         "read the APIs";
    CatalogueManage: All Never Never Never Never Never, Some(Scope::Deployment),      "change the APIs";
    SettingsRead:    All All   All   All   All   All,   None,                         "read the settings";
    SettingsManage:  All Never Never Never Never Never, Some(Scope::Deployment),      "change the settings";
    SnapshotRead:    All Never Never Never Never Never, Some(Scope::Deployment),      "read the snapshot";
}

impl Permission {
    /// Whether it can make an edge accept what it refused, or hand out a secret: then nobody does it to
    /// a key that they could not have made.
    pub const fn widens(self) -> bool {
        matches!(self, Self::KeyCreate | Self::KeyRotate | Self::KeyStart | Self::KeyReveal)
    }
}

/// The most that a key of a member with this role may do, in a workspace with this policy for staff;
/// nothing where the role has no keys.
pub const fn ceiling(role: Role, staff_max_access: Access) -> Option<Access> {
    match role {
        Role::Owner | Role::Admin => Some(Access::ReadWrite),
        Role::Staff => Some(staff_max_access),
        Role::ReadOnly => Some(Access::ReadOnly),
        Role::Lite => None,
    }
}

/// Whether a key with this access stays below the ceiling.
pub const fn is_below(access: Access, ceiling: Option<Access>) -> bool {
    match ceiling {
        Some(Access::ReadWrite) => true,
        Some(Access::ReadOnly) => matches!(access, Access::ReadOnly),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use core::fmt::Write as _;

    use super::*;

    fn table() -> String {
        let standings: Vec<_> =
            core::iter::once(Standing::Operator).chain(Role::ALL.into_iter().map(Standing::Member)).collect();
        let mut text = String::new();
        for permission in Permission::ALL {
            let _ = write!(text, "{:<16}", format!("{permission:?}"));
            for standing in &standings {
                let word = match permission.reach(*standing) {
                    Reach::Never => "-",
                    Reach::Own => "own",
                    Reach::All => "all",
                };
                let _ = write!(text, "{word:<4}");
            }
            let _ = writeln!(text, "{}", permission.scope().map_or("-", Scope::as_str));
        }
        text
    }

    #[test]
    fn the_table_is_the_one_that_was_agreed() {
        // operator, owner, admin, staff, read-only, lite; then the scope.
        let agreed = "\
WorkspaceCreate all -   -   -   -   -   workspaces:write
WorkspaceRead   all all all all all all workspaces:read
WorkspaceEdit   all all all -   -   -   workspaces:write
WorkspaceGovern all -   -   -   -   -   workspaces:write
WorkspaceDelete all -   -   -   -   -   workspaces:write
MemberRead      all all all own own own members:read
MemberManage    all all all -   -   -   members:write
OwnerManage     all all -   -   -   -   members:write
TeamRead        all all all own own own teams:read
TeamManage      all all all -   -   -   teams:write
TokenRead       all all all own own own tokens:read
TokenManage     all all all own own own tokens:write
OperatorManage  all -   -   -   -   -   deployment
KeyRead         all all all own own -   keys:read
KeyCreate       all all all own own -   keys:write
KeyEdit         all all all own own -   keys:write
KeyRotate       all all all own own -   keys:write
KeyStop         all all all own own -   keys:write
KeyStart        all all all own own -   keys:write
KeyEnd          all all all own own -   keys:write
KeyAssign       all all all -   -   -   keys:write
KeyReveal       all all all own own -   keys:reveal
KeyLookup       all all all -   -   -   keys:read
KeyImport       all -   -   -   -   -   deployment
Explain         all all all -   -   -   keys:read
AuditRead       all all all -   -   -   audit:read
CatalogueRead   all all all all all all -
CatalogueManage all -   -   -   -   -   deployment
SettingsRead    all all all all all all -
SettingsManage  all -   -   -   -   -   deployment
SnapshotRead    all -   -   -   -   -   deployment
";
        assert_eq!(table(), agreed);
    }

    #[test]
    fn a_role_has_the_keys_that_are_below_its_ceiling() {
        let below = |role, access| is_below(access, ceiling(role, Access::ReadOnly));
        for role in [Role::Owner, Role::Admin] {
            assert!(below(role, Access::ReadOnly) && below(role, Access::ReadWrite));
        }
        for role in [Role::Staff, Role::ReadOnly] {
            assert!(below(role, Access::ReadOnly) && !below(role, Access::ReadWrite));
        }
        assert!(!below(Role::Lite, Access::ReadOnly) && !below(Role::Lite, Access::ReadWrite));
        assert!(is_below(Access::ReadWrite, ceiling(Role::Staff, Access::ReadWrite)));
        assert!(!is_below(Access::ReadWrite, ceiling(Role::ReadOnly, Access::ReadWrite)));
    }
}
