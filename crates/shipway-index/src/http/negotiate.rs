//! Content negotiation: formats (PEP 691) and codings (RFC 9110, 12.5).

use shipway_dist::simple::{HTML_TYPE, JSON_TYPE};

use crate::pages::{Coding, Format};

/// The type that a format is sent as.
pub(super) fn content_type(format: Format) -> &'static str {
    match format {
        Format::Json => JSON_TYPE,
        Format::SimpleHtml => HTML_TYPE,
        Format::Html => "text/html; charset=utf-8",
    }
}

/// What is offered, by preference on equal terms.
const OFFERS: [(&str, Format); 5] = [
    (JSON_TYPE, Format::Json),
    ("application/vnd.pypi.simple.latest+json", Format::Json),
    (HTML_TYPE, Format::SimpleHtml),
    ("application/vnd.pypi.simple.latest+html", Format::SimpleHtml),
    ("text/html", Format::Html),
];

/// Chooses the format of a page; `?format=` goes before `Accept`, and nothing at all means HTML.
pub(super) fn format(accept: Option<&str>, query: Option<&str>) -> Option<Format> {
    if let Some(wanted) = query {
        // `+` in a query arrives as a space.
        let wanted = wanted.replace(' ', "+");
        return OFFERS.iter().find(|(offer, _)| *offer == wanted).map(|(_, format)| *format);
    }
    let accept = accept.unwrap_or_default();
    if accept.trim().is_empty() {
        return Some(Format::Html);
    }
    let ranges = parse(accept);
    let mut best: Option<(u32, bool, Format)> = None;
    for (offer, format) in OFFERS {
        let Some((quality, exact)) = quality_of(&ranges, offer) else { continue };
        let better = match best {
            None => true,
            // A type that was named goes before one that a wildcard lets in; among those, HTML.
            Some((q, e, _)) => quality > q || (quality == q && exact && !e),
        };
        let wildcard_html =
            matches!(best, Some((q, false, _)) if q == quality && !exact && format == Format::Html);
        if quality > 0 && (better || wildcard_html) {
            best = Some((quality, exact, format));
        }
    }
    best.map(|(_, _, format)| format)
}

/// The best of plain types, each with its worth in thousandths; the first when nothing is said.
///
/// The client's quality and the worth are multiplied, so that a slight preference of the client gives way
/// to a better representation and a strong one does not.
pub(super) fn best<'a>(accept: &str, offers: &[(&'a str, u32)]) -> Option<&'a str> {
    if accept.trim().is_empty() {
        return offers.first().map(|(offer, _)| *offer);
    }
    let ranges = parse(accept);
    let mut best: Option<(u32, bool, &str)> = None;
    for (offer, worth) in offers {
        let Some((quality, exact)) = quality_of(&ranges, offer) else { continue };
        let quality = quality * worth;
        if quality > 0 && best.is_none_or(|(q, e, _)| quality > q || (quality == q && exact && !e)) {
            best = Some((quality, exact, offer));
        }
    }
    best.map(|(_, _, offer)| offer)
}

/// Chooses the coding of a page.
pub(super) fn coding(accept_encoding: Option<&str>) -> Coding {
    let Some(accept) = accept_encoding else { return Coding::Identity };
    let ranges = parse(accept);
    let quality = |name: &str| {
        let find = |name: &str| {
            ranges.iter().find(|(range, _)| range.eq_ignore_ascii_case(name)).map(|(_, quality)| *quality)
        };
        find(name).or_else(|| find("*")).unwrap_or(0)
    };
    let (zstd, gzip) = (quality("zstd"), quality("gzip").max(quality("x-gzip")));
    if zstd > 0 && zstd >= gzip {
        Coding::Zstd
    } else if gzip > 0 {
        Coding::Gzip
    } else {
        Coding::Identity
    }
}

/// Ranges with their quality in thousandths.
fn parse(header: &str) -> Vec<(&str, u32)> {
    let range = |item: &str| {
        let mut parts = item.split(';').map(str::trim);
        let range = parts.next()?;
        let quality = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(Some(1.0), |(_, value)| value.trim().parse::<f32>().ok())?;
        let thousandths = (quality.clamp(0.0, 1.0) * 1000.0).round();
        (!range.is_empty()).then_some((range.len(), thousandths as u32))
    };
    let mut ranges = Vec::with_capacity(8);
    for item in header.split(',') {
        if let Some((length, quality)) = range(item) {
            ranges.push((&item.trim()[..length], quality));
        }
    }
    ranges
}

/// The quality of the most specific range that holds an offer, and whether it names the offer.
fn quality_of(ranges: &[(&str, u32)], offer: &str) -> Option<(u32, bool)> {
    let find = |wanted: &dyn Fn(&str) -> bool| {
        ranges.iter().find(|(name, _)| wanted(name)).map(|(_, quality)| *quality)
    };
    if let Some(quality) = find(&|name| name.eq_ignore_ascii_case(offer)) {
        return Some((quality, true));
    }
    let kind = offer.split('/').next().unwrap_or_default();
    let whole_kind =
        |name: &str| name.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(kind));
    find(&whole_kind).or_else(|| find(&|name| name == "*/*")).map(|quality| (quality, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i2_formats() {
        let json = "application/vnd.pypi.simple.v1+json";
        let html = "application/vnd.pypi.simple.v1+html";
        for (accept, expected) in [
            ("", Some(Format::Html)),
            ("*/*", Some(Format::Html)),
            ("text/html", Some(Format::Html)),
            ("text/*", Some(Format::Html)),
            (json, Some(Format::Json)),
            (html, Some(Format::SimpleHtml)),
            ("application/vnd.pypi.simple.latest+json", Some(Format::Json)),
            ("application/vnd.pypi.simple.latest+html", Some(Format::SimpleHtml)),
            // pip, then uv.
            (&format!("{json}, {html}; q=0.1, text/html; q=0.01"), Some(Format::Json)),
            (&format!("{json}, {html};q=0.2, text/html;q=0.01"), Some(Format::Json)),
            (&format!("{html}, {json}"), Some(Format::Json)),
            (&format!("{json};q=0.5, text/html"), Some(Format::Html)),
            (&format!("{json};q=0, text/html;q=0.1"), Some(Format::Html)),
            (&format!("{json}, */*;q=0.8"), Some(Format::Json)),
            (&format!("{json};q=0, */*"), Some(Format::Html)),
            ("text/html, application/xhtml+xml, */*;q=0.8", Some(Format::Html)),
            ("application/vnd.pypi.simple.v2+json", None),
            ("application/json", None),
            (&format!("{json};q=0"), None),
        ] {
            assert_eq!(format(Some(accept), None), expected, "{accept}");
        }
        assert_eq!(
            format(Some("text/html"), Some("application/vnd.pypi.simple.v1 json")),
            Some(Format::Json)
        );
        assert_eq!(format(Some(json), Some("text/html")), Some(Format::Html));
        assert_eq!(format(Some(json), Some("nonsense")), None);
    }

    #[test]
    fn codings() {
        assert_eq!(coding(None), Coding::Identity);
        assert_eq!(coding(Some("gzip, deflate, zstd")), Coding::Zstd);
        assert_eq!(coding(Some("gzip, deflate")), Coding::Gzip);
        assert_eq!(coding(Some("gzip;q=1, zstd;q=0.5")), Coding::Gzip);
        assert_eq!(coding(Some("zstd;q=0, gzip;q=0")), Coding::Identity);
        assert_eq!(coding(Some("*")), Coding::Zstd);
        assert_eq!(coding(Some("identity")), Coding::Identity);
    }

    #[test]
    fn plain_types() {
        let offers = [("text/plain", 1000), ("application/json", 800), ("application/problem+json", 900)];
        for (accept, expected) in [
            ("", Some("text/plain")),
            ("*/*", Some("text/plain")),
            ("application/json", Some("application/json")),
            ("application/json, text/plain;q=0.5", Some("application/json")),
            ("application/problem+json", Some("application/problem+json")),
            ("image/png", None),
            // What uv sends with an upload.
            ("application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7", Some("text/plain")),
        ] {
            assert_eq!(best(accept, &offers), expected, "{accept}");
        }
    }
}
