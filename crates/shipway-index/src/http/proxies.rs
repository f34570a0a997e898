//! Who asks, when a proxy stands in front: what the one field says that the proxies write, `X-Forwarded-For` or
//! `Forwarded` (RFC 7239), believed from trusted addresses alone.
//!
//! The other field is not read: a proxy that does not know it passes on what a client wrote there. Nor are the
//! host and the scheme that a proxy names: every link and redirect of the index is relative, so it works behind
//! any host, scheme and prefix.

use std::borrow::Cow;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config::ProxyHeader;
use crate::error::IndexError;

const FORWARDED: HeaderName = http::header::FORWARDED;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are believed, and where they write.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
    header: ProxyHeader,
}

impl Proxies {
    /// Reads addresses and networks.
    ///
    /// # Errors
    /// When one is neither.
    pub(crate) fn new(texts: &[String], header: ProxyHeader) -> Result<Self, IndexError> {
        let read = |text: &String| {
            let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| IndexError::Config {
                key: "trusted-proxies",
                why: format!("`{text}` is neither an address nor a network such as `10.0.0.0/8`"),
            })
        };
        let trusted = texts.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { trusted, header })
    }

    /// The client of a request that came over a connection from `peer`.
    ///
    /// Proxies add whom they saw at the end, so the last address that is no trusted proxy is the client; what
    /// stands before it the client may have made up.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.trusted.is_empty() || !self.trusts(peer) {
            return peer;
        }
        let chain = match self.header {
            ProxyHeader::XForwardedFor => listed(headers),
            ProxyHeader::Forwarded => forwarded(headers),
        };
        let mut client = peer;
        for hop in chain.into_iter().rev() {
            // `unknown`, or a name: whoever is before it is not known either.
            let Some(hop) = hop else { break };
            client = hop;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// The values of a field that may stand several times, in order. Bytes of a client that are no text must not
/// hide what a proxy wrote behind them.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<Cow<'a, str>> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
}

fn listed(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    values(headers, &X_FORWARDED_FOR).iter().flat_map(|text| text.split(',')).map(address).collect()
}

fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = values(headers, &FORWARDED);
    values.iter().flat_map(|text| parted(text, ',')).map(|element| node(element?)).collect()
}

/// Who is named by an element of `Forwarded`.
fn node(element: &str) -> Option<IpAddr> {
    let pairs: Option<Vec<_>> = parted(element, ';').into_iter().collect();
    let mut named = pairs?.into_iter().filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    let value = named.next()?;
    let plain = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    // Each name stands once in an element.
    named.next().is_none().then(|| address(plain)).flatten()
}

/// The parts of a text between separators that are not quoted (RFC 9110, 5.6.4). A quotation without an end
/// swallows what stands behind it: the last part is nothing then.
///
/// The crates for this field part it without a look at quotes, so that a host name in one may name a client.
fn parted(text: &str, separator: char) -> Vec<Option<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == separator && !quoted => {
                parts.push(Some(&text[start..at]));
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push((!quoted).then(|| &text[start..]));
    parts
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok().map(|address: IpAddr| address.to_canonical());
    }
    let (host, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, fields: &[(&HeaderName, &str)]) -> String {
        client_by(ProxyHeader::XForwardedFor, trusted, peer, fields)
    }

    fn client_by(
        header: ProxyHeader,
        trusted: &[&str],
        peer: &str,
        fields: &[(&HeaderName, &str)],
    ) -> String {
        let trusted: Vec<String> = trusted.iter().map(|text| (*text).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append((*name).clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Proxies::new(&trusted, header).unwrap().client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_who_asks() {
        let said = [(&X_FORWARDED_FOR, "192.0.2.7")];
        assert_eq!(client(&[], "10.0.0.1", &said), "10.0.0.1");
        assert_eq!(client(&["10.0.0.2"], "10.0.0.1", &said), "10.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &said), "192.0.2.7");
        assert_eq!(client(&["10.0.0.1"], "::ffff:10.0.0.1", &said), "192.0.2.7");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_made_up_is_not_believed() {
        let chain = [(&X_FORWARDED_FOR, "203.0.113.9, 192.0.2.7"), (&X_FORWARDED_FOR, "10.0.0.5")];
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &chain), "192.0.2.7");
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", &chain), "10.0.0.5");
        let broken = [(&X_FORWARDED_FOR, "203.0.113.9, nonsense, 10.0.0.5")];
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &broken), "10.0.0.5");
    }

    #[test]
    fn bytes_that_are_no_text_hide_nobody() {
        let chain = [(&X_FORWARDED_FOR, "\u{e9}, 192.0.2.7")];
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &chain), "192.0.2.7");
    }

    #[test]
    fn the_field_that_the_proxies_do_not_write_is_not_read() {
        let both = [(&FORWARDED, "for=203.0.113.9"), (&X_FORWARDED_FOR, "192.0.2.7")];
        let read = |header| client_by(header, &["10.0.0.0/8"], "10.0.0.1", &both);
        assert_eq!(read(ProxyHeader::XForwardedFor), "192.0.2.7");
        assert_eq!(read(ProxyHeader::Forwarded), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &both[..1]), "10.0.0.1");
    }

    #[test]
    fn forwarded_has_ports_and_quotes() {
        for (value, expected) in [
            (r#"for=203.0.113.9, proto=https; For="[2001:db8::7]:4711";by=10.0.0.1"#, "2001:db8::7"),
            ("for=192.0.2.7:80", "192.0.2.7"),
            ("for=unknown", "10.0.0.1"),
            // What a client says of the host names nobody.
            (r#"host="a;for=203.0.113.9";for=192.0.2.7"#, "192.0.2.7"),
            (r#"for=192.0.2.7;host="a, for=203.0.113.9""#, "192.0.2.7"),
            (r#"for=192.0.2.7;host="a\", for=203.0.113.9""#, "192.0.2.7"),
            // What has no end, or says two things, says nothing.
            (r#"for="203.0.113.9, for=192.0.2.7"#, "10.0.0.1"),
            ("for=203.0.113.9;for=192.0.2.7", "10.0.0.1"),
        ] {
            let said = client_by(ProxyHeader::Forwarded, &["10.0.0.0/8"], "10.0.0.1", &[(&FORWARDED, value)]);
            assert_eq!(said, expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let error = Proxies::new(&["proxy.example".to_owned()], ProxyHeader::default()).unwrap_err();
        assert!(error.to_string().contains("trusted-proxies"), "{error}");
    }
}
