//! What must hold of the fields of a request, whatever stands in them; see [`crate::fuzzing`].

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, ACCEPT_ENCODING, FORWARDED};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::proxies::Proxies;
use super::ranges::{self, Part};
use super::{auth, negotiate};
use crate::config::ProxyHeader;
use crate::error::IndexError;
use crate::pages::{Coding, Format};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// Judges fields, each a line `name: value`; what is no field is passed over.
pub(crate) fn headers(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|&byte| byte == b'\n').take(1000) {
        let Some(at) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(&line[at + 1..]));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    ranges(&headers);
    negotiation(&headers);
    proxies(&headers);
    if let Err(error) = auth::presented(&headers) {
        // The same few words for everybody: nothing of what was shown.
        assert!(matches!(error, IndexError::Unauthenticated { .. }), "{error:?}");
        assert!(error.to_string().len() < 60, "{error}");
    }
}

fn ranges(headers: &HeaderMap) {
    let modified = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    for size in [0, 1, 100, u64::MAX] {
        if let Part::Bytes(first, last) = ranges::part(headers, size, "\"e\"", modified) {
            assert!(first <= last && last < size, "{first} to {last} of {size}");
        }
    }
    // A tag that was never given out is known to nobody, unless by a wildcard or a time.
    let known = ranges::is_known(headers, "\"\u{1}never\"", None);
    let any = |value: &HeaderValue| value.as_bytes().contains(&b'*');
    assert!(!known || headers.get_all(http::header::IF_NONE_MATCH).iter().any(any));
}

fn negotiation(headers: &HeaderMap) {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let accept = text(ACCEPT);
    let offered = [Format::Json, Format::SimpleHtml, Format::Html];
    let format = negotiate::format(accept, None);
    assert!(format.is_none_or(|format| offered.contains(&format)));
    // What is asked for as well as everything is never refused.
    let everything = format!("{},*/*;q=0.001", accept.unwrap_or_default());
    let refuses = |text: &str| text.contains("q=0") || text.contains("q=-") || text.contains("*/*");
    assert!(
        accept.is_some_and(refuses) || negotiate::format(Some(&everything), None).is_some(),
        "{accept:?}"
    );
    let offers = [("text/plain", 1000), ("application/json", 800)];
    let best = negotiate::best(accept.unwrap_or_default(), &offers);
    assert!(best.is_none_or(|best| offers.iter().any(|(offer, _)| *offer == best)));
    let codings = text(ACCEPT_ENCODING);
    let named = |name: &str| {
        let codings = codings.unwrap_or_default().to_ascii_lowercase();
        codings.contains(name) || codings.contains('*')
    };
    match negotiate::coding(codings) {
        Coding::Identity => {}
        Coding::Gzip => assert!(named("gzip"), "{codings:?}"),
        Coding::Zstd => assert!(named("zstd"), "{codings:?}"),
    }
}

/// What a client wrote before a proxy added its word names nobody else.
fn proxies(headers: &HeaderMap) {
    let proxy = [PROXY.to_string()];
    let read = |header, headers: &HeaderMap| {
        Proxies::new(&proxy, header).expect("an address").client(PROXY, headers)
    };
    for (header, name, word) in [
        (ProxyHeader::XForwardedFor, X_FORWARDED_FOR, CLIENT.to_string()),
        (ProxyHeader::Forwarded, FORWARDED, format!("for={CLIENT}")),
    ] {
        // As a field of its own.
        let mut behind = headers.clone();
        behind.append(name.clone(), word.parse().expect("a value"));
        assert_eq!(read(header, &behind), CLIENT);
        // In the last field.
        let Some(last) = headers.get_all(&name).iter().next_back() else { continue };
        let joined = [last.as_bytes(), b", ", word.as_bytes()].concat();
        let mut behind = headers.clone();
        behind.insert(name, HeaderValue::from_bytes(&joined).expect("two values"));
        let found = read(header, &behind);
        // A quotation that the client left open hides the word of the proxy: nobody is named then.
        let hidden = header == ProxyHeader::Forwarded && found == PROXY;
        assert!(found == CLIENT || hidden, "{found}");
    }
}
