//! Scopes: what a token is narrowed to. They only ever take away; what its holder may not do, no scope
//! gives.

use super::invalid::{Fault, Invalid};

/// One word that a token can be narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Read workspaces.
    WorkspacesRead,
    /// Make, edit and delete workspaces.
    WorkspacesWrite,
    /// Read members.
    MembersRead,
    /// Add, edit and remove members.
    MembersWrite,
    /// Read teams.
    TeamsRead,
    /// Make, edit and delete teams.
    TeamsWrite,
    /// Read which tokens there are.
    TokensRead,
    /// Make and revoke tokens.
    TokensWrite,
    /// Read keys, without their secrets.
    KeysRead,
    /// Make keys and change them.
    KeysWrite,
    /// Show the secrets of keys again.
    KeysReveal,
    /// Read the audit log.
    AuditRead,
    /// What belongs to no workspace: APIs, settings, imports, snapshots.
    Deployment,
}

impl Scope {
    /// Every scope, in the order of the docs.
    pub const ALL: [Self; 13] = [
        Self::WorkspacesRead,
        Self::WorkspacesWrite,
        Self::MembersRead,
        Self::MembersWrite,
        Self::TeamsRead,
        Self::TeamsWrite,
        Self::TokensRead,
        Self::TokensWrite,
        Self::KeysRead,
        Self::KeysWrite,
        Self::KeysReveal,
        Self::AuditRead,
        Self::Deployment,
    ];

    /// The scope as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WorkspacesRead => "workspaces:read",
            Self::WorkspacesWrite => "workspaces:write",
            Self::MembersRead => "members:read",
            Self::MembersWrite => "members:write",
            Self::TeamsRead => "teams:read",
            Self::TeamsWrite => "teams:write",
            Self::TokensRead => "tokens:read",
            Self::TokensWrite => "tokens:write",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::KeysReveal => "keys:reveal",
            Self::AuditRead => "audit:read",
            Self::Deployment => "deployment",
        }
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// What a token is narrowed to; no words at all narrow nothing.
///
/// A stored word that this version does not know gives nothing and still narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Everything that the holder may do.
    pub const fn all() -> Self {
        Self(Vec::new())
    }

    /// The scopes as they were stored.
    pub const fn stored(words: Vec<String>) -> Self {
        Self(words)
    }

    /// Judges the words that stood in `field`: each known; order and repetition mean nothing.
    pub fn parse(field: &str, words: &[String]) -> Result<Self, Invalid> {
        let mut scopes = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let known = Scope::parse(word).ok_or_else(|| {
                let detail = format!("expected {}", Scope::ALL.map(Scope::as_str).join(", "));
                Invalid::new(format!("{field}[{index}]"), Fault::Unknown, detail)
            })?;
            scopes.push(known);
        }
        scopes.sort_unstable();
        scopes.dedup();
        Ok(Self(scopes.into_iter().map(|scope| scope.as_str().to_owned()).collect()))
    }

    /// The words, as they are stored and shown.
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// Whether they let this through.
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| word == scope.as_str())
    }

    /// Whether a token with `others` could do nothing that one with these can't.
    pub fn include(&self, others: &Self) -> bool {
        self.0.is_empty() || !others.0.is_empty() && others.0.iter().all(|word| self.0.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(words: &[&str]) -> Scopes {
        Scopes::stored(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn no_scopes_narrow_nothing_and_unknown_ones_give_nothing() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
            assert!(Scopes::all().allow(scope));
            assert!(!scopes(&["keys:everything"]).allow(scope));
            assert_eq!(scopes(&["keys:read"]).allow(scope), scope == Scope::KeysRead);
        }
    }

    #[test]
    fn narrower_is_included_and_wider_is_not() {
        let (both, one) = (scopes(&["keys:read", "keys:write"]), scopes(&["keys:read"]));
        assert!(Scopes::all().include(&both) && both.include(&one) && both.include(&both));
        assert!(!one.include(&both) && !both.include(&Scopes::all()));
        assert!(Scopes::all().include(&Scopes::all()));
    }

    #[test]
    fn words_are_known_and_put_in_order() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let parsed = Scopes::parse("scopes", &words(&["keys:write", "keys:read", "keys:write"]));
        assert_eq!(parsed, Ok(scopes(&["keys:read", "keys:write"])));
        let refused = Scopes::parse("scopes", &words(&["keys:read", "keys"])).unwrap_err();
        assert_eq!((refused.field.as_str(), refused.fault), ("scopes[1]", Fault::Unknown));
    }
}
