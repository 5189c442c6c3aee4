//! What `entry.mjs` is told: a number for all that needs no more words, or the identity of a grant.
//!
//! The numbers are mirrored in `entry.mjs`; a test holds the two together.

use keyward_shared::decision::{Decision, Grant, Refusal};
use keyward_shared::snapshot::Need;

use crate::answer;

/// A usable key on the ping path.
pub(crate) const PONG: u32 = 16;
/// A public route: forward without identity.
pub(crate) const PUBLIC: u32 = 17;
/// Ask again with what restrictions and the settings want to know of the request.
pub(crate) const FACTS: u32 = 18;
/// Go on in [`crate::settle`]: something must be loaded or waited for.
pub(crate) const SETTLE: u32 = 19;
/// The path of the Worker's own endpoints.
pub(crate) const OWN: u32 = 20;

/// Forward, with the identity that the output holds.
pub(crate) const GRANT: u32 = 21;
/// The input was empty: the entry wrote to the memory of an instance that is no more.
pub(crate) const REBIND: u32 = 22;
/// Beside a verdict's number: a refresh should be started.
pub(crate) const DUE: u32 = 32;
/// Beside [`GRANT`]: the settings name a header that keys are also taken from.
pub(crate) const KEY_HEADER: u32 = 64;
/// Beside a verdict's number: a report should be sent.
pub(crate) const REPORT: u32 = 128;
/// Beside [`GRANT`], from this bit up: how many bytes the output has.
pub(crate) const GRANT_SHIFT: u32 = 8;

/// Beside a refusal's number, from this bit up: the version of the settings that judged.
pub(crate) const SETTINGS_SHIFT: u32 = 8;

/// What became of a request.
pub(crate) enum Verdict {
    /// One of the numbers; below 16 the index of a problem.
    Number(u32),
    /// Answer pong to this identity.
    Pong(Grant),
    /// Forward, with this identity.
    Allow(Grant),
}

/// A decision that is final, or what it lacks.
pub(crate) fn of(decision: Decision) -> Result<Verdict, Need> {
    match decision {
        Decision::Pong(grant) => Ok(Verdict::Pong(grant)),
        Decision::Public => Ok(Verdict::Number(PUBLIC)),
        Decision::Allow(grant) => Ok(Verdict::Allow(grant)),
        Decision::Deny(refusal) => Ok(refuse(refusal)),
        Decision::Need(need) => Err(need),
    }
}

/// A fault of the edge itself: refused, whatever it was about to say.
pub(crate) fn internal() -> u32 {
    u32::try_from(answer::index_of("internal")).unwrap_or(u32::MAX)
}

/// The number of a refusal.
pub(crate) fn refuse(refusal: Refusal) -> Verdict {
    Verdict::Number(index_of(refusal))
}

fn index_of(refusal: Refusal) -> u32 {
    u32::try_from(refusal.index()).unwrap_or(u32::MAX)
}

/// The identity headers' names, in the order in which [`identity`] gives their values.
pub(crate) const IDENTITY_HEADERS: [&str; 6] = [
    "x-keyward-key-id",
    "x-keyward-workspace-id",
    "x-keyward-member-id",
    "x-keyward-access",
    "x-keyward-generation",
    "x-keyward-assertion",
];

/// Appends the values of the identity headers, each on a line; the last is empty where no assertion is
/// made.
pub(crate) fn identity(grant: &Grant, generation: &str, assertion: &str, lines: &mut String) {
    grant.key.push_to(lines);
    lines.push('\n');
    grant.workspace.push_to(lines);
    lines.push('\n');
    grant.member.push_to(lines);
    for value in [grant.access.as_str(), generation, assertion] {
        lines.push('\n');
        lines.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
    use keyward_shared::policy::Access;
    use keyward_shared::record::Slot;

    use super::*;

    #[test]
    fn the_entry_mirrors_the_numbers_and_the_names() {
        let entry = include_str!("../entry.mjs");
        let numbers = [
            // Below it the client is to blame.
            ("NO_SNAPSHOT", index_of(Refusal::NoSnapshot)),
            ("PONG", PONG),
            ("PUBLIC", PUBLIC),
            ("FACTS", FACTS),
            ("SETTLE", SETTLE),
            ("OWN", OWN),
            ("GRANT", GRANT),
            ("REBIND", REBIND),
            ("DUE", DUE),
            ("KEY_HEADER", KEY_HEADER),
            ("REPORT", REPORT),
            ("GRANT_SHIFT", GRANT_SHIFT),
            ("SETTINGS_SHIFT", SETTINGS_SHIFT),
            // All that is below the first bit that stands beside a number.
            ("NUMBER", DUE - 1),
        ];
        for (name, number) in numbers {
            let line = format!("const {name} = {number};");
            assert!(entry.contains(&line), "entry.mjs lacks `{line}`");
        }
        let version = format!("const VERSION = '{}';", env!("CARGO_PKG_VERSION"));
        assert!(entry.contains(&version), "entry.mjs lacks `{version}`");
        let names = IDENTITY_HEADERS.map(|name| format!("  '{name}',\n")).concat();
        let array = format!("const IDENTITY_HEADERS = [\n{names}];\n");
        assert!(entry.contains(&array), "entry.mjs lacks `{array}`");
    }

    #[test]
    fn the_entry_knows_where_each_identifier_begins() {
        let grant = |bits| Grant {
            key: KeyId::from_u64(bits),
            workspace: WorkspaceId::from_u64(bits),
            member: MemberId::from_u64(bits),
            access: Access::ReadOnly,
            slot: Slot::Current,
        };
        for bits in [0, 1, u64::MAX] {
            let mut lines = String::new();
            identity(&grant(bits), "7", "", &mut lines);
            let places = [("WORKSPACE_AT", "ws_"), ("MEMBER_AT", "mem_"), ("ACCESS_AT", "read-only\n7\n")];
            for (name, begins) in places {
                let at = lines.find(begins).expect("each line");
                let line = format!("const {name} = {at};");
                assert!(include_str!("../entry.mjs").contains(&line), "entry.mjs lacks `{line}`");
            }
        }
    }
}
