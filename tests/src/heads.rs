//! Reads published heads as an edge does: for a stack's own deployment, signed by its own key. Signs others as
//! somebody would who had that key.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use keyward_shared::snapshot::{Head, PublicKey, SigningKey, TrustedKeys};
use xtask::parts::control_plane::ControlPlane;

use crate::kv::{Asked, Call};

/// The name that deployments have where nobody gives another.
const DEPLOYMENT: &str = "keyward";

/// Reads and signs the heads of one deployment.
pub struct Heads {
    key: SigningKey,
    trusted: TrustedKeys,
    deployment: String,
}

impl Heads {
    /// Of the deployment that this control plane serves.
    pub fn of(control_plane: &ControlPlane) -> Result<Self> {
        let text = fs::read_to_string(control_plane.secret("signing-key"))?;
        let seed = BASE64_URL_SAFE_NO_PAD.decode(text.trim()).ok().and_then(|seed| seed.try_into().ok());
        let key = SigningKey::from_seed(&seed.context("the signing key is not 32 bytes")?);
        let public: PublicKey = key.public();
        let named = control_plane.settings.iter().find(|(name, _)| name == "KEYWARD_DEPLOYMENT");
        let deployment = named.map_or(DEPLOYMENT, |(_, value)| value).to_owned();
        Ok(Self { key, trusted: TrustedKeys::new(vec![public]).context("one key is enough")?, deployment })
    }

    /// What a head says.
    pub fn read(&self, bytes: &[u8]) -> Result<Head> {
        Head::verify(bytes, &self.deployment, &self.trusted).context("an edge would refuse this head")
    }

    /// A head as only who has the key can make it.
    pub fn sign(&self, head: &Head) -> Result<Vec<u8>> {
        Self::sign_as(&self.deployment, &self.key, head)
    }

    /// A head for a deployment of that name, signed with another key.
    pub fn sign_as(deployment: &str, key: &SigningKey, head: &Head) -> Result<Vec<u8>> {
        Ok(head.sign(deployment, key).context("no edge could load this head")?.into_bytes())
    }

    /// A key's public half, as `KEYWARD_PUBLIC_KEYS` has it.
    pub fn text(key: &SigningKey) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(key.public().to_bytes())
    }

    /// The key itself.
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Sees that of these calls to KV, each head came after every object that it names, and none
    /// stands below the one before it. Returns the heads that KV took.
    pub fn in_order(&self, calls: &[Call]) -> Result<Vec<Head>> {
        let (mut objects, mut heads): (BTreeSet<&str>, Vec<Head>) = Default::default();
        for call in calls.iter().filter(|call| call.status == Some(200)) {
            match &call.asked {
                Asked::PutBulk(keys) => objects.extend(keys.iter().map(String::as_str)),
                Asked::Put(_) if call.is_head() => {
                    let head = self.read(&call.value)?;
                    let next = head.next.iter().flat_map(|next| &next.top);
                    for name in head.tree.top.iter().chain(next).chain([&head.settings]) {
                        let place = format!("generation {}", head.generation);
                        ensure!(objects.contains(name.kv_key().as_str()), "{place} came before its object {name}");
                    }
                    ensure!(heads.last().is_none_or(|last| last.order() <= head.order()), "a head went back");
                    heads.push(head);
                }
                _ => {}
            }
        }
        Ok(heads)
    }
}
