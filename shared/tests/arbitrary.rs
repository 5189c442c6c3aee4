//! Values of every format, drawn at random, and the ways in which bytes get spoiled.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use keyward_shared::fingerprint::{Fingerprint, PepperId};
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::{Access, Apis, App, Policy, Restrictions, SlugHash};
use keyward_shared::record::{Deadline, Record, Slot};
use keyward_shared::settings::{Accept, BasicUser, CheckDigits, Route, RouteAccess, Settings};
use keyward_shared::snapshot::{Head, ObjectName, Place, RecentEntry, Shape, Stamp, Tree};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

pub(crate) fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    any::<[u8; Fingerprint::LEN]>().prop_map(Fingerprint::from_bytes)
}

/// A place and fingerprints that it covers, in order.
pub(crate) fn place_and_fingerprints() -> impl Strategy<Value = (Place, Vec<Fingerprint>)> {
    let fingerprints = btree_set(any::<[u8; Fingerprint::LEN]>(), 0..40);
    (0_u8..=28, any::<u32>(), fingerprints).prop_map(|(depth, bits, fingerprints)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(depth)).unwrap_or(0);
        let within = |mut bytes: [u8; Fingerprint::LEN]| {
            let [a, b, c, d, ..] = bytes;
            let word = (u32::from_be_bytes([a, b, c, d]) & !mask) | (bits & mask);
            bytes[..4].copy_from_slice(&word.to_be_bytes());
            Fingerprint::from_bytes(bytes)
        };
        let mut covered: Vec<_> = fingerprints.into_iter().map(within).collect();
        covered.sort();
        covered.dedup();
        let prefix = (bits & mask).checked_shr(32 - u32::from(depth)).unwrap_or(0);
        (Place { depth, prefix }, covered)
    })
}

pub(crate) fn stamp() -> impl Strategy<Value = Stamp> {
    any::<(u64, u64)>().prop_map(|(epoch, generation)| Stamp { epoch, generation })
}

pub(crate) fn name() -> impl Strategy<Value = ObjectName> {
    any::<[u8; ObjectName::LEN]>().prop_map(ObjectName::from_bytes)
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    let deadline = prop_oneof![Just(u32::MAX), any::<u32>()].prop_map(Deadline::at_seconds);
    let slot = prop_oneof![Just(Slot::Current), Just(Slot::Retiring)];
    (any::<(u64, u64)>(), deadline, slot, any::<(bool, bool, bool)>()).prop_map(
        |((key, member), deadline, slot, (disabled, paused, suspended))| Record {
            key: KeyId::from_u64(key),
            member: MemberId::from_u64(member),
            deadline,
            slot,
            disabled,
            paused,
            suspended,
        },
    )
}

/// A policy within all bounds, its API numbers sorted as they come back.
pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    let access = prop_oneof![Just(Access::ReadOnly), Just(Access::ReadWrite)];
    let apis = prop_oneof![
        Just(Apis::All),
        btree_set(any::<u16>(), 0..20).prop_map(|numbers| Apis::Only(numbers.into_iter().collect())),
    ];
    let restrictions = (vec(ip_range(), 0..8), vec(".{0,20}", 0..4), vec(app(), 0..3))
        .prop_map(|(ips, referrers, apps)| Restrictions { ips, referrers, apps });
    (any::<u64>(), "[a-z0-9-]{2,20}", access, apis, restrictions).prop_map(
        |(workspace, slug, access, apis, restrictions)| Policy {
            workspace: WorkspaceId::from_u64(workspace),
            slug: SlugHash::of(&slug),
            access,
            apis,
            restrictions,
        },
    )
}

fn ip_range() -> impl Strategy<Value = IpNet> {
    let v4 =
        (any::<[u8; 4]>(), 0_u8..=32).prop_map(|(address, bits)| Ipv4Net::new(address.into(), bits).map(IpNet::V4));
    let v6 =
        (any::<[u8; 16]>(), 0_u8..=128).prop_map(|(address, bits)| Ipv6Net::new(address.into(), bits).map(IpNet::V6));
    prop_oneof![v4, v6].prop_map(|range| range.expect("a prefix within the address"))
}

fn app() -> impl Strategy<Value = App> {
    prop_oneof![
        (".{0,20}", "[0-9a-fA-F]{40}").prop_map(|(package, certificate)| App::Android { package, certificate }),
        ".{0,20}".prop_map(|bundle| App::Ios { bundle }),
    ]
}

pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    let check_digits = prop_oneof![Just(CheckDigits::Enforce), Just(CheckDigits::Off)];
    let basic_user = prop_oneof![Just(BasicUser::Match), Just(BasicUser::Any)];
    let accept = (any::<(bool, bool)>(), option::of("[a-z-]{1,64}")).prop_map(|((basic, bearer), header)| Accept {
        basic,
        bearer,
        header,
    });
    ("[a-z_]{0,32}", check_digits, accept, basic_user, "[ -~]{0,64}", "/[!-~]{0,40}", vec(route(), 0..6)).prop_map(
        |(key_prefix, check_digits, accept, basic_user, realm, ping_path, routes)| Settings {
            key_prefix,
            check_digits,
            accept,
            basic_user,
            realm,
            ping_path,
            routes,
        },
    )
}

fn route() -> impl Strategy<Value = Route> {
    let access = prop_oneof![
        Just(RouteAccess::ByMethod),
        Just(RouteAccess::Read),
        Just(RouteAccess::Write),
        Just(RouteAccess::Public),
    ];
    (any::<u16>(), "(/[a-z0-9;%.-]{0,5}){0,4}", vec("[A-Z]{1,10}", 0..4), access)
        .prop_map(|(api, path_prefix, methods, access)| Route { api, path_prefix, methods, access })
}

fn tree() -> impl Strategy<Value = Tree> {
    vec(1_u8..=5, 0..3).prop_flat_map(|levels| {
        let shape = Shape::new(levels).expect("within bounds");
        (any::<u64>(), vec(name(), shape.top_len())).prop_map(move |(pepper, top)| Tree {
            shape: shape.clone(),
            pepper: PepperId::from_u64(pepper),
            top,
        })
    })
}

/// A head that does not contradict itself.
pub(crate) fn head() -> impl Strategy<Value = Head> {
    let state = option::of((record(), policy()));
    let recent = btree_map(any::<[u8; Fingerprint::LEN]>(), (any::<Index>(), state), 0..12);
    (
        any::<u64>(),
        any::<[u64; 5]>(),
        (0..u64::MAX, any::<Index>()),
        name(),
        any::<bool>(),
        vec(any::<u8>(), 0..200),
        tree(),
        option::of(tree()),
        recent,
    )
        .prop_map(
            |(epoch, mut floors, (issued_at, lasts), settings, ack_wanted, checkpoint, tree, next, recent)| {
                floors.sort_unstable();
                let [narrowed_since, recent_since, tree_generation, generation, narrowed_through] = floors;
                let within = |end: u64, index: Index| {
                    index.index(usize::try_from(end.saturating_add(1)).unwrap_or(usize::MAX)) as u64
                };
                Head {
                    epoch,
                    generation,
                    issued_at,
                    expires_at: issued_at + 1 + within(u64::MAX - issued_at - 1, lasts),
                    tree_generation,
                    recent_since,
                    narrowed_since,
                    narrowed_through,
                    settings,
                    ack_wanted,
                    checkpoint,
                    tree,
                    next,
                    recent: recent
                        .into_iter()
                        .map(|(fingerprint, (generation, state))| RecentEntry {
                            fingerprint: Fingerprint::from_bytes(fingerprint),
                            generation: within(narrowed_through, generation),
                            state,
                        })
                        .collect(),
                }
            },
        )
}

/// One way in which bytes get spoiled between those who write and those who read them.
#[derive(Debug, Clone)]
pub(crate) enum Spoil {
    FlipBit(Index, u8),
    SetByte(Index, u8),
    CutTo(Index),
    Append(Vec<u8>),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// Copies what stands at one place over what stands at another, as a torn write would.
    Copy(Index, Index, usize),
}

impl Spoil {
    pub(crate) fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let mut spoiled = bytes.to_vec();
        match self {
            Self::FlipBit(at, bit) => spoiled[at.index(bytes.len())] ^= 1 << bit,
            Self::SetByte(at, byte) => spoiled[at.index(bytes.len())] = *byte,
            Self::CutTo(length) => spoiled.truncate(length.index(bytes.len())),
            Self::Append(more) => spoiled.extend(more),
            Self::Insert(at, more) => {
                let at = at.index(bytes.len());
                spoiled.splice(at..at, more.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(bytes.len());
                spoiled.drain(at..bytes.len().min(at + count));
            }
            Self::Copy(from, to, count) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let count = (*count).min(bytes.len() - from.max(to));
                spoiled.copy_within(from..from + count, to);
            }
        }
        spoiled
    }
}

/// One to three of them.
pub(crate) fn spoils() -> impl Strategy<Value = Vec<Spoil>> {
    let index = any::<Index>;
    let spoil = prop_oneof![
        4 => (index(), 0_u8..8).prop_map(|(at, bit)| Spoil::FlipBit(at, bit)),
        4 => (index(), prop_oneof![Just(0), Just(0xff), any::<u8>()])
            .prop_map(|(at, byte)| Spoil::SetByte(at, byte)),
        1 => index().prop_map(Spoil::CutTo),
        1 => vec(any::<u8>(), 1..60).prop_map(Spoil::Append),
        1 => (index(), vec(any::<u8>(), 1..60)).prop_map(|(at, more)| Spoil::Insert(at, more)),
        1 => (index(), 1_usize..60).prop_map(|(at, count)| Spoil::Remove(at, count)),
        1 => (index(), index(), 1_usize..60).prop_map(|(from, to, count)| Spoil::Copy(from, to, count)),
    ];
    vec(spoil, 1..4)
}

/// Applies them one after another, as long as anything is left.
pub(crate) fn spoil(bytes: &[u8], spoils: &[Spoil]) -> Vec<u8> {
    spoils.iter().fold(bytes.to_vec(), |bytes, spoil| if bytes.is_empty() { bytes } else { spoil.apply(&bytes) })
}
