//! The client's IP address as proxies tell it in `X-Forwarded-For`.
//!
//! Each proxy appends the address that it saw. Only what our own proxies appended can be believed, so
//! the list is counted from its end: the first from the right is what the nearest proxy saw. Knows
//! nothing of headers' names.

use core::net::{IpAddr, SocketAddr};

/// The `nth` address of `chain`, counted from the right, beginning with 1.
///
/// An address may have a port, an IPv6 address brackets.
pub fn forwarded_for(chain: &str, nth: u8) -> Option<IpAddr> {
    parse_with_port(chain.rsplit(',').nth(usize::from(nth).checked_sub(1)?)?.trim())
}

/// An address, alone or with a port behind it.
pub fn parse_with_port(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text).parse().ok();
    text.parse().ok().map(|socket: SocketAddr| socket.ip()).or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_counted_from_its_end() {
        let text = |chain: &str, nth| forwarded_for(chain, nth).map(|address| address.to_string());
        let chain = "6.6.6.6, 192.0.2.9:4711 ,\t[2001:db8::1]:443";
        assert_eq!(text(chain, 1).as_deref(), Some("2001:db8::1"));
        assert_eq!(text(chain, 2).as_deref(), Some("192.0.2.9"));
        assert_eq!(text(chain, 3).as_deref(), Some("6.6.6.6"));
        assert_eq!(text(chain, 0), None);
        assert_eq!(text(chain, 4), None);
        assert_eq!(text("unknown", 1), None);
        assert_eq!(text("", 1), None);
        assert_eq!(text("[2001:db8::1]", 1).as_deref(), Some("2001:db8::1"));
    }
}
