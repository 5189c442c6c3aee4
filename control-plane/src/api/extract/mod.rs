//! What handlers are given: parsed, bounded, and refused with a problem that names the field.

mod caller;
mod json;
mod mutation;
mod path;
mod prefer;
mod query;
mod question;

pub use caller::{Caller, Visitor, authenticate, authenticate_edge, authenticate_lane};
pub(super) use json::{is_length_limit, is_object, parse_body};
pub(super) use mutation::idempotency_key;
pub use mutation::{Mutation, Ready};
pub use path::{
    ApiPath, ExportPath, GenerationPath, KeyPath, MemberPath, ObjectPath, TeamPath, TokenPath, WorkspacePath,
};
pub use query::{Filtered, NoQuery, Query};
pub use question::Question;
