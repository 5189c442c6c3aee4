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
    /// When it is answered, for the docs.
    pub when: &'static str,
}

/// All problems; those of [`Refusal`] come first, at their [`Refusal::index`].
pub const PROBLEMS: &[Problem] = &[
    Problem {
        status: 401,
        code: "unauthorized",
        title: "A usable API key is needed",
        when: "no credentials, malformed, unknown, wrong user, disabled, paused, expired, archived, deleted, retired secret, suspended workspace",
    },
    Problem {
        status: 403,
        code: "read_only_key",
        title: "This key reads only",
        when: "a read-only key on a route or method that writes",
    },
    Problem {
        status: 403,
        code: "api_not_granted",
        title: "This key is not granted this API",
        when: "the API of the path is not among the key's; without a route, the key lacks `*`",
    },
    Problem {
        status: 403,
        code: "restricted",
        title: "This key may not be used from here",
        when: "the client's address, referrer or app is not among the key's restrictions",
    },
    Problem {
        status: 403,
        code: "bad_path",
        title: "The path can be read in more than one way",
        when: "dot segments, empty segments, backslashes, their encoded forms, an encoded slash or dot, characters that no URI holds",
    },
    Problem {
        status: 503,
        code: "no_snapshot",
        title: "No snapshot has been loaded yet",
        when: "no usable head was ever had, or the Worker's configuration cannot be used",
    },
    Problem {
        status: 503,
        code: "snapshot_expired",
        title: "The snapshot has expired",
        when: "the head is past its `expires_at`",
    },
    Problem {
        status: 503,
        code: "object_unavailable",
        title: "A part of the snapshot cannot be had",
        when: "a node or leaf that the verdict needs could not be loaded within a second",
    },
    Problem {
        status: 404,
        code: "no_origin",
        title: "There is nothing here",
        when: "an allowed request that is not for the ping path, where no origin is set",
    },
    Problem {
        status: 502,
        code: "origin_unreachable",
        title: "The origin cannot be reached",
        when: "an allowed request whose origin did not answer",
    },
    Problem {
        status: 404,
        code: "not_found",
        title: "There is no such endpoint",
        when: "an unknown path below `/.keyward/`",
    },
    Problem {
        status: 403,
        code: "proxy_secret",
        title: "X-Keyward-Proxy does not hold this edge's proxy secret",
        when: "`/.keyward/verify` without the proxy's secret",
    },
    Problem {
        status: 400,
        code: "forwarded_headers",
        title: "X-Forwarded-Method, X-Forwarded-Uri and X-Forwarded-Host are needed, each exactly once",
        when: "`/.keyward/verify` without one of them, or with one twice",
    },
    Problem {
        status: 500,
        code: "internal",
        title: "The edge failed; the request was not forwarded",
        when: "a fault of the Worker itself",
    },
];

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
