//! Referrer patterns: `[*.]host[:port][/path]` against what a client sends as `Referer` or `Origin`.
//!
//! What a browser sends is a serialised URL (URL standard, section 4.5). Anything that is not one is
//! matched by no pattern. A referrer is the client's own claim: a guard against mistakes only.

/// Whether `referrer` is of `pattern`. A pattern without a port is for every port; its path matches
/// by whole segments; `*.` stands for one or more labels.
pub(crate) fn matches(pattern: &str, referrer: &str) -> bool {
    let (rest, default_port) = if let Some(rest) = referrer.strip_prefix("https://") {
        (rest, "443")
    } else if let Some(rest) = referrer.strip_prefix("http://") {
        (rest, "80")
    } else {
        return false;
    };
    let (authority, path) = split_at_path(rest);
    let (wanted, wanted_path) = split_at_path(pattern);
    let (below, wanted) = wanted.strip_prefix("*.").map_or((false, wanted), |parent| (true, parent));
    let (Some((host, port)), Some((wanted_host, wanted_port))) = (host_and_port(authority), host_and_port(wanted))
    else {
        return false;
    };
    let host = if below { parent_of(host, wanted_host) } else { Some(host) };
    host.is_some_and(|host| host.eq_ignore_ascii_case(wanted_host))
        && wanted_port.is_none_or(|wanted| port.unwrap_or(default_port) == wanted)
        && has_path(path, wanted_path)
}

fn split_at_path(text: &str) -> (&str, &str) {
    text.find(['/', '?', '#']).map_or((text, ""), |at| text.split_at(at))
}

/// The parts of an authority without user (RFC 3986, section 3.2), or `None` where it is none. An
/// IPv6 address has colons of its own and stands in brackets.
fn host_and_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let brackets = authority.find(']').map_or(0, |end| end + 1);
    let (address, rest) = authority.split_at(brackets);
    let (name, port) = match rest.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (rest, None),
    };
    let host = &authority[..address.len() + name.len()];
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let in_address = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let is_host = if address.is_empty() {
        !name.is_empty() && name.bytes().all(in_name)
    } else {
        name.is_empty()
            && address
                .strip_prefix('[')
                .and_then(|address| address.strip_suffix(']'))
                .is_some_and(|address| address.bytes().all(in_address))
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_host && port.is_none_or(is_port)).then_some((host, port))
}

/// What is left of `host` when as many labels are taken off as leave it as long as `parent`.
fn parent_of<'a>(host: &'a str, parent: &str) -> Option<&'a str> {
    let at = host.len().checked_sub(parent.len())?;
    let labels = host.get(..at)?.strip_suffix('.')?;
    if labels.is_empty() { None } else { host.get(at..) }
}

fn has_path(path: &str, wanted: &str) -> bool {
    let wanted = wanted.trim_end_matches('/');
    let path = path.split(['?', '#']).next().unwrap_or(path);
    path.strip_prefix(wanted).is_some_and(|rest| wanted.is_empty() || rest.is_empty() || rest.starts_with('/'))
}
