//! Every problem the Worker answers with (RFC 9457), in one table. The client hears a code and a
//! title; the reason stays here.

/// One problem.
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// What it says to people.
    pub title: &'static str,
}

macro_rules! problems {
    ($($status:literal, $code:literal, $title:literal, $when:literal;)*) => {
        /// All problems; those of [`Refusal`] come first, at their [`Refusal::index`].
        ///
        /// [`Refusal`]: keyward_shared::decision::Refusal
        /// [`Refusal::index`]: keyward_shared::decision::Refusal::index
        pub const PROBLEMS: &[Problem] = &[$(Problem { status: $status, code: $code, title: $title },)*];

        /// When each of [`PROBLEMS`] is answered, for the docs. Apart from them, so that the Worker does not
        /// carry it about.
        pub const CAUSES: &[&str] = &[$($when,)*];
    };
}

problems! {
    401, "unauthorized", "A usable API key is needed",
        "no credentials, malformed, unknown, wrong user, disabled, paused, expired, archived, deleted, retired secret, suspended workspace";
    403, "read_only_key", "This key reads only",
        "a read-only key on a route or method that writes";
    403, "api_not_granted", "This key is not granted this API",
        "the API of the path is not among the key's; without a route, the key lacks `*`";
    403, "restricted", "This key may not be used from here",
        "the client's address, referrer or app is not among the key's restrictions";
    403, "bad_path", "The path can be read in more than one way",
        "dot segments, empty segments, backslashes, their encoded forms, an encoded slash or dot, characters that no URI holds";
    503, "no_snapshot", "No snapshot has been loaded yet",
        "no usable head was ever had, or the Worker's configuration cannot be used";
    503, "snapshot_expired", "The snapshot has expired",
        "the head is past its `expires_at`";
    503, "object_unavailable", "A part of the snapshot cannot be had",
        "a node or leaf that the verdict needs could not be loaded within a second";
    404, "no_origin", "There is nothing here",
        "an allowed request that is not for the ping path, where no origin is set";
    502, "origin_unreachable", "The origin cannot be reached",
        "an allowed request whose origin did not answer";
    404, "not_found", "There is no such endpoint",
        "an unknown path below `/.keyward/`";
    403, "proxy_secret", "X-Keyward-Proxy does not hold this edge's proxy secret",
        "`/.keyward/verify` without the proxy's secret";
    400, "forwarded_headers", "X-Forwarded-Method, X-Forwarded-Uri and X-Forwarded-Host are needed, each exactly once",
        "`/.keyward/verify` without one of them, or with one twice";
    500, "internal", "The edge failed; the request was not forwarded",
        "a fault of the Worker itself";
}

/// Where [`PROBLEMS`] has `code`, the number the entry asks it by.
pub(crate) fn index_of(code: &str) -> usize {
    PROBLEMS.iter().position(|problem| problem.code == code).unwrap_or(PROBLEMS.len() - 1)
}

impl Problem {
    /// The body, the same for every request.
    pub fn body(&self) -> String {
        let Self { status, code, title, .. } = self;
        format!(
            "{{\"type\":\"urn:keyward:problem:{code}\",\"title\":\"{title}\",\"status\":{status},\"code\":\"{code}\"}}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyward_shared::decision::Refusal;

    #[test]
    fn refusals_come_first_and_agree() {
        for (index, (code, status)) in Refusal::CODES.into_iter().enumerate() {
            assert_eq!((PROBLEMS[index].code, PROBLEMS[index].status), (code, status));
        }
    }

    #[test]
    fn bodies_are_json() {
        for problem in PROBLEMS {
            let body: serde_json::Value = serde_json::from_str(&problem.body()).expect("JSON");
            assert_eq!(body["code"], problem.code);
            assert_eq!(body["title"], problem.title);
        }
    }

    #[test]
    fn the_entry_knows_what_it_answers_without_webassembly() {
        let internal = &PROBLEMS[index_of("internal")];
        assert!(include_str!("../entry.mjs").contains(&internal.body()));
    }
}
