//! The JSON that some columns hold. These are the store's own forms: neither an answer's nor the
//! snapshot's.

use std::net::IpAddr;

use ipnet::IpNet;
use keyward_shared::policy::{Access, Apis, App, Restrictions};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::text::Metadata;
use crate::store::StoreError;

/// Writes a value that always has a JSON form.
pub(super) fn write(value: &impl Serialize, what: &'static str) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt { what, source: Some(Box::new(error)) })
}

/// Reads what [`write`] wrote.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt { what, source: Some(Box::new(error)) })
}

pub(super) fn access(word: &str) -> Result<Access, StoreError> {
    Access::parse(word).ok_or_else(|| StoreError::corrupt("access"))
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredApis {
    Numbers(Vec<u16>),
    All([String; 1]),
}

pub(super) fn write_apis(apis: &Apis) -> Result<String, StoreError> {
    let stored = match apis {
        Apis::All => StoredApis::All(["*".to_owned()]),
        Apis::Only(numbers) => StoredApis::Numbers(numbers.clone()),
    };
    write(&stored, "key.apis")
}

pub(super) fn read_apis(text: &str) -> Result<Apis, StoreError> {
    match read(text, "key.apis")? {
        StoredApis::Numbers(numbers) => Ok(Apis::Only(numbers)),
        StoredApis::All([star]) if star == "*" => Ok(Apis::All),
        StoredApis::All(_) => Err(StoreError::corrupt("key.apis")),
    }
}

#[derive(Serialize, Deserialize)]
struct StoredRestrictions {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ips: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    referrers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    apps: Vec<App>,
}

pub(super) fn write_restrictions(restrictions: &Restrictions) -> Result<String, StoreError> {
    let stored = StoredRestrictions {
        ips: restrictions.ips.iter().map(ToString::to_string).collect(),
        referrers: restrictions.referrers.clone(),
        apps: restrictions.apps.clone(),
    };
    write(&stored, "key.restrictions")
}

pub(super) fn read_restrictions(text: &str) -> Result<Restrictions, StoreError> {
    let StoredRestrictions { ips, referrers, apps } = read(text, "key.restrictions")?;
    let range = |text: &String| text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let ips = ips.iter().map(range).collect::<Result<_, _>>();
    Ok(Restrictions { ips: ips.map_err(|_| StoreError::corrupt("key.restrictions"))?, referrers, apps })
}

pub(super) fn read_metadata(text: &str) -> Result<Metadata, StoreError> {
    read::<Map<String, Value>>(text, "metadata").map(Metadata::stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_and_restrictions_come_back() {
        for apis in [Apis::All, Apis::Only(vec![]), Apis::Only(vec![1, 300])] {
            let text = write_apis(&apis).expect("written");
            assert_eq!(read_apis(&text).expect("read"), apis, "{text}");
        }
        assert!(read_apis(r#"["?"]"#).is_err());
        let restrictions = Restrictions {
            ips: vec!["10.0.0.0/8".parse().expect("a range"), "::1/128".parse().expect("a range")],
            referrers: vec!["*.example.com".to_owned()],
            apps: vec![App::Ios { bundle: "com.example".to_owned() }],
        };
        for restrictions in [Restrictions::default(), restrictions] {
            let text = write_restrictions(&restrictions).expect("written");
            assert_eq!(read_restrictions(&text).expect("read"), restrictions, "{text}");
        }
    }
}
