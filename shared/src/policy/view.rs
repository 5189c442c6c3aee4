//! A policy read in place: a leaf keeps one for nearly every key, so it keeps their bytes and nothing else.
//!
//! [`PolicyRef::read`] checks all of a policy and is the only reader of its form; later looks at the same
//! bytes check nothing again and allocate nothing. What cannot be there any more, an entry that does not
//! read, matches nothing, so that it can only refuse.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    ALL_APIS, Access, Apis, App, MAX_APIS, MAX_POLICY_BYTES, MAX_RESTRICTIONS, Policy, PolicyError, Restrictions,
    SlugHash,
};
use crate::id::WorkspaceId;
use crate::wire::Reader;

const IPS: &str = "restrictions.ips";
const REFERRERS: &str = "restrictions.referrers";
const APPS: &str = "restrictions.apps";

/// A policy, borrowed from a leaf's bytes or from a [`Policy`].
#[derive(Clone, Copy)]
pub struct PolicyRef<'a> {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The workspace's slug, hashed.
    pub slug: SlugHash,
    /// Read-only or read-write.
    pub access: Access,
    /// The APIs granted.
    pub apis: ApisRef<'a>,
    /// From where the key may be used.
    pub restrictions: RestrictionsRef<'a>,
}

/// Which APIs a key may call, as [`Apis`].
#[derive(Clone, Copy)]
pub struct ApisRef<'a>(Numbers<'a>);

#[derive(Clone, Copy)]
enum Numbers<'a> {
    All,
    Listed(&'a [u16]),
    Encoded(&'a [[u8; 2]]),
}

/// From where a key may be used, as [`Restrictions`].
#[derive(Clone, Copy)]
pub struct RestrictionsRef<'a>(Lists<'a>);

#[derive(Clone, Copy)]
enum Lists<'a> {
    Listed(&'a Restrictions),
    Encoded(&'a [u8]),
}

/// An app, as [`App`].
#[derive(Clone, Copy)]
pub(crate) enum AppRef<'a> {
    Android { package: &'a str, certificate: &'a str },
    Ios { bundle: &'a str },
}

impl<'a> PolicyRef<'a> {
    /// Reads a policy that fills `bytes` to their end. All of it is checked, nothing is allocated.
    pub fn read(bytes: &'a [u8]) -> Result<Self, PolicyError> {
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge { got: bytes.len() });
        }
        let mut reader = Reader::new(bytes);
        let policy = Self::begin(&mut reader)?;
        if let Numbers::Encoded(numbers) = policy.apis.0
            && !numbers.is_sorted_by(|a, b| a < b)
        {
            return Err(PolicyError::Meaningless { field: "apis" });
        }
        check(&mut reader, IPS, read_range)?;
        check(&mut reader, REFERRERS, read_referrer)?;
        check(&mut reader, APPS, read_app)?;
        if !reader.rest().is_empty() {
            return Err(PolicyError::Meaningless { field: "policy" });
        }
        Ok(policy)
    }

    /// The policy of bytes that [`Self::read`] has passed before.
    pub(crate) fn of_checked(bytes: &'a [u8]) -> Option<Self> {
        Self::begin(&mut Reader::new(bytes)).ok()
    }

    /// Reads up to the restrictions.
    fn begin(reader: &mut Reader<'a>) -> Result<Self, PolicyError> {
        let workspace = WorkspaceId::from_u64(reader.u64()?);
        let slug = SlugHash(reader.array()?);
        let access = match reader.u8()? {
            0 => Access::ReadOnly,
            1 => Access::ReadWrite,
            _ => return Err(PolicyError::Meaningless { field: "access" }),
        };
        let numbers = match reader.u16()? {
            ALL_APIS => Numbers::All,
            granted => {
                let got = usize::from(granted);
                if got > MAX_APIS {
                    return Err(PolicyError::TooMany { list: "apis", got, max: MAX_APIS });
                }
                Numbers::Encoded(reader.take(2 * got)?.as_chunks().0)
            }
        };
        let restrictions = RestrictionsRef(Lists::Encoded(reader.rest()));
        Ok(Self { workspace, slug, access, apis: ApisRef(numbers), restrictions })
    }

    /// The same, owned.
    pub fn to_policy(self) -> Policy {
        let Self { workspace, slug, access, apis, restrictions } = self;
        let restrictions = Restrictions {
            ips: restrictions.ips().flatten().collect(),
            referrers: restrictions.referrers().flatten().map(str::to_owned).collect(),
            apps: restrictions.apps().flatten().map(App::from).collect(),
        };
        Policy { workspace, slug, access, apis: apis.to_apis(), restrictions }
    }
}

impl<'a> From<&'a Policy> for PolicyRef<'a> {
    fn from(policy: &'a Policy) -> Self {
        let numbers = match &policy.apis {
            Apis::All => Numbers::All,
            Apis::Only(numbers) => Numbers::Listed(numbers),
        };
        Self {
            workspace: policy.workspace,
            slug: policy.slug,
            access: policy.access,
            apis: ApisRef(numbers),
            restrictions: RestrictionsRef(Lists::Listed(&policy.restrictions)),
        }
    }
}

/// Equal where the policies are, however they are held. For tests and for who publishes; it allocates.
impl PartialEq for PolicyRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.to_policy() == other.to_policy()
    }
}

impl Eq for PolicyRef<'_> {}

impl fmt::Debug for PolicyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_policy().fmt(f)
    }
}

impl ApisRef<'_> {
    /// As [`Apis::grant`].
    pub fn grant(self, api: Option<u16>) -> bool {
        match (self.0, api) {
            (Numbers::All, _) => true,
            (Numbers::Listed(numbers), Some(number)) => numbers.contains(&number),
            (Numbers::Encoded(numbers), Some(number)) => numbers.contains(&number.to_be_bytes()),
            (Numbers::Listed(_) | Numbers::Encoded(_), None) => false,
        }
    }

    fn to_apis(self) -> Apis {
        match self.0 {
            Numbers::All => Apis::All,
            Numbers::Listed(numbers) => Apis::Only(numbers.to_vec()),
            Numbers::Encoded(numbers) => Apis::Only(numbers.iter().copied().map(u16::from_be_bytes).collect()),
        }
    }
}

/// Each list gives its entries, `None` for one that does not read.
impl<'a> RestrictionsRef<'a> {
    /// Whether there are none at all, as of most keys.
    pub(crate) fn is_empty(self) -> bool {
        match self.0 {
            Lists::Listed(lists) => lists.ips.is_empty() && lists.referrers.is_empty() && lists.apps.is_empty(),
            // Three lists without entries.
            Lists::Encoded(bytes) => bytes == [0; 3],
        }
    }

    /// Client addresses.
    pub(crate) fn ips(self) -> impl Iterator<Item = Option<IpNet>> {
        let (listed, encoded) = self.halves();
        let listed = listed.into_iter().flat_map(|lists| &lists.ips).copied().map(Some);
        listed.chain(encoded.into_iter().flat_map(|reader| entries(reader, read_range)))
    }

    /// Patterns for referrers.
    pub(crate) fn referrers(self) -> impl Iterator<Item = Option<&'a str>> {
        let (listed, encoded) = self.halves();
        let listed = listed.into_iter().flat_map(|lists| &lists.referrers).map(|pattern| Some(pattern.as_str()));
        listed.chain(encoded.into_iter().flat_map(|mut reader| {
            pass(&mut reader, read_range);
            entries(reader, read_referrer)
        }))
    }

    /// Client apps.
    pub(crate) fn apps(self) -> impl Iterator<Item = Option<AppRef<'a>>> {
        let (listed, encoded) = self.halves();
        let listed = listed.into_iter().flat_map(|lists| &lists.apps).map(|app| Some(app.into()));
        listed.chain(encoded.into_iter().flat_map(|mut reader| {
            pass(&mut reader, read_range);
            pass(&mut reader, read_referrer);
            entries(reader, read_app)
        }))
    }

    const fn halves(self) -> (Option<&'a Restrictions>, Option<Reader<'a>>) {
        match self.0 {
            Lists::Listed(lists) => (Some(lists), None),
            Lists::Encoded(bytes) => (None, Some(Reader::new(bytes))),
        }
    }
}

impl<'a> From<&'a App> for AppRef<'a> {
    fn from(app: &'a App) -> Self {
        match app {
            App::Android { package, certificate } => Self::Android { package, certificate },
            App::Ios { bundle } => Self::Ios { bundle },
        }
    }
}

impl From<AppRef<'_>> for App {
    fn from(app: AppRef<'_>) -> Self {
        match app {
            AppRef::Android { package, certificate } => {
                Self::Android { package: package.to_owned(), certificate: certificate.to_owned() }
            }
            AppRef::Ios { bundle } => Self::Ios { bundle: bundle.to_owned() },
        }
    }
}

type Read<'a, T> = fn(&mut Reader<'a>) -> Result<T, PolicyError>;

fn check<'a, T>(reader: &mut Reader<'a>, list: &'static str, read: Read<'a, T>) -> Result<(), PolicyError> {
    let got = usize::from(reader.u8()?);
    if got > MAX_RESTRICTIONS {
        return Err(PolicyError::TooMany { list, got, max: MAX_RESTRICTIONS });
    }
    (0..got).try_for_each(|_| read(reader).map(drop))
}

/// The entries of a list that was checked.
fn entries<'a, T>(mut reader: Reader<'a>, read: Read<'a, T>) -> impl Iterator<Item = Option<T>> {
    // Without its count, a list has one entry, which does not read: it must not pass for empty.
    let left = reader.u8().unwrap_or(1);
    (0..left).map(move |_| read(&mut reader).ok())
}

/// Goes to the end of a list that was checked.
fn pass<'a, T>(reader: &mut Reader<'a>, read: Read<'a, T>) {
    let left = reader.u8().unwrap_or(0);
    for _ in 0..left {
        let _ = read(reader);
    }
}

fn read_range(reader: &mut Reader<'_>) -> Result<IpNet, PolicyError> {
    let prefix_len = reader.u8()?;
    let range = match reader.u8()? {
        4 => Ipv4Net::new(Ipv4Addr::from(reader.array::<4>()?), prefix_len).map(IpNet::V4),
        6 => Ipv6Net::new(Ipv6Addr::from(reader.array::<16>()?), prefix_len).map(IpNet::V6),
        _ => return Err(PolicyError::Meaningless { field: IPS }),
    };
    range.map_err(|_| PolicyError::Meaningless { field: IPS })
}

fn read_referrer<'a>(reader: &mut Reader<'a>) -> Result<&'a str, PolicyError> {
    text(reader, REFERRERS)
}

fn read_app<'a>(reader: &mut Reader<'a>) -> Result<AppRef<'a>, PolicyError> {
    match reader.u8()? {
        0 => Ok(AppRef::Android { package: text(reader, APPS)?, certificate: text(reader, APPS)? }),
        1 => Ok(AppRef::Ios { bundle: text(reader, APPS)? }),
        _ => Err(PolicyError::Meaningless { field: APPS }),
    }
}

fn text<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a str, PolicyError> {
    core::str::from_utf8(reader.short()?).map_err(|_| PolicyError::Meaningless { field })
}
