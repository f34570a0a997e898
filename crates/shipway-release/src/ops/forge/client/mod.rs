//! HTTP to a forge: bounded, repeated where that is safe, limits respected, the token sent to the API's own host
//! and to nobody else.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::Read as _;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client as Connection, RequestBuilder, Response};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, redirect};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::location::Location;
use super::status;
use crate::config::ForgeKind;
use crate::error::{Error, Result};
use crate::ops::secret::public_url;

mod download;

/// Largest JSON answer that is read; a page of a hundred pull requests takes about 2 MB.
const LARGEST_ANSWER: u64 = 16 << 20;
/// How long limits are waited for in all, in one run of the program.
const LONGEST_WAIT: Duration = Duration::from_secs(90);
/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// How often a request is sent that may be repeated.
const TRIES: u32 = 3;
/// How many redirects are followed.
const HOPS: u32 = 4;

/// What was asked of a forge.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Requests {
    /// How many requests were sent, repeats and redirects included.
    pub sent: u32,
    /// How many of them the forge answered with "as before", which costs nothing of the allowance.
    pub unchanged: u32,
    /// Milliseconds until their answers were read.
    pub duration_ms: u64,
    /// Where the forge said that the repository is now, when it was renamed or transferred: `repositories/NUMBER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
}

/// The headers of one kind of forge.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    /// What every request carries.
    pub(super) plain: Vec<(&'static str, &'static str)>,
    /// The header that carries the token, and what stands before it there.
    pub(super) token: (&'static str, &'static str),
}

/// The dated version of GitHub's API that is asked for.
const API_DATE: &str = "2022-11-28";

impl Headers {
    /// Those of GitHub.
    pub(super) fn github() -> Self {
        let plain = vec![("accept", "application/vnd.github+json"), ("x-github-api-version", API_DATE)];
        Self { plain, token: ("authorization", "Bearer ") }
    }

    /// Those of GitLab, whose job tokens have a header of their own.
    pub(super) fn gitlab(is_job_token: bool) -> Self {
        let name = if is_job_token { "job-token" } else { "private-token" };
        Self { plain: vec![("accept", "application/json")], token: (name, "") }
    }
}

/// A connection to one forge.
pub struct Client {
    connection: Connection,
    /// Where it is.
    pub(super) location: Location,
    headers: Headers,
    authorization: Option<HeaderValue>,
    kept: RefCell<HashMap<Url, Kept>>,
    requests: RefCell<Requests>,
    spent: Cell<Duration>,
    waited: Cell<Duration>,
    moved_to: Cell<Option<u64>>,
    sleep: fn(Duration),
}

struct Kept {
    tag: HeaderValue,
    answer: Answer,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// A request to the API.
pub(super) struct Ask<'a> {
    /// The object, for messages: "run `77`".
    pub(super) what: &'a str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<&'a Value>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Client {
    /// A client; nothing is connected yet. `sleep` waits, so that tests need not.
    ///
    /// # Errors
    /// When the platform's TLS cannot be set up, or the token cannot stand in a header.
    pub fn new(location: Location, headers: Headers, sleep: fn(Duration)) -> Result<Self> {
        // Fails only when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connection = Connection::builder()
            .user_agent(concat!("shipway/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(15))
            .timeout(ANSWER_TIME)
            .build()
            .map_err(|error| Error::incomplete("tls", "cannot set up HTTP").cause(error.to_string()))?;
        let authorization = match &location.token {
            Some(token) => {
                let mut value = HeaderValue::from_str(&format!("{}{}", headers.token.1, token.expose()))
                    .map_err(|_| {
                        Error::usage("bad-token", "the forge's token holds characters that no token has")
                    })?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        Ok(Self {
            connection,
            location,
            headers,
            authorization,
            kept: RefCell::default(),
            requests: RefCell::default(),
            spent: Cell::default(),
            waited: Cell::default(),
            moved_to: Cell::default(),
            sleep,
        })
    }

    /// What was asked so far.
    pub(super) fn requests(&self) -> Requests {
        let duration_ms = u64::try_from(self.spent.get().as_millis()).unwrap_or(u64::MAX);
        Requests { duration_ms, ..self.requests.borrow().clone() }
    }

    pub(super) fn pause(&self, time: Duration) {
        (self.sleep)(time);
    }

    /// The number of the repository, once the forge said that it was renamed or transferred.
    pub(super) fn moved_to(&self) -> Option<u64> {
        self.moved_to.get()
    }

    /// Notes a redirect to the repository's place by number, so that what follows goes there at once.
    fn note_move(&self, what: &str, from: &Url, to: &Url) -> Result<()> {
        let below = |url: &Url| url.path().strip_prefix(self.location.api.path()).map(str::to_owned);
        let named = format!("repos/{}", self.location.repository);
        let (Some(old), Some(new)) = (below(from), below(to)) else { return Ok(()) };
        let Some(tail) = old.strip_prefix(&named) else { return Ok(()) };
        let number = new.strip_prefix("repositories/").and_then(|rest| rest.strip_suffix(tail));
        let Some(number) = number.and_then(|text| text.parse::<u64>().ok()) else { return Ok(()) };
        if let Some(expected) = self.location.repository_id.filter(|expected| *expected != number) {
            let why = format!(
                "`{}` leads to repository {number}, configured is {expected}",
                self.location.repository
            );
            return Err(self.astray(what, &why));
        }
        self.moved_to.set(Some(number));
        self.requests.borrow_mut().moved_to = Some(format!("repositories/{number}"));
        Ok(())
    }

    /// The URL of a path below the API, its parts percent-encoded.
    pub(super) fn url(&self, parts: &[&str], query: &[(&str, &str)]) -> Result<Url> {
        let mut url = self.location.api.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(parts);
            }
            Err(()) => return Err(Error::usage("bad-url", "the forge's API has no path")),
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Gets JSON.
    pub(super) fn get<T: DeserializeOwned>(&self, what: &str, url: Url) -> Result<T> {
        let answer = self.ask(&Ask { what, method: Method::GET, url, body: None })?;
        self.read(what, &self.succeed(what, answer)?)
    }

    /// Gets JSON; none for 404.
    pub(super) fn get_optional<T: DeserializeOwned>(&self, what: &str, url: Url) -> Result<Option<T>> {
        let answer = self.ask(&Ask { what, method: Method::GET, url, body: None })?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.read(what, &self.succeed(what, answer)?).map(Some)
    }

    /// Reads JSON that must be what is expected.
    pub(super) fn read<T: DeserializeOwned>(&self, what: &str, answer: &Answer) -> Result<T> {
        let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let place = self.place();
        let bad = |code, text: String| {
            Error::incomplete(code, format!("{place} did not answer with {what}")).cause(text)
        };
        if !kind.contains("json") {
            let variable = self.location.api_variable();
            let hint =
                format!("something between here and the forge answers in its place; look at {variable}");
            return Err(bad("not-json", format!("expected JSON, found `{}`", status::plain(kind))).hint(hint));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            let code = if error.is_eof() { "truncated" } else { "unexpected-answer" };
            bad(code, error.to_string())
        })
    }

    /// Passes a 2xx answer on.
    pub(super) fn succeed(&self, what: &str, answer: Answer) -> Result<Answer> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(self.refusal(what, &answer))
    }

    fn refusal(&self, what: &str, answer: &Answer) -> Error {
        let error = status::error(what, &self.place(), answer.status, &answer.headers, &answer.body);
        match (self.location.kind, error.code()) {
            (ForgeKind::GitLab, "unauthenticated" | "forbidden") => error.hint(
                "set GITLAB_TOKEN to an access token of the project with the scope `api`; the token of a job may read no \
                 pipelines",
            ),
            _ => error,
        }
    }

    fn place(&self) -> String {
        format!("the forge at {}", public_url(&self.location.api))
    }

    /// Sends a request and reads the whole answer. What can be repeated is: connections that fail, answers that
    /// break off, 5xx; limits are waited for as long as that is bearable.
    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<Answer> {
        let is_safe = ask.method == Method::GET;
        let mut tries = 0;
        loop {
            tries += 1;
            let last = tries >= TRIES;
            match self.ask_once(ask) {
                Ok(answer) => {
                    if let Some(limit) = status::limit(answer.status, &answer.headers, &answer.body) {
                        // A limit refuses before anything is done, so that every method may be repeated.
                        let wait = Duration::from_secs(limit.seconds.unwrap_or(1 << tries));
                        if last || !self.may_wait(wait) {
                            return Ok(answer);
                        }
                    } else if is_safe && answer.status.is_server_error() && !last {
                        self.pause(Duration::from_millis(200 << tries));
                    } else {
                        return Ok(answer);
                    }
                }
                Err(error) if is_safe && !last && matches!(error.code(), "unreachable" | "truncated") => {
                    self.pause(Duration::from_millis(200 << tries));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn may_wait(&self, wait: Duration) -> bool {
        let all = self.waited.get().saturating_add(wait);
        if all > LONGEST_WAIT {
            return false;
        }
        self.waited.set(all);
        self.pause(wait);
        true
    }

    fn ask_once(&self, ask: &Ask<'_>) -> Result<Answer> {
        let mut url = ask.url.clone();
        for _ in 0..HOPS {
            let mut request = self.request(ask.method.clone(), &url);
            if let Some(body) = ask.body {
                request = request.json(body);
            }
            let kept = self.kept.borrow().get(&url).map(|kept| kept.tag.clone());
            if let (Some(tag), true) = (&kept, ask.method == Method::GET) {
                request = request.header("if-none-match", tag);
            }
            let answer = self.timed(|| {
                let response = self.send(ask.what, request)?;
                self.read_whole(ask.what, response)
            })?;
            if answer.status == StatusCode::NOT_MODIFIED
                && let Some(kept) = self.kept.borrow().get(&url)
            {
                self.requests.borrow_mut().unchanged += 1;
                return Ok(kept.answer.clone());
            }
            if answer.status.is_redirection() {
                let next = location(&answer.headers, &url)
                    .ok_or_else(|| self.astray(ask.what, "a redirect leads nowhere"))?;
                if next.origin() != self.location.api.origin() {
                    return Err(
                        self.astray(ask.what, "a redirect leads to another host, which gets no token")
                    );
                }
                // 301 and 302 turn anything else into a GET in most clients; nothing is sent twice by accident.
                if ask.method != Method::GET && !matches!(answer.status.as_u16(), 307 | 308) {
                    return Err(self
                        .astray(ask.what, "the repository was renamed or moved")
                        .hint("set `forge.repository` to its new name"));
                }
                self.note_move(ask.what, &url, &next)?;
                url = next;
                continue;
            }
            if let (true, Some(tag)) = (answer.status.is_success(), answer.headers.get("etag")) {
                let kept = Kept { tag: tag.clone(), answer: answer.clone() };
                self.kept.borrow_mut().insert(url, kept);
            }
            return Ok(answer);
        }
        Err(self.astray(ask.what, "too many redirects"))
    }

    fn astray(&self, what: &str, why: &str) -> Error {
        Error::incomplete("redirected", format!("{} sends elsewhere for {what}", self.place())).cause(why)
    }

    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self.connection.request(method, url.clone());
        let plain = &self.headers.plain;
        let request = plain.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        match &self.authorization {
            Some(value) => request.header(self.headers.token.0, value),
            None => request,
        }
    }

    fn timed<T>(&self, run: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = run();
        self.spent.set(self.spent.get() + started.elapsed());
        result
    }

    fn send(&self, what: &str, request: RequestBuilder) -> Result<Response> {
        self.requests.borrow_mut().sent += 1;
        let response = request.send().map_err(|error| {
            let error = error.without_url();
            Error::incomplete("unreachable", format!("cannot reach {} for {what}", self.place()))
                .cause(chain(&error))
        })?;
        tracing::debug!(what, status = response.status().as_u16(), "asked the forge");
        Ok(response)
    }

    fn read_whole(&self, what: &str, response: Response) -> Result<Answer> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        response.take(LARGEST_ANSWER + 1).read_to_end(&mut body).map_err(|error| {
            Error::incomplete("truncated", format!("the answer of {} about {what} broke off", self.place()))
                .cause(error.to_string())
        })?;
        if body.len() as u64 > LARGEST_ANSWER {
            return Err(Error::incomplete(
                "answer-too-large",
                format!("{} answers with more than {} MB about {what}", self.place(), LARGEST_ANSWER >> 20),
            ));
        }
        Ok(Answer { status, headers, body })
    }

    /// Every page of a list, following `Link`; `items` takes them out of one page.
    pub(super) fn pages<P: DeserializeOwned, T>(
        &self,
        what: &str,
        first: Url,
        mut items: impl FnMut(P) -> Vec<T>,
    ) -> Result<Vec<T>> {
        const MOST_PAGES: usize = 100;
        let mut all = Vec::new();
        let mut url = first;
        for _ in 0..MOST_PAGES {
            let answer = self.ask(&Ask { what, method: Method::GET, url: url.clone(), body: None })?;
            let answer = self.succeed(what, answer)?;
            all.extend(items(self.read(what, &answer)?));
            match next_page(&answer.headers, &url) {
                None => return Ok(all),
                Some(next) if next.origin() == self.location.api.origin() => url = next,
                Some(_) => {
                    return Err(self.astray(what, "the next page is on another host, which gets no token"));
                }
            }
        }
        Err(Error::incomplete("answer-too-large", format!("{} has no end of {what}", self.place())))
    }
}

fn location(headers: &HeaderMap, from: &Url) -> Option<Url> {
    from.join(headers.get("location")?.to_str().ok()?).ok()
}

/// The URL of `rel="next"` in a `Link` header.
fn next_page(headers: &HeaderMap, from: &Url) -> Option<Url> {
    let text = headers.get("link")?.to_str().ok()?;
    text.split(',').find_map(|one| {
        let (url, parameters) = one.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|one| matches!(one.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then(|| from.join(url).ok()).flatten()
    })
}

/// The innermost reasons of an error.
fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(inner) = source {
        texts.push(inner.to_string());
        source = inner.source();
    }
    texts.dedup();
    status::plain(&texts.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_one_called_next() {
        let from: Url = "http://127.0.0.1:9/repos/o/r/pulls?page=1".parse().unwrap();
        let next = |text: &str| {
            let headers = HeaderMap::from_iter([("link".parse().unwrap(), text.parse().unwrap())]);
            next_page(&headers, &from).map(String::from)
        };
        let both = "<http://127.0.0.1:9/a?page=9>; rel=\"last\", </b?page=2>; rel=\"next\"";
        assert_eq!(next(both).as_deref(), Some("http://127.0.0.1:9/b?page=2"));
        for text in ["", "<a>", "a; rel=\"next\"", "<http://[>; rel=\"next\"", "<a>; rel=\"prev\""] {
            assert_eq!(next(text), None, "{text}");
        }
    }
}
