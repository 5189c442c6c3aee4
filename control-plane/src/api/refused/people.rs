//! Refusals about members and teams as problems.

use crate::api::problem::{Code, Problem};
use crate::lifecycle::refusal::PeopleRefusal;

impl From<PeopleRefusal> for Problem {
    fn from(refusal: PeopleRefusal) -> Self {
        let problem = match refusal {
            PeopleRefusal::LastOwner => Self::new(Code::LastOwner),
            PeopleRefusal::DefaultMember => Self::new(Code::DefaultMember),
            PeopleRefusal::EmailTaken => Self::new(Code::EmailTaken).field("email"),
            PeopleRefusal::TeamNameTaken => Self::new(Code::NameTaken).field("name"),
        };
        problem.detail(refusal.to_string())
    }
}
