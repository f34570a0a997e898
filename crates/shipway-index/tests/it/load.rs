//! Clients that change one project each, know what must be seen of it, and compare.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shipway_dist::log::{Checkpoint, ENTRIES_IN_TILE, Frontier, Tile, VerifierKey, entries_of, leaf_hash};
use shipway_testing::Random;
use tokio::task::JoinSet;

use crate::kit::{Dist, JSON, form, manifest_digest, session};
use crate::model::{CHANNELS, Op, Project, VOUCHED, shown};
use crate::vouch::{about, enrolling, key};

/// After so many releases a client goes on with a new project.
const RELEASES: usize = 12;

/// A way to a server.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) token: String,
}

/// A request that got no answer, or the answer that database or storage are away: what it asked for may be
/// done or not.
#[derive(Debug)]
#[expect(dead_code, reason = "shown when a test fails")]
pub(crate) struct Unanswered(String);

impl From<reqwest::Error> for Unanswered {
    fn from(error: reqwest::Error) -> Self {
        Self(error.to_string())
    }
}

impl Client {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    async fn sent(&self, request: RequestBuilder) -> Result<(u16, Vec<u8>), Unanswered> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        if status == 503 {
            return Err(Unanswered(response.text().await?));
        }
        // An answer that begins is an acknowledgement, whether or not all of it comes.
        match response.bytes().await {
            Ok(bytes) => Ok((status, bytes.to_vec())),
            Err(_) if status == 200 || status == 201 => Ok((status, Vec::new())),
            Err(error) => Err(error.into()),
        }
    }

    /// A document; `Null` when there is none.
    pub(crate) async fn document(&self, path: &str) -> Result<Value, Unanswered> {
        let response = self.request(Method::GET, path).header("accept", JSON).send().await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        match status {
            200 => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{path}: {error}"))),
            404 => Ok(Value::Null),
            503 => Err(Unanswered(format!("{path}: {}", String::from_utf8_lossy(&bytes)))),
            other => panic!("{path}: {other} {}", String::from_utf8_lossy(&bytes)),
        }
    }

    async fn bytes(&self, path: &str) -> Result<Vec<u8>, Unanswered> {
        let response = self.request(Method::GET, path).send().await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?.to_vec();
        if status == 503 {
            return Err(Unanswered(path.to_owned()));
        }
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&bytes));
        Ok(bytes)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Unanswered> {
        let (status, bytes) = self.sent(self.request(Method::POST, path).json(body)).await?;
        let text = String::from_utf8_lossy(&bytes);
        assert!(status == 200 || status == 201, "POST {path} {body}: {status} {text}");
        Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Does an operation: `Ok` is an acknowledgement.
    pub(crate) async fn perform(&self, name: &str, op: &Op) -> Result<(), Unanswered> {
        let version = op.version();
        let mark = |set: bool| json!({ "project": name, "version": version, "reason": "bad", "set": set });
        match op {
            Op::Upload { file, .. } => {
                let request = self.request(Method::POST, "/dev/").multipart(form(file, &[]));
                let (status, bytes) = self.sent(request).await?;
                assert_eq!(status, 200, "{}: {}", file.filename, String::from_utf8_lossy(&bytes));
            }
            Op::Publish { files, .. } => return self.publish(name, version, files).await,
            Op::Promote { to, .. } => {
                let record = self.document(&format!("/api/v1/projects/{name}")).await?;
                let digest = manifest_digest(&record, version);
                let body =
                    json!({ "project": name, "version": version, "to": to, "manifest_digest": digest });
                self.post("/api/v1/promotions", &body).await?;
            }
            Op::Yank { set, .. } => drop(self.post("/api/v1/yanks", &mark(*set)).await?),
            Op::Rollback { .. } => {
                let body = json!({ "project": name, "version": version, "reason": "bad" });
                self.post("/api/v1/rollbacks", &body).await?;
            }
            Op::Unblock { .. } => drop(self.post("/api/v1/blocks", &mark(false)).await?),
            Op::Vouch { gate, files, .. } => {
                let files = files.iter().map(|(name, sha256)| (name.clone(), sha256.parse().unwrap()));
                let body = enrolling(&about(gate, files), &key(1));
                let path = format!("/api/v1/projects/{name}/releases/{version}/evidence");
                self.post(&path, &body).await?;
            }
        }
        Ok(())
    }

    async fn publish(&self, name: &str, version: &str, files: &[Dist]) -> Result<(), Unanswered> {
        let begun = self.post("/api/v1/sessions", &session(name, version, files)).await?;
        if begun["state"] == "published" {
            return Ok(());
        }
        let Some(id) = begun["id"].as_str() else { return Err(Unanswered("half an answer".into())) };
        for file in files {
            let path = format!("/api/v1/sessions/{id}/files/{}", file.filename);
            let request = self.request(Method::PUT, &path).body(file.bytes.clone());
            let (status, bytes) = self.sent(request).await?;
            assert_eq!(status, 200, "PUT {path}: {}", String::from_utf8_lossy(&bytes));
        }
        self.post(&format!("/api/v1/sessions/{id}/publish"), &json!({})).await?;
        Ok(())
    }

    /// What a server shows of a project.
    pub(crate) async fn shown(&self, name: &str) -> Result<Value, Unanswered> {
        let record = self.document(&format!("/api/v1/projects/{name}")).await?;
        let mut pages = BTreeMap::new();
        for channel in CHANNELS {
            pages.insert(channel, self.document(&format!("/{channel}/simple/{name}/")).await?);
        }
        let mut evidence = BTreeMap::new();
        for version in VOUCHED {
            let path = format!("/api/v1/projects/{name}/releases/{version}/evidence");
            evidence.insert(version, self.document(&path).await?);
        }
        Ok(shown(&record, &pages, &evidence))
    }

    /// The bytes of a file; none when its release is blocked.
    async fn file(&self, sha256: &str, filename: &str) -> Result<Option<Vec<u8>>, Unanswered> {
        let path = format!("/files/{sha256}/{filename}");
        let response = self.request(Method::GET, &path).send().await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?.to_vec();
        match status {
            200 => Ok(Some(bytes)),
            403 => Ok(None),
            503 => Err(Unanswered(path)),
            other => panic!("{path}: {other} {}", String::from_utf8_lossy(&bytes)),
        }
    }
}

/// Releases that become visible whole, for those who only read: filenames by project and version.
pub(crate) type Whole = Arc<Mutex<HashMap<String, Vec<Vec<String>>>>>;

/// Somebody who changes a project.
pub(crate) struct Worker {
    pub(crate) project: Project,
    random: Random,
    /// What was asked for and not answered.
    pub(crate) doubt: Option<Op>,
    /// Files that were acknowledged and not looked at since.
    fresh: Vec<Dist>,
    /// Projects that it is done with.
    pub(crate) past: Vec<Project>,
    number: usize,
    whole: Whole,
    pub(crate) done: u64,
}

/// Workers at work.
pub(crate) struct Shift {
    pub(crate) stop: Arc<AtomicBool>,
    tasks: JoinSet<(usize, Worker)>,
}

impl Shift {
    /// Sends every worker to the server that its number says.
    pub(crate) fn begin<'a>(workers: &mut Vec<Worker>, client: impl Fn(usize) -> &'a Client) -> Self {
        let (stop, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for (number, mut worker) in std::mem::take(workers).into_iter().enumerate() {
            let (client, stop) = (client(number).clone(), stop.clone());
            tasks.spawn(async move {
                worker.run(&client, &stop).await;
                (number, worker)
            });
        }
        Self { stop, tasks }
    }

    /// Nobody begins anything more.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for what is under way, and gives the workers back in their order.
    pub(crate) async fn end(self) -> Vec<Worker> {
        self.stop();
        let mut ended = self.tasks.join_all().await;
        ended.sort_by_key(|(number, _)| *number);
        ended.into_iter().map(|(_, worker)| worker).collect()
    }
}

impl Worker {
    pub(crate) fn new(number: usize, seed: u64, whole: Whole) -> Self {
        let project = Project::named(format!("p{number}x0"));
        let random = Random(seed.wrapping_add(number as u64).wrapping_mul(0x9e37_79b9));
        Self { project, random, doubt: None, fresh: Vec::new(), past: Vec::new(), number, whole, done: 0 }
    }

    /// Changes its project until it is stopped or gets no answer.
    pub(crate) async fn run(&mut self, client: &Client, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            if self.project.releases() >= RELEASES {
                let next = Project::named(format!("p{}x{}", self.number, self.past.len() + 1));
                self.past.push(std::mem::replace(&mut self.project, next));
            }
            let op = self.project.choose(&mut self.random);
            if let Op::Publish { files, .. } = &op {
                let names = files.iter().map(|file| file.filename.clone()).collect();
                let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
                whole.entry(self.project.name.clone()).or_default().push(names);
            }
            match client.perform(&self.project.name, &op).await {
                Ok(()) => self.adopt(&op),
                Err(_) => {
                    self.doubt = Some(op);
                    return;
                }
            }
        }
    }

    fn adopt(&mut self, op: &Op) {
        self.project = self.project.after(op);
        self.fresh.extend(op.files().iter().cloned());
        self.done += 1;
    }

    /// Compares what is seen with what was acknowledged; what was not answered is done or not done, and asking
    /// for it again gets it done.
    pub(crate) async fn compare(&mut self, client: &Client) -> Result<(), Unanswered> {
        let seen = client.shown(&self.project.name).await?;
        match self.doubt.clone() {
            None => assert_eq!(seen, self.project.view(), "{}", self.project.name),
            Some(op) => {
                let what = format!("{} {} {}", op.action(), self.project.name, op.version());
                let after = self.project.after(&op);
                if seen == after.view() {
                    self.adopt(&op);
                } else {
                    assert_eq!(seen, self.project.view(), "neither before nor after: {what}");
                }
                self.doubt = None;
                let again = matches!(op, Op::Publish { .. }) || self.random.below(2) == 0;
                if again {
                    if let Err(error) = client.perform(&self.project.name, &op).await {
                        if seen != after.view() {
                            self.doubt = Some(op);
                        }
                        return Err(error);
                    }
                    if seen != after.view() {
                        self.adopt(&op);
                    }
                    let seen = client.shown(&self.project.name).await?;
                    assert_eq!(seen, self.project.view(), "after the same again: {what}");
                }
            }
        }
        while let Some(dist) = self.fresh.last() {
            let bytes = client.file(&dist.sha256().to_hex(), &dist.filename).await?;
            let blocked = self.projects().any(|project| project.blocks(&dist.filename));
            let expected = (!blocked).then_some(&dist.bytes);
            assert!(bytes.as_ref() == expected, "{}: other bytes, or none", dist.filename);
            self.fresh.pop();
        }
        Ok(())
    }

    /// All its projects, this one included.
    pub(crate) fn projects(&self) -> impl Iterator<Item = &Project> {
        self.past.iter().chain([&self.project])
    }
}

/// Somebody who only reads, until the server is gone; says which checkpoint it saw last.
pub(crate) async fn read(
    client: &Client,
    whole: &Whole,
    mut random: Random,
    stop: &AtomicBool,
) -> Option<String> {
    let mut note = None;
    while !stop.load(Ordering::Relaxed) {
        let known: Vec<_> = {
            let whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
            whole.keys().cloned().collect()
        };
        if random.below(4) == 0 || known.is_empty() {
            match client.bytes("/log/checkpoint").await {
                Ok(bytes) => note = String::from_utf8(bytes).ok(),
                Err(_) => return note,
            }
            continue;
        }
        let (project, channel) = (&known[random.below(known.len())], CHANNELS[random.below(3)]);
        let Ok(page) = client.document(&format!("/{channel}/simple/{project}/")).await else { return note };
        let files = page["files"].as_array().cloned().unwrap_or_default();
        let listed = |filename: &String| files.iter().any(|file| file["filename"] == filename.as_str());
        let releases = whole.lock().unwrap_or_else(PoisonError::into_inner)[project].clone();
        for release in releases {
            let count = release.iter().filter(|filename| listed(filename)).count();
            assert!(count == 0 || count == release.len(), "half of {release:?} in {channel}");
        }
        if let Some(file) = files.get(random.below(files.len())) {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let sha256 = text(&file["hashes"]["sha256"]);
            match client.file(&sha256, &text(&file["filename"])).await {
                Ok(Some(bytes)) => assert_eq!(shipway_dist::Sha256::of(&bytes).to_hex(), sha256),
                // Blocked since the page was sent.
                Ok(None) => {}
                Err(_) => return note,
            }
        }
    }
    note
}

/// Follows the log from its first entry: every checkpoint must go on where the last one ended.
#[derive(Default)]
pub(crate) struct Follower {
    frontier: Frontier,
    key: Option<VerifierKey>,
    /// How many entries each action of each project has.
    pub(crate) entries: HashMap<(String, String), u64>,
}

impl Follower {
    /// Reads on to the newest checkpoint; `seen` is one that a reader got before.
    pub(crate) async fn follow(&mut self, client: &Client, seen: Option<&str>) -> Result<(), Unanswered> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => {
                let log = client.document("/api/v1/log").await?;
                self.key.insert(log["verifier_key"].as_str().unwrap().parse().unwrap()).clone()
            }
        };
        let verify = |note: &str| Checkpoint::verify(note, &key).unwrap();
        let newest = verify(&String::from_utf8(client.bytes("/log/checkpoint").await?).unwrap());
        let seen = seen.map(verify);
        assert!(newest.size >= self.frontier.size(), "the log became shorter");
        assert!(seen.as_ref().is_none_or(|seen| seen.size <= newest.size), "a checkpoint was taken back");
        while self.frontier.size() < newest.size {
            let (index, from) =
                (self.frontier.size() / ENTRIES_IN_TILE, self.frontier.size() % ENTRIES_IN_TILE);
            let width = (newest.size - index * ENTRIES_IN_TILE).min(ENTRIES_IN_TILE);
            let tile = Tile { level: None, index, width: u16::try_from(width).unwrap() };
            let bundle = client.bytes(&format!("/log/{}", tile.path())).await?;
            for leaf in entries_of(&tile, &bundle).unwrap().into_iter().skip(usize::try_from(from).unwrap()) {
                self.frontier.append(leaf_hash(leaf));
                let entry: Value = serde_json::from_slice(leaf).unwrap();
                let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
                *self.entries.entry((text("project"), text("action"))).or_default() += 1;
                if let Some(seen) = seen.as_ref().filter(|seen| seen.size == self.frontier.size()) {
                    assert_eq!(seen.root, self.frontier.root(), "what a reader was shown is not in the log");
                }
            }
        }
        assert_eq!(newest.root, self.frontier.root(), "the log was rewritten");
        Ok(())
    }

    /// Every acknowledged change has its entry, and nothing else has one.
    pub(crate) fn agrees_with(&self, project: &Project) {
        for action in ["upload", "publish", "promote", "yank", "unyank", "rollback", "unblock", "evidence"] {
            let held = self.entries.get(&(project.name.clone(), action.to_owned())).copied().unwrap_or(0);
            let expected = project.entries.get(action).copied().unwrap_or(0);
            assert_eq!(held, expected, "entries of {action} for {}", project.name);
        }
    }
}
