//! The settings as an object of the snapshot.
//!
//! ```text
//! header (kind `KWST`, place: the root) · key prefix 1+n · check digits 1 · accept 1
//! · header 1+n · user 1 · realm 1+n · ping path 2+n
//! · routes 2 · { api 2 · access 1 · prefix 2+n · methods 1 · { method 1+n } … } …
//! accept: bit 0 basic, bit 1 bearer, bit 2 a header of its own
//! ```

use super::error::{DecodeError, EncodeError};
use super::object::{self, Origin, Place, Stamp};
use crate::api_key::MAX_PREFIX_BYTES;
use crate::settings::{
    Accept, BasicUser, CheckDigits, MAX_METHODS, MAX_PATH_BYTES, MAX_ROUTES, MAX_TOKEN_BYTES, Route, RouteAccess,
    Settings,
};
use crate::wire::{Reader, Write as _};

/// Largest settings object, in bytes.
pub const MAX_SETTINGS_BYTES: usize = 512 * 1024;

const KIND: [u8; 4] = *b"KWST";
const BASIC: u8 = 1;
const BEARER: u8 = 2;
const HEADER: u8 = 4;

/// The bytes of `settings`, refused where an edge would not load them.
pub fn encode_settings(origin: Origin<'_>, stamp: Stamp, settings: &Settings) -> Result<Vec<u8>, EncodeError> {
    let mut out = object::write_header(KIND, origin, Place::ROOT, stamp)?;
    out.put_short(bounded("key prefix", settings.key_prefix.as_bytes(), MAX_PREFIX_BYTES)?);
    out.push(u8::from(settings.check_digits == CheckDigits::Enforce));
    let Accept { basic, bearer, header } = &settings.accept;
    out.push(
        if *basic { BASIC } else { 0 } | if *bearer { BEARER } else { 0 } | if header.is_some() { HEADER } else { 0 },
    );
    if header.as_ref().is_some_and(String::is_empty) {
        return Err(EncodeError::Contradiction { what: "accept and header name" });
    }
    out.put_short(bounded("header name", header.as_deref().unwrap_or_default().as_bytes(), MAX_TOKEN_BYTES)?);
    out.push(u8::from(settings.basic_user == BasicUser::Any));
    out.put_short(bounded("realm", settings.realm.as_bytes(), MAX_TOKEN_BYTES)?);
    out.put_long(bounded("ping path", settings.ping_path.as_bytes(), MAX_PATH_BYTES)?);
    let routes = u16::try_from(settings.routes.len()).unwrap_or(u16::MAX);
    within("routes", settings.routes.len(), MAX_ROUTES)?;
    out.put(&routes.to_be_bytes());
    for route in &settings.routes {
        out.put(&route.api.to_be_bytes());
        out.push(match route.access {
            RouteAccess::ByMethod => 0,
            RouteAccess::Read => 1,
            RouteAccess::Write => 2,
            RouteAccess::Public => 3,
        });
        out.put_long(bounded("route prefix", route.path_prefix.as_bytes(), MAX_PATH_BYTES)?);
        within("methods", route.methods.len(), MAX_METHODS)?;
        out.push(u8::try_from(route.methods.len()).unwrap_or(u8::MAX));
        for method in &route.methods {
            out.put_short(bounded("method", method.as_bytes(), MAX_TOKEN_BYTES)?);
        }
    }
    within("settings bytes", out.len(), MAX_SETTINGS_BYTES)?;
    Ok(out)
}

/// Reads a settings object.
pub fn decode_settings(bytes: &[u8], origin: Origin<'_>) -> Result<Settings, DecodeError> {
    object::check_size(bytes, MAX_SETTINGS_BYTES)?;
    let mut reader = Reader::new(bytes);
    object::read_header(&mut reader, KIND, origin, Place::ROOT)?;
    let key_prefix = text(reader.short()?, MAX_PREFIX_BYTES, "key prefix")?;
    let check_digits = if flag(reader.u8()?, "check digits")? { CheckDigits::Enforce } else { CheckDigits::Off };
    let accept = reader.u8()?;
    if accept & !(BASIC | BEARER | HEADER) != 0 {
        return Err(DecodeError::Meaningless { what: "accept" });
    }
    let header = text(reader.short()?, MAX_TOKEN_BYTES, "header name")?;
    if (accept & HEADER != 0) == header.is_empty() {
        return Err(DecodeError::Meaningless { what: "header name" });
    }
    let accept = Accept {
        basic: accept & BASIC != 0,
        bearer: accept & BEARER != 0,
        header: Some(header).filter(|header| !header.is_empty()),
    };
    let basic_user = if flag(reader.u8()?, "user")? { BasicUser::Any } else { BasicUser::Match };
    let realm = text(reader.short()?, MAX_TOKEN_BYTES, "realm")?;
    let ping_path = text(reader.long()?, MAX_PATH_BYTES, "ping path")?;
    let count = usize::from(reader.u16()?);
    if count > MAX_ROUTES {
        return Err(DecodeError::Meaningless { what: "route count" });
    }
    let routes = (0..count).map(|_| read_route(&mut reader)).collect::<Result<_, _>>()?;
    object::finish(&reader)?;
    Ok(Settings { key_prefix, check_digits, accept, basic_user, realm, ping_path, routes })
}

fn read_route(reader: &mut Reader<'_>) -> Result<Route, DecodeError> {
    let api = reader.u16()?;
    let access = match reader.u8()? {
        0 => RouteAccess::ByMethod,
        1 => RouteAccess::Read,
        2 => RouteAccess::Write,
        3 => RouteAccess::Public,
        _ => {
            return Err(DecodeError::Meaningless { what: "route access" });
        }
    };
    let path_prefix = text(reader.long()?, MAX_PATH_BYTES, "route prefix")?;
    let count = usize::from(reader.u8()?);
    if count > MAX_METHODS {
        return Err(DecodeError::Meaningless { what: "method count" });
    }
    let methods = (0..count).map(|_| text(reader.short()?, MAX_TOKEN_BYTES, "method")).collect::<Result<_, _>>()?;
    Ok(Route { api, path_prefix, methods, access })
}

fn text(bytes: &[u8], max: usize, what: &'static str) -> Result<String, DecodeError> {
    let visible = |byte: &u8| (b' '..=b'~').contains(byte);
    if bytes.len() > max || !bytes.iter().all(visible) {
        return Err(DecodeError::Meaningless { what });
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::Meaningless { what })
}

const fn flag(byte: u8, what: &'static str) -> Result<bool, DecodeError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Meaningless { what }),
    }
}

fn bounded<'a>(what: &'static str, bytes: &'a [u8], max: usize) -> Result<&'a [u8], EncodeError> {
    within(what, bytes.len(), max)?;
    if !bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Err(EncodeError::NotAscii { what });
    }
    Ok(bytes)
}

const fn within(what: &'static str, got: usize, max: usize) -> Result<(), EncodeError> {
    if got > max { Err(EncodeError::TooLarge { what, got, max }) } else { Ok(()) }
}
