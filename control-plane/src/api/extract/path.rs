//! Identifiers in paths. One that cannot be an identifier is not found like any other.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use keyward_shared::id::{KeyId, MemberId, TeamId, TokenId, WorkspaceId};
use zeroize::Zeroizing;

use crate::api::problem::{Code, Problem};
use crate::lifecycle::KeyRef;

/// No object's name is longer: it is a hash as text.
const MAX_OBJECT_NAME: usize = 128;

/// Digits of an export's identifier.
const EXPORT_ID: usize = 32;

/// `{ws}`.
pub struct WorkspacePath(pub WorkspaceId);

/// `{ws}` and `{key}`.
pub struct KeyPath(pub KeyRef);

/// `{ws}` and `{member}`.
pub struct MemberPath(pub WorkspaceId, pub MemberId);

/// `{ws}` and `{team}`.
pub struct TeamPath(pub WorkspaceId, pub TeamId);

/// `{ws}`, `{member}` and `{token}`.
pub struct TokenPath(pub WorkspaceId, pub MemberId, pub TokenId);

/// `{id}` and `{secret}` of an export that is fetched by a link.
pub struct ExportPath(pub String, pub Zeroizing<String>);

/// `{name}` of an object of the snapshot: letters, digits, `-` and `_`.
pub struct ObjectPath(pub String);

/// `{generation}`.
pub struct GenerationPath(pub u64);

/// `{api}`, the name of an API as it was sent.
pub struct ApiPath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for WorkspacePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        parameter(parts, state, "ws").await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let workspace: WorkspaceId = parameter(parts, state, "ws").await?;
        let key: KeyId = parameter(parts, state, "key").await?;
        Ok(Self(KeyRef { workspace, key }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MemberPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(parameter(parts, state, "ws").await?, parameter(parts, state, "member").await?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TeamPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(parameter(parts, state, "ws").await?, parameter(parts, state, "team").await?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TokenPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let MemberPath(workspace, member) = MemberPath::from_request_parts(parts, state).await?;
        Ok(Self(workspace, member, parameter(parts, state, "token").await?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ExportPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id: String = parameter(parts, state, "id").await?;
        // It names a file.
        if id.len() != EXPORT_ID || !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Problem::new(Code::NotFound));
        }
        Ok(Self(id, Zeroizing::new(parameter(parts, state, "secret").await?)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ApiPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        parameter(parts, state, "api").await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for GenerationPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text: String = parameter(parts, state, "generation").await?;
        // One form for one number.
        let reads = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
        let generation = text.parse().ok().filter(|_| reads);
        generation.map(Self).ok_or_else(|| Problem::new(Code::NotFound))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ObjectPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name: String = parameter(parts, state, "name").await?;
        let reads = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.len() > MAX_OBJECT_NAME || !name.bytes().all(reads) {
            return Err(Problem::new(Code::NotFound));
        }
        Ok(Self(name))
    }
}

async fn parameter<T: std::str::FromStr, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    name: &str,
) -> Result<T, Problem> {
    let parameters = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|error| Problem::new(Code::NotFound).caused_by(error))?;
    parameters
        .iter()
        .find(|(parameter, _)| *parameter == name)
        .and_then(|(_, value)| value.parse().ok())
        .ok_or_else(|| Problem::new(Code::NotFound))
}
