//! An issuer of CI identities and an index that takes them, in one server over TLS.
//!
//! The issuer has a discovery document, a key set and the endpoint that a job asks. The minter takes nothing on trust:
//! signature, issuer, audience, time, one use, repository, workflow and ref. Every other request goes to a real index
//! behind it, with the credential of that index in place of a minted token.

mod jwt;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::authority::Authority;
use crate::http::try_request;
use crate::listener::{Reply, Request, listen};

/// The audience of the index.
pub const AUDIENCE: &str = "index-of-the-test";
/// What the job asks the issuer with.
const REQUEST_TOKEN: &str = "canary-request-51d0";

/// What the issuer says of the job, what the index trusts, and what happened.
#[derive(Debug)]
pub struct State {
    /// The claims of the next identity, besides those of time.
    pub claims: Value,
    /// Seconds that a minted token is good for.
    pub lifetime: i64,
    /// How many seconds before its end a minted token is said to end.
    pub understated: i64,
    /// Whether the answer says when a minted token ends.
    pub tells_end: bool,
    /// Answers to give in place of the right one, by path, the first one first; the last one stays.
    pub instead: BTreeMap<&'static str, VecDeque<Reply>>,
    /// The requests, as method and path.
    pub log: Vec<String>,
    /// Every identity that was given.
    pub identities: Vec<String>,
    /// Every token that was minted, and when it ends.
    pub minted: Vec<(String, i64)>,
    used: BTreeSet<String>,
    counter: u64,
}

/// The server.
#[derive(Debug, Clone)]
pub struct Oidc {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The index behind, and the credential for it.
    behind: Option<(String, String)>,
    issuer: Mutex<String>,
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    i64::try_from(since.as_secs()).expect("a time")
}

impl Oidc {
    /// Serves; `behind` is the plain `http` URL of an index and the `Authorization` that it takes.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(tls: Option<&Authority>, behind: Option<(&str, &str)>) -> Self {
        let claims = json!({
            "sub": "repo:team/demo:environment:release", "repository": "team/demo", "repository_id": "4711",
            "repository_owner_id": "47", "environment": "release", "ref": "refs/heads/main", "ref_type": "branch",
            "job_workflow_ref": "team/demo/.github/workflows/publish.yml@refs/heads/main",
            "event_name": "workflow_dispatch", "runner_environment": "github-hosted",
        });
        let state = State {
            claims,
            lifetime: 900,
            understated: 0,
            tells_end: true,
            instead: BTreeMap::new(),
            log: Vec::new(),
            identities: Vec::new(),
            minted: Vec::new(),
            used: BTreeSet::new(),
            counter: 0,
        };
        let behind = behind
            .map(|(url, authorization)| (url.trim_end_matches('/').to_owned(), authorization.to_owned()));
        let shared = Arc::new(Shared { state: Mutex::new(state), behind, issuer: Mutex::default() });
        let own = Arc::clone(&shared);
        let url = listen(tls, move |request| Some(own.answer(request)));
        url.clone_into(&mut lock(&shared.issuer));
        Self { url, shared }
    }

    /// The URL, without a final slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What is said, trusted and known.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }

    /// Gives an answer in place of the right one, every time.
    pub fn instead(&self, path: &'static str, reply: Reply) {
        self.state().instead.insert(path, VecDeque::from([reply]));
    }

    /// The variables of a job that may ask for its identity.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/token?api-version=2", self.url)),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN.to_owned()),
        ]
    }

    /// An identity as GitLab puts it into a variable.
    pub fn identity(&self, audience: &str) -> String {
        self.shared.identity(audience, |_| {})
    }

    /// The same with other claims, signed all the same.
    pub fn identity_with(&self, audience: &str, change: impl FnOnce(&mut Value)) -> String {
        self.shared.identity(audience, change)
    }

    /// Every secret that was given out, and the one that was there before.
    pub fn secrets(&self) -> Vec<String> {
        let state = self.state();
        let minted = state.minted.iter().map(|(token, _)| token.clone());
        state.identities.iter().cloned().chain(minted).chain([REQUEST_TOKEN.to_owned()]).collect()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn answer(&self, request: &Request) -> Reply {
        let path = request.path.as_str();
        let mut state = lock(&self.state);
        state.log.push(format!("{} {path}", request.method));
        if let Some(queue) = state.instead.get_mut(path)
            && let Some(first) = queue.front().cloned()
        {
            // A status of 0 stands for the right answer.
            if queue.len() > 1 || first.status == 0 {
                queue.pop_front();
            }
            if first.status != 0 {
                return first;
            }
        }
        drop(state);
        let issuer = lock(&self.issuer).clone();
        match path {
            "/.well-known/openid-configuration" => {
                Reply::json(200, &json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks") }))
            }
            "/jwks" => Reply::json(200, &jwt::key_set()),
            "/token" => {
                let shown = request.header("authorization").and_then(|field| field.split_once(' '));
                let is_right = |(scheme, token): (&str, &str)| {
                    scheme.eq_ignore_ascii_case("bearer") && token == REQUEST_TOKEN
                };
                if !shown.is_some_and(is_right) {
                    return Reply::text(401, "who asks");
                }
                let mut pairs = url::form_urlencoded::parse(request.query.as_bytes());
                let audience = pairs.find(|(name, _)| name == "audience").map(|(_, value)| value);
                let value = self.identity(audience.as_deref().unwrap_or("the forge itself"), |_| {});
                Reply::json(200, &json!({ "count": 1, "value": value }))
            }
            "/_/oidc/audience" => Reply::json(200, &json!({ "audience": AUDIENCE })),
            "/_/oidc/mint-token" if request.method == "POST" => match self.mint(&request.body) {
                Ok(reply) => reply,
                Err((code, description)) => {
                    let errors = json!([{ "code": code, "description": description }]);
                    Reply::json(422, &json!({ "message": "Token request failed", "errors": errors }))
                }
            },
            _ => self.pass_on(request),
        }
    }

    fn identity(&self, audience: &str, change: impl FnOnce(&mut Value)) -> String {
        let issuer = lock(&self.issuer).clone();
        let mut state = lock(&self.state);
        state.counter += 1;
        let mut claims = state.claims.clone();
        claims["iss"] = issuer.into();
        claims["aud"] = audience.into();
        claims["jti"] = format!("jti-{}", state.counter).into();
        claims["iat"] = now().into();
        claims["exp"] = (now() + 300).into();
        change(&mut claims);
        let token = jwt::sign(&claims);
        state.identities.push(token.clone());
        token
    }

    fn mint(&self, body: &[u8]) -> Result<Reply, (&'static str, String)> {
        let body: Value =
            serde_json::from_slice(body).map_err(|error| ("invalid-payload", error.to_string()))?;
        let token = body["token"].as_str().ok_or(("invalid-payload", "no token".to_owned()))?;
        let claims = jwt::verified(token, &jwt::key_set()).map_err(|why| ("invalid-token", why))?;
        let invalid = |what: &str| Err(("invalid-token", format!("{what}: {}", claims[what])));
        if claims["iss"] != *lock(&self.issuer) {
            return invalid("iss");
        }
        if claims["aud"] != AUDIENCE {
            return invalid("aud");
        }
        if claims["exp"].as_i64().is_none_or(|at| at < now() - 30) {
            return invalid("exp");
        }
        if claims["iat"].as_i64().is_none_or(|at| at > now() + 30) {
            return invalid("iat");
        }
        let trusted = [
            ("repository", "team/demo"),
            ("repository_id", "4711"),
            ("job_workflow_ref", "team/demo/.github/workflows/publish.yml@refs/heads/main"),
            ("ref", "refs/heads/main"),
            ("environment", "release"),
        ];
        for (name, expected) in trusted {
            if claims[name] != expected {
                let text = format!("no publisher for {name} {}", claims[name]);
                return Err(("invalid-publisher", text));
            }
        }
        let mut state = lock(&self.state);
        if !state.used.insert(claims["jti"].to_string()) {
            return Err(("invalid-reuse-token", "the identity was used before".to_owned()));
        }
        let token =
            format!("minted-canary-{}-{}", state.minted.len(), claims["jti"].as_str().unwrap_or_default());
        let ends = now() + state.lifetime;
        state.minted.push((token.clone(), ends));
        let mut answer = json!({ "success": true, "token": token });
        if state.tells_end {
            answer["expires"] = (ends - state.understated).into();
        }
        Ok(Reply::json(200, &answer))
    }

    /// Whether a request shows a minted token that is good now; none when it shows nothing.
    fn shows(&self, request: &Request) -> Option<bool> {
        use base64::Engine as _;
        let shown = request.header("authorization")?;
        let token = match shown.split_once(' ') {
            Some(("Bearer", token)) => token.to_owned(),
            Some(("Basic", text)) => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
                let pair = String::from_utf8_lossy(&bytes).into_owned();
                pair.strip_prefix("__token__:").unwrap_or_default().to_owned()
            }
            _ => String::new(),
        };
        let state = lock(&self.state);
        Some(state.minted.iter().any(|(one, ends)| *one == token && *ends > now()))
    }

    fn pass_on(&self, request: &Request) -> Reply {
        let Some((url, authorization)) = &self.behind else { return Reply::text(404, "nothing here") };
        let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
        match self.shows(request) {
            Some(false) => return Reply::text(401, "the token is not good"),
            None if !is_read => return Reply::text(401, "who uploads"),
            _ => {}
        }
        let kept = ["accept", "content-type", "cache-control"];
        let mut headers: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &request.headers {
            if kept.contains(&name.as_str()) {
                headers.push((name, value));
            }
        }
        headers.push(("authorization", authorization));
        let mark = if request.query.is_empty() { "" } else { "?" };
        let target = format!("{url}{}{mark}{}", request.path, request.query);
        let Ok(answer) = try_request(&request.method, &target, &headers, &request.body) else {
            return Reply::text(502, "the index behind does not answer");
        };
        let kept = ["content-type", "etag", "location"];
        let headers = answer.head.lines().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let headers = headers.filter(|(name, _)| kept.contains(&name.as_str())).collect();
        Reply { status: answer.status, headers, body: answer.body }
    }
}
