//! The bytes that strangers depend on: an edge of one version reads what a control plane of another
//! wrote. A change here is a change of format and wants a new version byte, not a new file.
//!
//! `KEYWARD_WRITE_GOLDEN=1 cargo test -p keyward-shared golden` writes the files of the binary
//! formats anew. The tables were computed by another implementation (Python's `hashlib`, `hmac`,
//! `zlib`, `base64` and `cryptography`) and are only ever read.

use std::fs;
use std::path::PathBuf;

use keyward_shared::api_key::{ApiKey, verify_check_digits};
use keyward_shared::credentials;
use keyward_shared::report::Report;
use keyward_shared::settings::{Accept, Settings};
use keyward_shared::snapshot::{Head, Leaf, Node, ObjectName, Place, decode_settings, encode_settings};
use keyward_shared::{fingerprint::Pepper, policy::Policy};

use crate::fixtures::{
    DEPLOYMENT, STAMP, full_head, full_policy, full_settings, leaf_bytes, leaf_place, leaf_records, name, origin,
    pepper, signing_key, trusted,
};
use crate::report::full_report;

#[test]
fn the_policys_bytes_are_held() {
    let bytes = held("policy", &full_policy().encode().expect("within bounds"));
    assert_eq!(Policy::decode(&bytes), Ok(full_policy()));
}

#[test]
fn the_leafs_bytes_are_held() {
    let bytes = held("leaf", &leaf_bytes());
    let leaf = Leaf::decode(bytes.into_boxed_slice(), origin(), leaf_place()).expect("a leaf");
    let records: Vec<_> =
        leaf.records().map(|(fingerprint, record, policy)| (fingerprint, record, policy.to_policy())).collect();
    assert_eq!(records, leaf_records());
    assert_eq!(leaf.stamp(), STAMP);
}

#[test]
fn the_nodes_bytes_are_held() {
    let place = Place { depth: 2, prefix: 0b10 };
    let children = [name(1), name(2), name(3), name(4)];
    let bytes = Node::encode(origin(), place, STAMP, 2, &children).expect("four children");
    let node = Node::decode(&held("node", &bytes), origin(), place).expect("a node");
    assert_eq!(node.children(), children);
    assert_eq!((node.bits(), node.stamp()), (2, STAMP));
}

#[test]
fn the_settings_bytes_are_held() {
    let bytes = encode_settings(origin(), STAMP, &full_settings()).expect("within bounds");
    let bytes = held("settings", &bytes);
    assert_eq!(decode_settings(&bytes, origin()), Ok(full_settings()));
}

#[test]
fn the_heads_bytes_are_held() {
    let signed = full_head().sign(DEPLOYMENT, &signing_key()).expect("within bounds");
    let bytes = held("head", signed.as_bytes());
    assert_eq!(Head::verify(&bytes, DEPLOYMENT, &trusted()), Ok(full_head()));
}

#[test]
fn the_reports_bytes_are_held() {
    let bytes = held("report", &full_report().encode().expect("within bounds"));
    assert_eq!(Report::decode(&bytes), Ok(full_report()));
}

#[test]
fn names_and_ids_are_held() {
    let name = ObjectName::of(&leaf_bytes());
    let rows = [
        format!("object name of leaf\t{name}"),
        format!("kv key of leaf\t{}", name.kv_key()),
        format!("signing key id\t{}", signing_key().public().id()),
        format!("pepper id\t{}", pepper().id()),
    ];
    assert_eq!(table("names.tsv"), rows);
}

/// Rows of `generated_keys.tsv`: prefix, 64 random bytes in hexadecimal, the key.
#[test]
fn generated_keys_are_held() {
    for row in table("generated_keys.tsv") {
        let [prefix, random, expected] = columns(&row);
        let random = hex::decode(random).expect("hexadecimal");
        let key = ApiKey::generate(prefix, random.as_slice().try_into().expect("64 bytes"));
        assert_eq!(key.expect("enough digits").expose(), expected);
        assert_eq!(verify_check_digits(expected.as_bytes(), prefix), Ok(()));
    }
}

/// Rows of `credentials.tsv`: `Authorization`, pepper, digest, fingerprint, the last three in
/// hexadecimal.
#[test]
fn fingerprints_of_credentials_are_held() {
    let settings = Settings { accept: Accept { bearer: true, ..Accept::default() }, ..Settings::default() };
    for row in table("credentials.tsv") {
        let [authorization, secret, digest, fingerprint] = columns(&row);
        let secret = hex::decode(secret).expect("hexadecimal");
        let pepper = Pepper::new(secret.as_slice().try_into().expect("32 bytes"));
        let Ok(credential) = credentials::read(Some(authorization), None, &settings) else {
            panic!("{authorization} is a credential");
        };
        assert_eq!(hex::encode(credential.digest.as_bytes()), digest);
        let got = pepper.fingerprint(&credential.digest);
        assert_eq!(hex::encode(got.as_bytes()), fingerprint, "{authorization}");
    }
}

/// The bytes of the golden file `name`, which `bytes` must equal.
fn held(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = folder().join(format!("{name}.hex"));
    if std::env::var_os("KEYWARD_WRITE_GOLDEN").is_some() {
        let lines: Vec<_> = bytes.chunks(32).map(hex::encode).collect();
        fs::write(&path, lines.join("\n") + "\n").expect("a writable file");
    }
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).replace('\n', "");
    assert_eq!(hex::encode(bytes), text, "the format of {name} changed: edges that run now read {}", path.display());
    hex::decode(text).expect("hexadecimal")
}

fn table(name: &str) -> Vec<String> {
    let path = folder().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let rows: Vec<_> = text.lines().map(str::to_owned).collect();
    assert!(!rows.is_empty(), "{name} has rows");
    rows
}

fn columns<const N: usize>(row: &str) -> [&str; N] {
    let columns: Vec<_> = row.split('\t').collect();
    columns.try_into().expect("as many columns as named")
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "golden"].iter().collect()
}
