//! What an answer that is no success stands for: each status has its own message and its own code (row E15).

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::error::Error;
use crate::ops::secret::redact;

/// The body of a refusal.
#[derive(Debug, Default, Deserialize)]
struct Said {
    /// A text; on GitLab also a list of texts, or an object of them.
    #[serde(default)]
    message: serde_json::Value,
    /// What GitLab says of a token that lacks a scope.
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

/// How long to wait before a limit lets requests through again, in seconds; none when the answer is no limit.
pub(super) fn limit(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Limit> {
    if !matches!(status.as_u16(), 403 | 429) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if let Some(seconds) = number("retry-after") {
        return Some(Limit { seconds: Some(seconds), primary: false });
    }
    let either = |one: &str, other: &str| number(one).or_else(|| number(other));
    // The second names are GitLab's, which puts them on every answer of a limited route.
    if either("x-ratelimit-remaining", "ratelimit-remaining") == Some(0) {
        // The server's own clock is the one that the reset is measured with; the runner's may be wrong.
        let now = headers.get("date").and_then(|date| parse_date(date.to_str().ok()?));
        let seconds = either("x-ratelimit-reset", "ratelimit-reset")
            .zip(now)
            .map(|(reset, now)| reset.saturating_sub(now));
        return Some(Limit { seconds, primary: true });
    }
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    let is_secondary = status.as_u16() == 429 || text.contains("secondary rate limit");
    is_secondary.then_some(Limit { seconds: None, primary: false })
}

/// A limit that was run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// How long it holds, where the server says.
    pub(super) seconds: Option<u64>,
    /// Whether the whole allowance is used up.
    pub(super) primary: bool,
}

/// The seconds since 1970 of an HTTP date.
fn parse_date(text: &str) -> Option<u64> {
    let moment = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(moment.timestamp().as_second()).ok()
}

/// The error that a status stands for; `what` names the object, such as "run `77`".
pub(super) fn error(what: &str, place: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let said: Said = serde_json::from_slice(body).unwrap_or_default();
    if let Some(limit) = limit(status, headers, body) {
        let kind =
            if limit.primary { "the token's allowance is used up" } else { "too many requests at once" };
        let error =
            Error::incomplete("rate-limited", format!("{place} asks to slow down: {what}")).cause(kind);
        return match limit.seconds {
            Some(seconds) => error.hint(format!("run it again in {seconds} s")),
            None => error.hint("run it again in a few minutes"),
        };
    }
    let error = match status.as_u16() {
        401 => Error::incomplete("unauthenticated", format!("{place} does not accept the token: {what}"))
            .hint("set GITHUB_TOKEN; a workflow's token ends with its job"),
        403 => Error::incomplete("forbidden", format!("{place} forbids the token: {what}"))
            .hint("give the job the permission that this needs"),
        404 => Error::refused("not-found", format!("{place} has no such {what}, or the token may not read it")),
        409 => Error::refused("conflict", format!("{place} refuses it as it stands: {what}")),
        410 => Error::refused("gone", format!("{what} is gone for good")).hint(
            "an artifact expires after its retention time; run the workflow of that commit again, or cut a new release",
        ),
        422 => Error::refused("unprocessable", format!("{place} does not take it: {what}")),
        code @ 500.. => Error::incomplete("server-error", format!("{place} answered {code}: {what}"))
            .hint("run it again later"),
        code => Error::incomplete("unexpected-status", format!("{place} answered {code}: {what}")),
    };
    let details = said.errors.iter().take(5).filter_map(|one| match one {
        serde_json::Value::String(text) => Some(text.clone()),
        other => other.get("message").and_then(|text| text.as_str()).map(str::to_owned),
    });
    let message = text_of(&said.message).unwrap_or(said.error_description);
    let error = if message.is_empty() { error } else { error.cause(plain(&message)) };
    details.fold(error, |error, detail| error.cause(plain(&detail)))
}

/// The first text in a value; none when there is none.
fn text_of(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Array(items) => items.iter().find_map(text_of),
        serde_json::Value::Object(entries) => entries.values().find_map(text_of),
        _ => None,
    }
}

/// A server's text as part of a message: one line, bounded, no credentials, no control characters.
pub(super) fn plain(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    redact(line).chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn limits_are_told_from_refusals_and_measured_by_the_servers_clock() {
        let primary = headers(&[
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1700000060"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ]);
        assert_eq!(
            limit(StatusCode::FORBIDDEN, &primary, b""),
            Some(Limit { seconds: Some(60), primary: true })
        );
        let retry = headers(&[("retry-after", "7")]);
        assert_eq!(
            limit(StatusCode::TOO_MANY_REQUESTS, &retry, b""),
            Some(Limit { seconds: Some(7), primary: false })
        );
        assert_eq!(limit(StatusCode::FORBIDDEN, &headers(&[]), b"{\"message\":\"no\"}"), None);
        let secondary = b"{\"message\":\"You have exceeded a secondary rate limit\"}";
        assert_eq!(
            limit(StatusCode::FORBIDDEN, &headers(&[]), secondary),
            Some(Limit { seconds: None, primary: false })
        );
        assert_eq!(limit(StatusCode::NOT_FOUND, &retry, b""), None);
    }

    #[test]
    fn e15_each_status_has_its_own_code_and_exit() {
        let codes: Vec<(u16, &str, u8)> = [400, 401, 403, 404, 409, 410, 422, 429, 500, 503]
            .into_iter()
            .map(|status| {
                let found =
                    error("run `7`", "o/r", StatusCode::from_u16(status).unwrap(), &headers(&[]), b"<p>");
                (status, found.code(), found.exit_code())
            })
            .collect();
        let expected = [
            (400, "unexpected-status", 3),
            (401, "unauthenticated", 3),
            (403, "forbidden", 3),
            (404, "not-found", 1),
            (409, "conflict", 1),
            (410, "gone", 1),
            (422, "unprocessable", 1),
            (429, "rate-limited", 3),
            (500, "server-error", 3),
            (503, "server-error", 3),
        ];
        assert_eq!(codes, expected);
    }
}
