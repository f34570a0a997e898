//! What a project must look like after a row of operations, and what a server shows of it.
//!
//! The model is the whole of the rules that a reader can see, in a few lines. Where the index and the model
//! disagree, one of them is wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shipway_testing::Random;

use crate::kit::{Dist, sdist, wheel};

pub(crate) const CHANNELS: [&str; 3] = ["dev", "staging", "stable"];
/// The releases that evidence is brought for: looking at all of them would take as many requests.
pub(crate) const VOUCHED: [&str; 2] = ["1.0", "1.1"];
const GATES: [&str; 3] = ["distribution", "smoke", "publish"];

/// Something that a client asks for and that changes what readers see.
#[derive(Clone)]
pub(crate) enum Op {
    Upload {
        version: String,
        file: Dist,
    },
    Publish {
        version: String,
        files: Vec<Dist>,
    },
    Promote {
        version: String,
        to: &'static str,
    },
    Yank {
        version: String,
        set: bool,
    },
    Rollback {
        version: String,
    },
    Unblock {
        version: String,
    },
    /// Evidence of a gate, over these files and digests.
    Vouch {
        version: String,
        gate: &'static str,
        files: Vec<(String, String)>,
    },
}

impl Op {
    /// The action by which the journal knows it.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Upload { .. } => "upload",
            Self::Publish { .. } => "publish",
            Self::Promote { .. } => "promote",
            Self::Yank { set: true, .. } => "yank",
            Self::Yank { set: false, .. } => "unyank",
            Self::Rollback { .. } => "rollback",
            Self::Unblock { .. } => "unblock",
            Self::Vouch { .. } => "evidence",
        }
    }

    pub(crate) fn version(&self) -> &str {
        match self {
            Self::Upload { version, .. }
            | Self::Publish { version, .. }
            | Self::Promote { version, .. }
            | Self::Yank { version, .. }
            | Self::Vouch { version, .. }
            | Self::Rollback { version }
            | Self::Unblock { version } => version,
        }
    }

    /// The files that it brings.
    pub(crate) fn files(&self) -> &[Dist] {
        match self {
            Self::Upload { file, .. } => std::slice::from_ref(file),
            Self::Publish { files, .. } => files,
            _ => &[],
        }
    }
}

/// A project as it must be.
#[derive(Clone, Default)]
pub(crate) struct Project {
    pub(crate) name: String,
    releases: BTreeMap<String, Release>,
    /// Orders the releases of a channel.
    moves: u64,
    /// How many entries of the journal each action has.
    pub(crate) entries: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Default)]
struct Release {
    /// Digest, and whether it is yanked, by filename.
    files: BTreeMap<String, (String, bool)>,
    channels: BTreeMap<&'static str, u64>,
    blocked: bool,
    /// Whether it came with all its files at once.
    whole: bool,
    /// The gates that spoke of it.
    evidence: BTreeSet<&'static str>,
}

impl Project {
    pub(crate) fn named(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    pub(crate) fn releases(&self) -> usize {
        self.releases.len()
    }

    /// Whether it has a file of that name, in a release that is blocked.
    pub(crate) fn blocks(&self, filename: &str) -> bool {
        self.releases.values().any(|release| release.blocked && release.files.contains_key(filename))
    }

    /// Something that can be done to it now.
    pub(crate) fn choose(&self, random: &mut Random) -> Op {
        let usual = match random.below(11) {
            0 | 1 => None,
            2 => self.another_file(random),
            3..=5 => self.promotion(random),
            6 => self.some(random, |_| true).map(|(version, release)| {
                let set = !release.files.values().all(|(_, yanked)| *yanked);
                Op::Yank { version, set }
            }),
            7 | 8 => {
                let possible = |version: &str| self.can_roll_back(version);
                let found = self.some_version(random, possible);
                found.map(|version| Op::Rollback { version })
            }
            9 => self.evidence(random),
            _ => self.some(random, |release| release.blocked).map(|(version, _)| Op::Unblock { version }),
        };
        usual.unwrap_or_else(|| self.new_release(random))
    }

    fn new_release(&self, random: &mut Random) -> Op {
        let version = format!("1.{}", self.releases.len());
        let salt = salt(random);
        let first = wheel(&self.name, &version, &salt);
        match random.below(2) {
            0 => Op::Upload { version, file: first },
            _ => {
                let second = sdist(&self.name, &version, &salt);
                Op::Publish { version, files: vec![first, second] }
            }
        }
    }

    /// The sdist for a release that has a wheel alone and was not promoted.
    fn another_file(&self, random: &mut Random) -> Option<Op> {
        let open = |release: &Release| {
            !release.blocked && !release.whole && release.channels.len() == 1 && release.files.len() == 1
        };
        let (version, _) = self.some(random, open)?;
        let file = sdist(&self.name, &version, &salt(random));
        Some(Op::Upload { version, file })
    }

    fn evidence(&self, random: &mut Random) -> Option<Op> {
        let version = VOUCHED[random.below(VOUCHED.len())];
        let release = self.releases.get(version).filter(|release| !release.blocked)?;
        let gate = GATES.into_iter().find(|gate| !release.evidence.contains(gate))?;
        let files = release.files.iter().map(|(name, (sha256, _))| (name.clone(), sha256.clone())).collect();
        Some(Op::Vouch { version: version.to_owned(), gate, files })
    }

    fn promotion(&self, random: &mut Random) -> Option<Op> {
        let (version, release) =
            self.some(random, |release| !release.blocked && release.channels.len() < 3)?;
        Some(Op::Promote { version, to: CHANNELS[release.channels.len()] })
    }

    /// Whether every channel that it is current in has another release to go back to.
    fn can_roll_back(&self, version: &str) -> bool {
        let release = &self.releases[version];
        let others = |channel: &str| self.listed(channel).iter().any(|other| *other != version);
        !release.blocked && release.channels.keys().all(|channel| others(channel))
    }

    fn some(&self, random: &mut Random, which: impl Fn(&Release) -> bool) -> Option<(String, Release)> {
        let version = self.some_version(random, |version| which(&self.releases[version]))?;
        let release = self.releases[&version].clone();
        Some((version, release))
    }

    fn some_version(&self, random: &mut Random, which: impl Fn(&str) -> bool) -> Option<String> {
        let found: Vec<_> = self.releases.keys().filter(|version| which(version)).collect();
        if found.is_empty() { None } else { Some(found[random.below(found.len())].clone()) }
    }

    /// The project after an operation.
    pub(crate) fn after(&self, op: &Op) -> Self {
        let mut after = self.clone();
        after.moves += 1;
        *after.entries.entry(op.action()).or_default() += 1;
        let moves = after.moves;
        let release = after.releases.entry(op.version().to_owned()).or_default();
        match op {
            Op::Upload { .. } | Op::Publish { .. } => {
                release.whole = matches!(op, Op::Publish { .. });
                for file in op.files() {
                    release.files.insert(file.filename.clone(), (file.sha256().to_hex(), false));
                }
                release.channels.entry("dev").or_insert(moves);
            }
            Op::Promote { to, .. } => drop(release.channels.insert(to, moves)),
            Op::Yank { set, .. } => release.files.values_mut().for_each(|(_, yanked)| *yanked = *set),
            Op::Rollback { .. } => release.blocked = true,
            Op::Unblock { .. } => release.blocked = false,
            Op::Vouch { gate, .. } => drop(release.evidence.insert(gate)),
        }
        after
    }

    /// The versions that a channel lists, in order of promotion.
    fn listed(&self, channel: &str) -> Vec<&str> {
        let mut listed: Vec<_> = self
            .releases
            .iter()
            .filter(|(_, release)| !release.blocked)
            .filter_map(|(version, release)| Some((*release.channels.get(channel)?, version.as_str())))
            .collect();
        listed.sort_unstable();
        listed.into_iter().map(|(_, version)| version).collect()
    }

    /// What a reader must see.
    pub(crate) fn view(&self) -> Value {
        if self.releases.is_empty() {
            return Value::Null;
        }
        let (mut channels, mut pages) = (BTreeMap::new(), BTreeMap::new());
        for channel in CHANNELS {
            let listed = self.listed(channel);
            channels.insert(channel, json!({ "current": listed.last(), "versions": listed }));
            let known = self.releases.values().any(|release| release.channels.contains_key(channel));
            let files: BTreeMap<_, _> =
                listed.iter().flat_map(|version| self.releases[*version].files.clone()).collect();
            pages.insert(channel, if known { json!(files) } else { Value::Null });
        }
        let release = |release: &Release| {
            let holding: Vec<_> =
                CHANNELS.iter().filter(|name| release.channels.contains_key(*name)).collect();
            json!({ "channels": holding, "blocked": release.blocked, "files": release.files })
        };
        let releases: BTreeMap<_, _> =
            self.releases.iter().map(|(version, held)| (version, release(held))).collect();
        let vouched =
            VOUCHED.iter().filter_map(|version| Some((version, &self.releases.get(*version)?.evidence)));
        let evidence: BTreeMap<_, _> = vouched.collect();
        json!({ "channels": channels, "pages": pages, "releases": releases, "evidence": evidence })
    }
}

fn salt(random: &mut Random) -> String {
    // Some files are larger than one piece of a body.
    let length = if random.below(8) == 0 { 200_000 } else { 16 };
    let mut salt = format!("{:016x}", random.number());
    salt.extend(std::iter::repeat_n('a', length));
    salt
}

/// What a server shows, in the shape of [`Project::view`]: its record, its page in each channel, and the evidence of
/// the releases in [`VOUCHED`].
pub(crate) fn shown(
    record: &Value,
    pages: &BTreeMap<&'static str, Value>,
    evidence: &BTreeMap<&'static str, Value>,
) -> Value {
    if record.is_null() && pages.values().all(Value::is_null) {
        return Value::Null;
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut channels = BTreeMap::new();
    for channel in list(&record["channels"]) {
        let held = json!({ "current": channel["current"], "versions": channel["versions"] });
        channels.insert(text(&channel["name"]), held);
    }
    let mut releases = BTreeMap::new();
    for release in list(&record["releases"]) {
        let file =
            |file: Value| (text(&file["filename"]), json!([file["sha256"], !file["yanked"].is_null()]));
        let files: BTreeMap<_, _> = list(&release["files"]).into_iter().map(file).collect();
        let held = json!({ "channels": release["channels"], "blocked": !release["blocked"].is_null(), "files": files });
        releases.insert(text(&release["version"]), held);
    }
    let listed = |page: &Value| {
        let file = |file: Value| {
            (text(&file["filename"]), json!([file["hashes"]["sha256"], file["yanked"] != false]))
        };
        let files: BTreeMap<_, _> = list(&page["files"]).into_iter().map(file).collect();
        if page.is_null() { Value::Null } else { json!(files) }
    };
    let pages: BTreeMap<_, _> = pages.iter().map(|(channel, page)| (channel, listed(page))).collect();
    let gates = |list: &Value| {
        let gate = |statement: &Value| {
            // The gate stands in the statement alone, which the envelope holds in base64.
            let payload = text(&statement["envelope"]["payload"]);
            let payload =
                base64::Engine::decode(&base64::engine::general_purpose::STANDARD, payload).unwrap();
            text(&serde_json::from_slice::<Value>(&payload).unwrap()["predicate"]["gate"])
        };
        // The index signs its own decisions beside them.
        let ours = |gate: &String| GATES.contains(&gate.as_str());
        list["statements"].as_array().map(|all| all.iter().map(gate).filter(ours).collect::<BTreeSet<_>>())
    };
    let evidence: BTreeMap<_, _> =
        evidence.iter().filter_map(|(version, list)| Some((version, gates(list)?))).collect();
    json!({ "channels": channels, "pages": pages, "releases": releases, "evidence": evidence })
}
