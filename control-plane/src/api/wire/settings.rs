//! The deployment's settings as JSON.

use keyward_shared::settings::{Accept, BasicUser, CheckDigits};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{reasoned, schema};
use crate::domain::edit::Edit;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::settings::{SettingsDocument, SettingsEdit};

/// What names a header of its own in `accept`.
const HEADER: &str = "header:";

/// The body of `PATCH /v1/settings`: what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchSettings {
    /// The prefix of generated keys.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::KeyPrefix)]
    pub key_prefix: Option<String>,
    /// What becomes of wrong check digits.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::CheckDigits)]
    pub check_digits: Option<CheckDigits>,
    /// All forms in which a key may be presented: `basic`, `bearer`, `header:NAME`.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::AcceptedForms)]
    pub accept: Option<Vec<String>>,
    /// What the user of a Basic credential may be.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::BasicUser)]
    pub basic_user: Option<BasicUser>,
    /// The realm of the challenge.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::Realm)]
    pub realm: Option<String>,
    /// The path that answers pong.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::PingPath)]
    pub ping_path: Option<String>,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

reasoned!(PatchSettings);

impl PatchSettings {
    /// The change, with the forms of `accept` told apart.
    pub fn into_edit(self) -> Result<SettingsEdit, Invalid> {
        let mut edit = SettingsEdit {
            key_prefix: self.key_prefix,
            check_digits: self.check_digits,
            basic_user: self.basic_user,
            realm: self.realm,
            ping_path: self.ping_path,
            ..SettingsEdit::default()
        };
        let Some(forms) = self.accept else {
            return Ok(edit);
        };
        edit.accept_basic = Some(false);
        edit.accept_bearer = Some(false);
        edit.accept_header = Edit::Clear;
        for (index, form) in forms.iter().enumerate() {
            if forms[..index].contains(form) {
                return Err(Invalid::at("accept", index, Fault::Duplicate, "is in the list already"));
            }
            match (form.as_str(), form.strip_prefix(HEADER)) {
                ("basic", _) => edit.accept_basic = Some(true),
                ("bearer", _) => edit.accept_bearer = Some(true),
                (_, Some(_)) if matches!(edit.accept_header, Edit::Set(_)) => {
                    let detail = "one header may carry keys, and one is in the list already";
                    return Err(Invalid::at("accept", index, Fault::TooMany, detail));
                }
                (_, Some(name)) => edit.accept_header = Edit::Set(name.to_owned()),
                _ => {
                    let detail = "must be `basic`, `bearer` or `header:NAME`";
                    return Err(Invalid::at("accept", index, Fault::BadFormat, detail));
                }
            }
        }
        Ok(edit)
    }
}

/// The settings as they are read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settings)]
pub struct SettingsBody<'a> {
    key_prefix: &'a str,
    #[schema(value_type = schema::CheckDigits)]
    check_digits: CheckDigits,
    accept: Vec<String>,
    #[schema(value_type = schema::BasicUser)]
    basic_user: BasicUser,
    realm: &'a str,
    ping_path: &'a str,
    version: u64,
}

impl<'a> From<&'a SettingsDocument> for SettingsBody<'a> {
    fn from(document: &'a SettingsDocument) -> Self {
        let settings = &document.settings;
        Self {
            key_prefix: &settings.key_prefix,
            check_digits: settings.check_digits,
            accept: forms(&settings.accept),
            basic_user: settings.basic_user,
            realm: &settings.realm,
            ping_path: &settings.ping_path,
            version: document.version,
        }
    }
}

fn forms(accept: &Accept) -> Vec<String> {
    let basic = accept.basic.then(|| "basic".to_owned());
    let bearer = accept.bearer.then(|| "bearer".to_owned());
    let header = accept.header.as_ref().map(|name| format!("{HEADER}{name}"));
    [basic, bearer, header].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(forms: &[&str]) -> Result<SettingsEdit, Invalid> {
        let body = serde_json::json!({ "accept": forms });
        serde_json::from_value::<PatchSettings>(body).unwrap().into_edit()
    }

    #[test]
    fn the_list_of_forms_replaces_the_old_one() {
        let edit = edit(&["bearer", "header:X-Api-Key"]).unwrap();
        assert_eq!(edit.accept_basic, Some(false));
        assert_eq!(edit.accept_bearer, Some(true));
        assert_eq!(edit.accept_header, Edit::Set("X-Api-Key".to_owned()));
    }

    #[test]
    fn a_wrong_form_is_named_by_its_place() {
        for (forms, fault) in [
            (["basic", "digest"], Fault::BadFormat),
            (["basic", "basic"], Fault::Duplicate),
            (["header:a", "header:b"], Fault::TooMany),
        ] {
            let refused = edit(&forms).unwrap_err();
            assert_eq!((refused.field.as_str(), refused.fault), ("accept[1]", fault));
        }
    }
}
