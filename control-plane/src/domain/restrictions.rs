//! From where a key may be used, as a client words it and as the policy holds it.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use keyward_shared::policy::{App, MAX_RESTRICTION_BYTES, MAX_RESTRICTIONS, Restrictions};
use serde_json::{Value, json};

use super::invalid::{Fault, Invalid};

/// Restrictions as they were sent, not yet judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestrictionsInput {
    /// Addresses or ranges in CIDR notation.
    pub ips: Vec<String>,
    /// Patterns `[*.]host[:port][/path]`.
    pub referrers: Vec<String>,
    /// Client apps.
    pub apps: Vec<App>,
}

impl RestrictionsInput {
    /// Judges every entry and names the first that is wrong. Host bits of a range are dropped.
    pub fn parse(&self) -> Result<Restrictions, Invalid> {
        for (list, entries) in [("ips", self.ips.len()), ("referrers", self.referrers.len()), ("apps", self.apps.len())]
        {
            if entries > MAX_RESTRICTIONS {
                let detail = format!("{entries} entries, at most {MAX_RESTRICTIONS}");
                return Err(Invalid::at(format_args!("restrictions.{list}"), MAX_RESTRICTIONS, Fault::TooMany, detail));
            }
        }
        let ips = unique("ips", self.ips.iter().enumerate().map(|(index, text)| range(index, text)))?;
        let referrers =
            unique("referrers", self.referrers.iter().enumerate().map(|(index, text)| referrer(index, text)))?;
        let apps = unique("apps", self.apps.iter().enumerate().map(|(index, app)| checked_app(index, app)))?;
        Ok(Restrictions { ips, referrers, apps })
    }
}

/// Restrictions for the audit log.
pub fn facts(restrictions: &Restrictions) -> Value {
    json!({
        "ips": restrictions.ips.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "referrers": restrictions.referrers,
        "apps": restrictions.apps,
    })
}

/// Whether everything that `before` let pass `after` lets pass too.
pub(super) fn only_widened(before: &Restrictions, after: &Restrictions) -> bool {
    fn list<T>(before: &[T], after: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
        let widened = |old| after.iter().any(|new| covers(new, old));
        after.is_empty() || (!before.is_empty() && before.iter().all(widened))
    }
    list(&before.ips, &after.ips, |new: &IpNet, old: &IpNet| new.contains(old))
        && list(&before.referrers, &after.referrers, PartialEq::eq)
        && list(&before.apps, &after.apps, PartialEq::eq)
}

fn unique<T: PartialEq>(list: &str, entries: impl Iterator<Item = Result<T, Invalid>>) -> Result<Vec<T>, Invalid> {
    let mut all = Vec::new();
    for (index, entry) in entries.enumerate() {
        let entry = entry?;
        if all.contains(&entry) {
            let field = format_args!("restrictions.{list}");
            return Err(Invalid::at(field, index, Fault::Duplicate, "is in the list already"));
        }
        all.push(entry);
    }
    Ok(all)
}

fn range(index: usize, text: &str) -> Result<IpNet, Invalid> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map(|range| canonical(range.trunc()))
        .map_err(|_| {
            let detail = "an IP address or a range in CIDR notation";
            Invalid::at("restrictions.ips", index, Fault::BadFormat, detail)
        })
}

/// Addresses of clients are compared in canonical form, where an IPv4 address that is mapped into
/// IPv6 (RFC 4291, section 2.5.5.2) is an IPv4 address.
fn canonical(range: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let IpNet::V6(mapped) = range else {
        return range;
    };
    let address = mapped.addr().to_ipv4_mapped();
    let bits = mapped.prefix_len().checked_sub(MAPPED_BITS);
    address.zip(bits).and_then(|(address, bits)| Ipv4Net::new(address, bits).ok()).map_or(range, IpNet::V4)
}

fn referrer(index: usize, text: &str) -> Result<String, Invalid> {
    let refuse = |fault, detail: &str| Err(Invalid::at("restrictions.referrers", index, fault, detail));
    if text.len() > MAX_RESTRICTION_BYTES {
        return refuse(Fault::TooLong, &format!("{} bytes, at most {MAX_RESTRICTION_BYTES}", text.len()));
    }
    let (authority, path) = text.find('/').map_or((text, ""), |at| text.split_at(at));
    let (host, port) = match authority.find(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.find(':').map_or((authority, ""), |at| authority.split_at(at)),
    };
    let port_reads = port.is_empty() || port.strip_prefix(':').is_some_and(written_as::<NonZeroU16>);
    let path_reads = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\*".contains(&byte));
    if host_reads(host) && port_reads && path_reads {
        Ok(text.to_owned())
    } else {
        refuse(Fault::BadFormat, "a pattern `[*.]host[:port][/path]`, the host in lower case")
    }
}

fn host_reads(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(written_as::<Ipv6Addr>);
    }
    let form = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| !label.is_empty() && label.bytes().all(form);
    host.strip_prefix("*.").unwrap_or(host).split('.').all(label)
}

/// Whether the text is the one way to write its value: an edge compares texts.
fn written_as<T: FromStr + ToString>(text: &str) -> bool {
    text.parse::<T>().is_ok_and(|value| value.to_string() == text)
}

fn checked_app(index: usize, app: &App) -> Result<App, Invalid> {
    let name = |field: &str, text: &str| {
        let field = format!("restrictions.apps[{index}].{field}");
        if text.is_empty() {
            return Err(Invalid::new(field, Fault::TooShort, "must not be empty"));
        }
        if text.len() > MAX_RESTRICTION_BYTES {
            let detail = format!("{} bytes, at most {MAX_RESTRICTION_BYTES}", text.len());
            return Err(Invalid::new(field, Fault::TooLong, detail));
        }
        let reads = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.bytes().all(reads) {
            Ok(text.to_owned())
        } else {
            Err(Invalid::new(field, Fault::BadFormat, "ASCII letters, digits, dots, hyphens and underscores"))
        }
    };
    match app {
        App::Ios { bundle } => Ok(App::Ios { bundle: name("bundle", bundle)? }),
        App::Android { package, certificate } => {
            let package = name("package", package)?;
            let digest: String = certificate.chars().filter(|character| *character != ':').collect();
            if !matches!(digest.len(), 40 | 64) || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let field = format!("restrictions.apps[{index}].certificate");
                return Err(Invalid::new(field, Fault::BadFormat, "a SHA-1 or SHA-256 digest in hexadecimal"));
            }
            Ok(App::Android { package, certificate: digest.to_ascii_uppercase() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> RestrictionsInput {
        RestrictionsInput { ips: texts.iter().map(ToString::to_string).collect(), ..RestrictionsInput::default() }
    }

    #[test]
    fn the_first_wrong_entry_is_named() {
        let refused = ips(&["10.0.0.0/8", "10.0.0.0/33"]).parse().expect_err("refused");
        assert_eq!((refused.field.as_str(), refused.fault), ("restrictions.ips[1]", Fault::BadFormat));
        let refused = ips(&["10.0.0.1/8", "10.0.0.0/8"]).parse().expect_err("refused");
        assert_eq!((refused.field.as_str(), refused.fault), ("restrictions.ips[1]", Fault::Duplicate));
        let many: Vec<String> = (0..33).map(|i| format!("10.0.0.{i}")).collect();
        let input = RestrictionsInput { ips: many, ..RestrictionsInput::default() };
        let refused = input.parse().expect_err("refused");
        assert_eq!((refused.field.as_str(), refused.fault), ("restrictions.ips[32]", Fault::TooMany));
    }

    #[test]
    fn a_mapped_range_is_the_range_that_clients_are_compared_with() {
        for (text, range) in [
            ("::ffff:10.1.2.3", "10.1.2.3/32"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(ips(&[text]).parse().expect("a range").ips[0].to_string(), range);
        }
    }

    #[test]
    fn referrers_are_host_patterns() {
        for (text, reads) in [
            ("example.com", true),
            ("*.example.com:8443/app/", true),
            ("localhost", true),
            ("[::1]", true),
            ("[::1]:8080/app", true),
            ("[::1", false),
            ("[::1]8080", false),
            ("*", false),
            ("ex*mple.com", false),
            ("https://example.com", false),
            ("example.com:0", false),
            ("example.com:0443", false),
            ("example.com:+443", false),
            ("[::0001]", false),
            ("example.com:", false),
            ("example.com/?q", false),
            ("", false),
            ("Example.com", false),
        ] {
            let input = RestrictionsInput { referrers: vec![text.to_owned()], ..RestrictionsInput::default() };
            assert_eq!(input.parse().is_ok(), reads, "{text}");
        }
    }

    #[test]
    fn widening_is_told_from_narrowing() {
        let of = |texts: &[&str]| ips(texts).parse().expect("ranges");
        for (before, after, widened) in [
            (&[][..], &["10.0.0.0/8"][..], false),
            (&["10.0.0.0/8"], &[], true),
            (&["10.1.0.0/16"], &["10.0.0.0/8"], true),
            (&["10.0.0.0/8"], &["10.1.0.0/16"], false),
            (&["10.0.0.1"], &["10.0.0.1", "10.0.0.2"], true),
        ] {
            assert_eq!(only_widened(&of(before), &of(after)), widened, "{before:?} {after:?}");
        }
    }
}
