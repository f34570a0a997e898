//! Conditional requests and ranges (RFC 9110, sections 13 and 14).

use std::time::SystemTime;

use http::HeaderMap;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};

/// Which part of a body is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// First and last byte, both included.
    Bytes(u64, u64),
    /// Outside of the body.
    Unsatisfiable,
}

fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the client holds this representation already, so that 304 is the answer.
pub(super) fn is_known(headers: &HeaderMap, etag: &str, modified: Option<SystemTime>) -> bool {
    // Several fields are one list.
    let mut tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).peekable();
    if tags.peek().is_some() {
        // If-None-Match compares weakly.
        return tags
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag);
    }
    let (Some(modified), Some(since)) = (modified, text(headers, &IF_MODIFIED_SINCE)) else { return false };
    httpdate::parse_http_date(since).is_ok_and(|since| seconds(modified) <= seconds(since))
}

/// Which part of `size` bytes a request asks for.
///
/// Several ranges, or ones that cannot be read, are answered with everything, which is always right.
pub(super) fn part(headers: &HeaderMap, size: u64, etag: &str, modified: Option<SystemTime>) -> Part {
    let Some(range) = text(headers, &RANGE) else { return Part::Whole };
    if let Some(condition) = text(headers, &IF_RANGE) {
        // If-Range compares strongly: a weak tag never matches.
        let same_time = || {
            let date = httpdate::parse_http_date(condition).ok();
            date.zip(modified).is_some_and(|(date, modified)| seconds(date) == seconds(modified))
        };
        if condition != etag && !same_time() {
            return Part::Whole;
        }
    }
    let Some(spec) = range.trim().strip_prefix("bytes=") else { return Part::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Part::Whole };
    let number = |text: &str| {
        let text = text.trim();
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
    };
    match (first.trim(), last.trim()) {
        ("", suffix) => match number(suffix) {
            None => Part::Whole,
            Some(0) => Part::Unsatisfiable,
            Some(_) if size == 0 => Part::Unsatisfiable,
            Some(length) => Part::Bytes(size.saturating_sub(length), size - 1),
        },
        (first, last) => {
            let Some(first) = number(first) else { return Part::Whole };
            let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
            match last {
                None => Part::Whole,
                Some(last) if last < first => Part::Whole,
                Some(_) if first >= size => Part::Unsatisfiable,
                Some(last) => Part::Bytes(first, last.min(size - 1)),
            }
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn i4_ranges() {
        let part = |range: &str| part(&headers(&[(RANGE, range)]), 100, "\"e\"", None);
        for (range, expected) in [
            ("bytes=0-9", Part::Bytes(0, 9)),
            ("bytes=90-", Part::Bytes(90, 99)),
            ("bytes=90-1000", Part::Bytes(90, 99)),
            ("bytes=-10", Part::Bytes(90, 99)),
            ("bytes=-1000", Part::Bytes(0, 99)),
            ("bytes=99-99", Part::Bytes(99, 99)),
            ("bytes=100-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=9-1", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("bytes=99999999999999999999-", Part::Whole),
        ] {
            assert_eq!(part(range), expected, "{range}");
        }
        assert_eq!(super::part(&headers(&[(RANGE, "bytes=-5")]), 0, "\"e\"", None), Part::Unsatisfiable);
    }

    #[test]
    fn i4_if_range_compares_strongly() {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let part = |condition: &str| {
            part(&headers(&[(RANGE, "bytes=0-1"), (IF_RANGE, condition)]), 100, "\"e\"", Some(modified))
        };
        assert_eq!(part("\"e\""), Part::Bytes(0, 1));
        assert_eq!(part("W/\"e\""), Part::Whole);
        assert_eq!(part("\"other\""), Part::Whole);
        assert_eq!(part(&httpdate::fmt_http_date(modified)), Part::Bytes(0, 1));
        assert_eq!(part("Thu, 01 Jan 1970 00:00:00 GMT"), Part::Whole);
    }

    #[test]
    fn i4_conditions() {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let known = |name: http::HeaderName, value: &str| {
            is_known(&headers(&[(name, value)]), "\"e\"", Some(modified))
        };
        assert!(known(IF_NONE_MATCH, "\"e\""));
        assert!(known(IF_NONE_MATCH, "\"a\", W/\"e\""));
        assert!(known(IF_NONE_MATCH, "*"));
        assert!(!known(IF_NONE_MATCH, "\"a\""));
        assert!(known(IF_MODIFIED_SINCE, &httpdate::fmt_http_date(modified)));
        assert!(!known(IF_MODIFIED_SINCE, "Thu, 01 Jan 1970 00:00:00 GMT"));
        assert!(!known(IF_MODIFIED_SINCE, "nonsense"));
    }
}
