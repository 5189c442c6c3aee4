//! From where a key may be used: by address, as the Worker is told to know it, by referrer, by app.

use anyhow::{Result, ensure};
use keyward_tests::stack::{EdgeRequest, NewKey};
use keyward_tests::{Stack, Workerd};
use serde_json::{Value, json};

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("an_address_is_counted_from_the_right_of_x_forwarded_for", by_forwarded_for),
        Test::shared("an_address_is_taken_from_cf_connecting_ip", by_cf_connecting_ip),
        Test::shared("an_address_is_taken_from_the_connection", by_peer),
        Test::shared("without_an_address_a_key_of_addresses_is_restricted", without_an_address),
        Test::shared("a_referrer_is_matched_by_host_and_segments", by_referrer),
        Test::shared("an_app_is_matched_by_its_headers", by_app),
        Test::shared("every_kind_of_restriction_must_hold", every_kind_must_hold),
    ]
}

/// A key with these restrictions, known to an edge with these variables.
fn start(stack: &Stack, restrictions: &Value, variables: &[(&str, &str)]) -> Result<(Workerd, NewKey)> {
    let key = stack.admin()?.key_with("restricted", json!({"restrictions": restrictions}))?;
    let edge = Workerd::start(stack, variables)?;
    edge.applied(key.generation)?;
    Ok((edge, key))
}

/// The pong and a forwarded path are under the same restrictions.
fn must<'a>(may: bool, what: &str, request: impl Fn(&str) -> EdgeRequest<'a>) -> Result<()> {
    for path in ["/v1/ping", "/restricted/a"] {
        let answer = request(path).send()?;
        ensure!(answer.status == if may { 200 } else { 403 }, "{what}: {path} is answered with {}", answer.status);
        if !may {
            ensure!(answer.header("x-keyward-code") == Some("restricted"), "{what}: {:?}", answer.headers);
            ensure!(answer.json()?["code"] == "restricted", "{what}: {}", answer.text());
        }
    }
    Ok(())
}

const IPS: [&str; 4] = ["203.0.113.0/24", "198.51.100.7", "2001:db8:1::/48", "::ffff:192.0.2.0/120"];

fn by_forwarded_for(stack: &Stack) -> Result<()> {
    let (edge, key) = start(stack, &json!({"ips": IPS}), &[("KEYWARD_CLIENT_ADDRESS", "xff:1")])?;
    for (chain, may) in [
        ("203.0.113.9", true),
        ("203.0.113.255", true),
        ("203.0.114.1", false),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
        ("10.0.0.1, 203.0.113.9", true),
        ("10.0.0.1,203.0.113.9", true),
        ("203.0.113.9, 10.0.0.1", false),
        ("203.0.113.9:4711", true),
        ("2001:db8:1::5", true),
        ("[2001:db8:1::5]:443", true),
        ("2001:db8:2::5", false),
        ("::ffff:203.0.113.9", true),
        ("::ffff:203.0.114.9", false),
        ("192.0.2.77", true),
        ("::ffff:192.0.2.77", true),
        ("203.0.113.9,", false),
        ("203.0.113.9, unknown", false),
        ("203.0.113", false),
        ("203.0.113.009", false),
        ("", false),
    ] {
        must(may, chain, |path| edge.edge(path).key(&key.secret).header("x-forwarded-for", chain))?;
    }
    must(false, "no header", |path| edge.edge(path).key(&key.secret))?;
    // Two headers are one list (RFC 9110, section 5.3).
    let twice = |first: &'static str, last: &'static str| {
        let (edge, key) = (&edge, &key);
        move |path: &str| {
            edge.edge(path).key(&key.secret).header("x-forwarded-for", first).header("x-forwarded-for", last)
        }
    };
    must(true, "the last header counts", twice("10.0.0.1", "203.0.113.9"))?;
    must(false, "the first header does not", twice("203.0.113.9", "10.0.0.1"))?;
    let other = |path: &str| edge.edge(path).key(&key.secret).header("cf-connecting-ip", "203.0.113.9");
    must(false, "another header", other)?;

    let (second, key) = start(stack, &json!({"ips": IPS}), &[("KEYWARD_CLIENT_ADDRESS", "xff:2")])?;
    for (chain, may) in [("203.0.113.9, 10.0.0.1", true), ("10.0.0.1, 203.0.113.9", false), ("203.0.113.9", false)] {
        must(may, chain, |path| second.edge(path).key(&key.secret).header("x-forwarded-for", chain))?;
    }
    Ok(())
}

fn by_cf_connecting_ip(stack: &Stack) -> Result<()> {
    let (edge, key) = start(stack, &json!({"ips": IPS}), &[("KEYWARD_CLIENT_ADDRESS", "cf-connecting-ip")])?;
    let from = |address: &'static str| {
        let (edge, key) = (&edge, &key);
        move |path: &str| edge.edge(path).key(&key.secret).header("cf-connecting-ip", address)
    };
    must(true, "from inside", from("203.0.113.9"))?;
    must(true, "from inside, IPv6", from("2001:db8:1:ffff::1"))?;
    must(false, "from outside", from("203.0.112.9"))?;
    must(false, "a list", from("203.0.113.9, 203.0.113.9"))?;
    must(false, "no header", |path| edge.edge(path).key(&key.secret))?;
    must(false, "another header", |path| edge.edge(path).key(&key.secret).header("x-forwarded-for", "203.0.113.9"))
}

fn by_peer(stack: &Stack) -> Result<()> {
    let variables = [("KEYWARD_CLIENT_ADDRESS", "peer")];
    let (edge, key) = start(stack, &json!({"ips": ["127.0.0.0/8"]}), &variables)?;
    must(true, "this machine", |path| edge.edge(path).key(&key.secret).header("x-forwarded-for", "203.0.113.9"))?;
    let (edge, key) = start(stack, &json!({"ips": ["203.0.113.0/24"]}), &variables)?;
    must(false, "elsewhere", |path| edge.edge(path).key(&key.secret).header("x-forwarded-for", "203.0.113.9"))
}

fn without_an_address(stack: &Stack) -> Result<()> {
    let everywhere = json!({"ips": ["0.0.0.0/0", "::/0"]});
    for restrictions in [&everywhere, &json!({"ips": IPS})] {
        let (edge, key) = start(stack, restrictions, &[])?;
        must(false, "no address is believed", |path| {
            let request = edge.edge(path).key(&key.secret).header("cf-connecting-ip", "203.0.113.9");
            request.header("x-forwarded-for", "203.0.113.9")
        })?;
        let free = stack.admin()?.key("free")?;
        edge.applied(free.generation)?;
        must(true, "a key without addresses", |path| edge.edge(path).key(&free.secret))?;
    }
    Ok(())
}

fn by_referrer(stack: &Stack) -> Result<()> {
    let patterns = ["app.example.com", "*.example.org", "shop.example.net:8443/checkout"];
    let (edge, key) = start(stack, &json!({"referrers": patterns}), &[])?;
    for (referrer, may) in [
        ("https://app.example.com/", true),
        ("https://app.example.com/a/b?c=d", true),
        ("http://app.example.com:8080/", true),
        ("https://APP.example.com/", true),
        ("https://example.com/", false),
        ("https://x.app.example.com/", false),
        ("https://app.example.com.evil.test/", false),
        ("https://evil.test/app.example.com", false),
        ("https://app.example.com@evil.test/", false),
        ("https://a.example.org/", true),
        ("https://a.b.example.org/", true),
        ("https://example.org/", false),
        ("https://shop.example.net:8443/checkout", true),
        ("https://shop.example.net:8443/checkout/pay", true),
        ("https://shop.example.net:8443/checkouts", false),
        ("https://shop.example.net/checkout", false),
        ("app.example.com", false),
        ("null", false),
        ("", false),
    ] {
        must(may, referrer, |path| edge.edge(path).key(&key.secret).header("referer", referrer))?;
    }
    must(false, "no header", |path| edge.edge(path).key(&key.secret))?;
    let origin = |path: &str| edge.edge(path).key(&key.secret).header("origin", "https://app.example.com");
    must(true, "Origin where there is no Referer", origin)?;
    must(false, "Referer before Origin", |path| origin(path).header("referer", "https://evil.test/"))
}

fn by_app(stack: &Stack) -> Result<()> {
    let certificate = "3A1FB20C9D4E5F60718293A4B5C6D7E8F9012345";
    let apps = json!([
        {"platform": "android", "package": "com.example.app", "certificate": certificate},
        {"platform": "ios", "bundle": "com.example.App"},
    ]);
    let (edge, key) = start(stack, &json!({"apps": apps}), &[])?;
    let lower = certificate.to_lowercase();
    for (what, headers, may) in [
        ("Android", vec![("x-android-package", "com.example.app"), ("x-android-cert", certificate)], true),
        (
            "its digest in small letters",
            vec![("x-android-package", "com.example.app"), ("x-android-cert", &lower)],
            true,
        ),
        ("without the certificate", vec![("x-android-package", "com.example.app")], false),
        ("another package", vec![("x-android-package", "com.example.other"), ("x-android-cert", certificate)], false),
        ("another certificate", vec![("x-android-package", "com.example.app"), ("x-android-cert", "00")], false),
        ("iOS", vec![("x-ios-bundle-identifier", "com.example.App")], true),
        ("another bundle", vec![("x-ios-bundle-identifier", "com.example.app")], false),
        ("none", vec![], false),
    ] {
        must(may, what, |path| {
            let request = edge.edge(path).key(&key.secret);
            headers.iter().fold(request, |request, (name, value)| request.header(name, value))
        })?;
    }
    Ok(())
}

fn every_kind_must_hold(stack: &Stack) -> Result<()> {
    let restrictions = json!({"ips": IPS, "referrers": ["app.example.com"]});
    let (edge, key) = start(stack, &restrictions, &[("KEYWARD_CLIENT_ADDRESS", "cf-connecting-ip")])?;
    for (address, referrer, may) in [
        ("203.0.113.9", "https://app.example.com/", true),
        ("10.0.0.1", "https://app.example.com/", false),
        ("203.0.113.9", "https://evil.test/", false),
    ] {
        must(may, &format!("{address} from {referrer}"), |path| {
            let request = edge.edge(path).key(&key.secret);
            request.header("cf-connecting-ip", address).header("referer", referrer)
        })?;
    }
    // Nobody without a usable key learns of them.
    edge.edge("/v1/ping").key("0123456789abcdef0123456789abcdef").send()?.must_be(401).map(drop)
}
