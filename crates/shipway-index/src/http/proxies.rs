//! Who asks, when a proxy stands in front: what `Forwarded` (RFC 7239) and `X-Forwarded-For` say, believed from
//! trusted addresses alone.
//!
//! The host and the scheme that a proxy names are not read: every link and redirect of the index is relative, so
//! it works behind any host, scheme and prefix.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::error::IndexError;

const FORWARDED: HeaderName = http::header::FORWARDED;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are believed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Reads addresses and networks.
    ///
    /// # Errors
    /// When one is neither.
    pub(crate) fn new(texts: &[String]) -> Result<Self, IndexError> {
        let read = |text: &String| {
            let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| IndexError::Config {
                key: "trusted-proxies",
                why: format!("`{text}` is neither an address nor a network such as `10.0.0.0/8`"),
            })
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The client of a request that came over a connection from `peer`.
    ///
    /// Proxies add whom they saw at the end, so the last address that is no trusted proxy is the client; what
    /// stands before it the client may have made up.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.0.is_empty() || !self.trusts(peer) {
            return peer;
        }
        let chain = match headers.contains_key(FORWARDED) {
            true => forwarded(headers),
            false => listed(headers),
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
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The values of a field that may stand several times, in order.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','))
}

fn listed(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    values(headers, &X_FORWARDED_FOR).map(address).collect()
}

fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let node = |element: &str| {
        let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
        address(value.trim_matches('"'))
    };
    values(headers, &FORWARDED).map(node).collect()
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
    use super::*;

    fn client(trusted: &[&str], peer: &str, fields: &[(&HeaderName, &str)]) -> String {
        let trusted: Vec<String> = trusted.iter().map(|text| (*text).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append((*name).clone(), value.parse().unwrap());
        }
        Proxies::new(&trusted).unwrap().client(peer.parse().unwrap(), &headers).to_string()
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
    fn forwarded_comes_first_and_has_ports_and_quotes() {
        let both = [
            (&FORWARDED, "for=203.0.113.9, proto=https; For=\"[2001:db8::7]:4711\";by=10.0.0.1"),
            (&X_FORWARDED_FOR, "192.0.2.7"),
        ];
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &both), "2001:db8::7");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[(&FORWARDED, "for=192.0.2.7:80")]), "192.0.2.7");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[(&FORWARDED, "for=unknown")]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let error = Proxies::new(&["proxy.example".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("trusted-proxies"), "{error}");
    }
}
