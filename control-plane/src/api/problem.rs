//! Refusals as RFC 9457 problems, each with a stable code.
//!
//! What the client reads is here; what the log says is kept apart ([`Problem::caused_by`]).
//! A problem never holds a secret, a path of the machine or the words of the database. Its
//! body is written by [`super::frame`], which knows the request's id.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::invalid::Invalid;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $title:literal, $when:literal;)+) => {
        /// Every code a problem can have.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $when] $variant,)+
        }

        impl Code {
            /// Every code, in the order of the docs.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable text that clients compare.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The status it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// A short summary for people that never changes from case to case.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// When it is answered, for the docs.
            pub const fn when(self) -> &'static str {
                match self { $(Self::$variant => $when,)+ }
            }
        }
    };
}

codes! {
    BadJson = "bad_json", BAD_REQUEST, "Not JSON",
        "The body is not JSON (RFC 8259), or something follows it.";
    BadReport = "bad_report", BAD_REQUEST, "Not a report",
        "The body is no report of an edge, or of a form that this version does not read.";
    BadHeader = "bad_header", BAD_REQUEST, "Bad header",
        "A header of the request is malformed; `field` names it.";
    BadParameter = "bad_parameter", BAD_REQUEST, "Bad query parameter",
        "A query parameter is malformed or out of range; `field` names it.";
    UnknownParameter = "unknown_parameter", BAD_REQUEST, "Unknown query parameter",
        "A query parameter has no meaning here; `field` names it.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "Token missing or not valid",
        "No bearer token, or one that is unknown, expired or revoked.";
    Forbidden = "forbidden", FORBIDDEN, "Not allowed",
        "The token is valid, but not for this.";
    NotFound = "not_found", NOT_FOUND, "Not found",
        "Nothing is at this path, or not for this token.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed",
        "The path takes other methods; `Allow` lists them.";
    NameTaken = "name_taken", CONFLICT, "Name already taken",
        "Another key of the workspace, neither archived nor deleted, has the name; or another team.";
    EmailTaken = "email_taken", CONFLICT, "Address already taken",
        "Another member of the workspace has the address.";
    LastOwner = "last_owner", CONFLICT, "The last owner stays",
        "A workspace's last owner is neither removed nor given another role.";
    DefaultMember = "default_member", CONFLICT, "The default member stays as it is",
        "The machine that keys belong to which name no member is neither removed nor given another role or kind.";
    TokenLimit = "token_limit", CONFLICT, "As many tokens as allowed",
        "The member has as many tokens that can be used as one may have.";
    SlugTaken = "slug_taken", CONFLICT, "Slug already taken",
        "Another workspace has the slug.";
    RotationActive = "rotation_active", CONFLICT, "A rotation is running",
        "A rotation with a grace period was asked for while one runs.";
    NoRotation = "no_rotation", CONFLICT, "No rotation is running",
        "There is no retiring secret to finish, cancel, extend, pause or resume.";
    CancelTooLate = "cancel_too_late", CONFLICT, "The rotation is about to end",
        "Too late to go back to the old secret: an edge may refuse it before it hears of that.";
    KeyArchived = "key_archived", CONFLICT, "The key is archived",
        "An archived key changes no more; it can only be deleted.";
    AboveMember = "above_member", CONFLICT, "The member may not have this key",
        "The key may do more than a key of its member's may; nobody starts or rotates it.";
    NotSuspended = "not_suspended", CONFLICT, "The workspace is active",
        "A workspace is suspended before it is deleted.";
    RouteConflict = "route_conflict", CONFLICT, "Route already taken",
        "Another API has the same path prefix for the same method; `field` names the route.";
    KeyLimit = "key_limit", CONFLICT, "As many keys as allowed",
        "The workspace has `max_keys` keys.";
    ApiLimit = "api_limit", CONFLICT, "As many APIs as possible",
        "Every number for an API was given; numbers are never used again.";
    SecretExists = "secret_exists", CONFLICT, "Secret was used before",
        "The digest belongs to a key that exists or existed; a secret is never accepted twice.";
    SecretDiffers = "secret_differs", CONFLICT, "The key has another secret",
        "A line of an import names a key that has another secret; an import replaces none.";
    Ambiguous = "ambiguous", CONFLICT, "Several keys are meant",
        "A line of an import names an `external_id` that more than one key of the workspace has.";
    NotRevealable = "not_revealable", CONFLICT, "The secret is not kept",
        "The key was brought as a digest, or was made where secrets are shown once.";
    MailNotConfigured = "mail_not_configured", CONFLICT, "No mail is sent",
        "Something is to be sent by mail, and the control plane has no `smtp_url`.";
    ExportLimit = "export_limit", CONFLICT, "As many exports as allowed",
        "As many exports of the audit log as there may be are on their way by mail, wait to be fetched, were mailed within a day, or run or began \
         within the minute for whoever asks, or by the link.";
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT, "Still being answered",
        "The first request with this `Idempotency-Key` is still running. Ask again.";
    ExportExpired = "export_expired", GONE, "The link has ended",
        "An export of the audit log was to be fetched until a time that has passed, or by somebody who may not now.";
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "Changed in the meantime",
        "`If-Match` names a version that is not the present one.";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "Body too large",
        "The body is longer than the limit.";
    LineTooLong = "line_too_long", PAYLOAD_TOO_LARGE, "Line too long",
        "A line of an import is longer than the limit.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Another media type is needed",
        "The body's `Content-Type` is not `application/json`; of an import, not `application/x-ndjson`; \
         of an edge's report, not `application/octet-stream`.";
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "Invalid value",
        "A member of the body is unknown, missing, of the wrong type or out of bounds; \
         `field` names it.";
    CheckDigits = "check_digits", UNPROCESSABLE_ENTITY, "Wrong check digits",
        "A line of an import brings a secret with the deployment's prefix and wrong check digits.";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Idempotency-Key reused",
        "The `Idempotency-Key` was used with another method, path or body within 24 hours.";
    TooManyReports = "too_many_reports", TOO_MANY_REQUESTS, "Too many reports at a time",
        "More edges report at once than can be heard; `Retry-After` says when to report again. Nothing is lost meanwhile.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error",
        "A fault of the control plane; its log has the request's id. \
         Whether the change was made is not known: ask again with the same `Idempotency-Key`.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Unavailable",
        "The database cannot be used. Nothing was changed; `Retry-After` says when to ask again.";
    Timeout = "timeout", GATEWAY_TIMEOUT, "Took too long",
        "The request took longer than its limit. Whether a change was made is not known: \
         ask again with the same `Idempotency-Key`, or read.";
}

/// Seconds after which to ask again when the database is away.
const RETRY_AFTER_SECONDS: u64 = 2;

/// Seconds after which an edge reports again that was not heard.
const REPORT_AFTER_SECONDS: u64 = 30;

/// A refusal on its way to the client.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: Option<String>,
    field: Option<String>,
    fault: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The body, in the order of RFC 9457, section 3.1, and then our own members.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    request_id: &'a str,
}

impl Problem {
    /// A problem with nothing to add to its title.
    pub fn new(code: Code) -> Self {
        let headers = match code {
            Code::Unauthorized => {
                vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"keyward\""))]
            }
            Code::Unavailable | Code::IdempotencyInProgress => {
                vec![(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))]
            }
            Code::TooManyReports => vec![(header::RETRY_AFTER, HeaderValue::from(REPORT_AFTER_SECONDS))],
            _ => Vec::new(),
        };
        Self { code, detail: None, field: None, fault: None, headers, cause: None }
    }

    /// Says what is wrong in this case.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Names the member, parameter or header that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says which of the domain's faults it is.
    #[must_use]
    pub fn fault(mut self, fault: &'static str) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Keeps the cause for the log; the client never reads it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The member, parameter or header that is wrong.
    pub fn field_name(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// What is wrong in this case.
    pub(super) fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Which of the domain's faults it is.
    pub(super) fn fault_code(&self) -> Option<&'static str> {
        self.fault
    }

    /// What the log may know.
    pub(super) fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync)> {
        self.cause.as_deref()
    }

    /// The answer, for the request with this id.
    pub(super) fn render(&self, request_id: &str) -> Response {
        let body = Body {
            kind: format!("urn:keyward:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: self.detail.as_deref(),
            code: self.code.as_str(),
            field: self.field.as_deref(),
            fault: self.fault,
            request_id,
        };
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.code.status(), bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        response
    }
}

impl IntoResponse for Problem {
    /// An empty answer that carries the problem to the frame, which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::new(Code::Invalid).detail(invalid.detail).fault(invalid.fault.code()).field(invalid.field)
    }
}

/// The table of codes as Markdown.
pub fn markdown() -> String {
    use std::fmt::Write as _;

    let mut text = String::from("| code | status | when |\n|---|---|---|\n");
    for code in Code::ALL {
        let _ = writeln!(text, "| `{}` | {} | {} |", code.as_str(), code.status().as_u16(), code.when());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once_and_refuses() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code:?}");
            assert!(code.status().as_u16() >= 400, "{code:?}");
        }
    }
}
