//! Refusals about members and teams.

/// Why a member or a team did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeopleRefusal {
    /// The workspace would be without an owner.
    #[error("the workspace's last owner stays one")]
    LastOwner,
    /// It is the machine that keys belong to which name no member.
    #[error("the workspace's default member stays as it is")]
    DefaultMember,
    /// Another member of the workspace has the address.
    #[error("a member of this workspace has the address already")]
    EmailTaken,
    /// Another team of the workspace has the name.
    #[error("a team of this workspace has the name already")]
    TeamNameTaken,
}
