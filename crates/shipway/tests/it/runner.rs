//! A runner of generated workflows as far as they need one: each job in a home and a checkout of its own, conditions
//! and expressions evaluated, scripts run by bash, artifacts handed from job to job and to the fake forge.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shipway_release::ops::yaml::Node;
use shipway_testing::forge::{CANARY, Forge};
use shipway_testing::{Place, zip_of};

/// What a run of a workflow knows: expressions by name, as texts.
pub(crate) type Names = BTreeMap<String, String>;

/// A run of one workflow.
pub(crate) struct Run<'a> {
    pub(crate) place: &'a Place,
    pub(crate) forge: &'a Forge,
    /// The commit that jobs check out.
    pub(crate) commit: String,
    /// The number of the run at the forge; artifacts of it are there too.
    pub(crate) id: u64,
    /// A name for its folders.
    pub(crate) label: &'a str,
    pub(crate) names: Names,
}

impl Run<'_> {
    /// Runs every job of a workflow in order; gives the names of those that ran.
    #[track_caller]
    pub(crate) fn workflow(&mut self, node: &Node) -> Vec<String> {
        let mut ran = Vec::new();
        for (id, job) in node.get("jobs").expect("jobs").entries() {
            let id = id.text().expect("an id");
            let needed = job.get("needs").map(Node::texts).unwrap_or_default();
            let condition = job.get("if").and_then(Node::text);
            let all = needed.iter().all(|one| {
                self.names.get(&format!("needs.{one}.result")).is_some_and(|result| result == "success")
            });
            // Without a word about results a job waits for success.
            let goes = match condition {
                Some(condition) if condition.contains("cancelled()") => self.holds(condition),
                Some(condition) => all && self.holds(condition),
                None => all,
            };
            if goes {
                self.job(id, job);
                ran.push(id.to_owned());
            }
            let result = if goes { "success" } else { "skipped" };
            self.names.insert(format!("needs.{id}.result"), result.to_owned());
        }
        ran
    }

    #[track_caller]
    fn job(&mut self, id: &str, job: &Node) {
        let folder = self.place.folder(&format!("{}-{id}", self.label));
        let work = folder.join("work");
        let home = folder.join("home");
        std::fs::create_dir_all(&home).expect("a home");
        std::fs::create_dir_all(&work).expect("a folder");
        self.names.retain(|name, _| !name.starts_with("steps."));
        for step in job.get("steps").expect("steps").items() {
            if step.get("if").and_then(Node::text).is_some_and(|condition| !self.holds(condition)) {
                continue;
            }
            match (step.get("run").and_then(Node::text), step.get("uses").and_then(Node::text)) {
                (Some(script), _) => self.script(id, step, script, &work, &home),
                (None, Some(uses)) => self.action(step, uses, &work),
                (None, None) => panic!("a step without work"),
            }
        }
        for (name, value) in job.get("outputs").map(Node::entries).unwrap_or_default() {
            let value = self.filled(value.text().expect("a text"));
            self.names.insert(format!("needs.{id}.outputs.{}", name.text().expect("a name")), value);
        }
    }

    #[track_caller]
    fn script(&mut self, job: &str, step: &Node, script: &str, work: &Path, home: &Path) {
        let outputs = home.join("outputs");
        let _ = std::fs::remove_file(&outputs);
        let mut program = self.place.shipway([]).at(work);
        // The runner's shell, in the environment that shipway's own programs get in tests.
        let path = program
            .command()
            .get_envs()
            .find(|(name, _)| *name == "PATH")
            .and_then(|(_, value)| value)
            .expect("a path")
            .to_owned();
        program = self
            .place
            .program("bash")
            .at(work)
            .env("PATH", path)
            .args(["-e", "-o", "pipefail", "-c", script]);
        for (name, value) in self.forge.variables() {
            if name != "GITHUB_TOKEN" {
                program = program.env(name, value);
            }
        }
        program = program
            .env("HOME", home)
            .env("GITHUB_RUN_ID", self.id.to_string())
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_OUTPUT", &outputs)
            .env("GITHUB_STEP_SUMMARY", home.join("summary"));
        for (name, value) in step.get("env").map(Node::entries).unwrap_or_default() {
            program = program.env(name.text().expect("a name"), self.filled(value.text().expect("a text")));
        }
        let ran = program.run();
        assert_eq!(ran.code, Some(0), "{} job {job}: {script}\n{}", self.label, ran.all());
        let said = ran.all();
        assert!(
            !said.contains(CANARY)
                && self
                    .names
                    .iter()
                    .all(|(name, value)| !name.starts_with("secrets.") || !said.contains(value.as_str())),
            "a secret is in the output of {script}"
        );
        let Some(step) = step.get("id").and_then(Node::text) else { return };
        for line in std::fs::read_to_string(&outputs).unwrap_or_default().lines() {
            let (name, value) = line.split_once('=').expect("an output");
            self.names.insert(format!("steps.{step}.outputs.{name}"), value.to_owned());
        }
    }

    #[track_caller]
    fn action(&mut self, step: &Node, uses: &str, work: &Path) {
        let with = |key: &str| step.at(&["with", key]).and_then(Node::text).map(|text| self.filled(text));
        let store = |name: &str| self.place.path(&format!("artifacts-{}-{name}", self.id));
        match uses.split('@').next().expect("a name") {
            "actions/checkout" => {
                let reference = with("ref").unwrap_or_else(|| self.commit.clone());
                let clone = self.place.program("git").args(["clone", "--quiet"]);
                clone.arg(self.forge.git().path()).arg(work).must();
                self.place.program("git").at(work).args(["checkout", "--quiet", &reference]).must();
            }
            "actions/setup-python" => {
                assert!(with("python-version").is_some_and(|version| version.starts_with("3.")))
            }
            "actions/upload-artifact" => {
                let (name, path) = (with("name").expect("a name"), with("path").expect("a path"));
                let files = matching(work, &path);
                assert!(!files.is_empty(), "nothing to upload at {path}");
                let target = store(&name);
                for (inner, file) in &files {
                    let to = target.join(inner);
                    std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
                    std::fs::copy(file, to).expect("a copy");
                }
                let all: Vec<(String, Vec<u8>)> = files
                    .iter()
                    .map(|(inner, file)| (inner.clone(), std::fs::read(file).expect("a file")))
                    .collect();
                self.forge.upload(self.id, &name, zip_of(&all));
            }
            "actions/download-artifact" => {
                let (name, path) = (with("name").expect("a name"), with("path").expect("a path"));
                let from = store(&name);
                for entry in
                    walkdir::WalkDir::new(&from).into_iter().flatten().filter(|one| one.file_type().is_file())
                {
                    let to = work.join(&path).join(entry.path().strip_prefix(&from).expect("a part"));
                    std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
                    std::fs::copy(entry.path(), to).expect("a copy");
                }
            }
            other => panic!("no such action here: {other}"),
        }
    }

    /// A text with its expressions filled in.
    fn filled(&self, text: &str) -> String {
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, tail)) = rest.split_once("${{") {
            let (name, after) = tail.split_once("}}").expect("an end");
            out.push_str(before);
            out.push_str(self.names.get(name.trim()).map_or("", String::as_str));
            rest = after;
        }
        out + rest
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let mut reader = Reader { rest: text, names: &self.names };
        let value = reader.any();
        assert_eq!(reader.rest.trim(), "", "in {text}");
        truth(&value)
    }
}

/// The files of an upload: those that its patterns name, under the folder that all patterns have in common.
fn matching(work: &Path, patterns: &str) -> Vec<(String, PathBuf)> {
    let patterns: Vec<&str> = patterns.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let root = if patterns.len() > 1 {
        PathBuf::new()
    } else {
        Path::new(patterns[0]).parent().expect("a folder").to_owned()
    };
    let mut found = Vec::new();
    for pattern in patterns {
        let (folder, is_all) = match pattern.strip_suffix("/*") {
            Some(folder) => (folder, true),
            None => (pattern, false),
        };
        for entry in walkdir::WalkDir::new(work.join(folder))
            .into_iter()
            .flatten()
            .filter(|one| one.file_type().is_file())
        {
            assert!(is_all || entry.path() == work.join(pattern));
            let inner =
                entry.path().strip_prefix(work.join(&root)).expect("a part").to_string_lossy().into_owned();
            found.push((inner, entry.path().to_owned()));
        }
    }
    found
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::String(text) => !text.is_empty(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

/// Reads a condition: `||`, `&&`, `==`, `!`, calls, names and texts.
struct Reader<'a> {
    rest: &'a str,
    names: &'a Names,
}

impl Reader<'_> {
    fn takes(&mut self, sign: &str) -> bool {
        match self.rest.trim_start().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn any(&mut self) -> Value {
        let mut value = self.all();
        while self.takes("||") {
            let other = self.all();
            value = if truth(&value) { value } else { other };
        }
        value
    }

    fn all(&mut self) -> Value {
        let mut value = self.equal();
        while self.takes("&&") {
            let other = self.equal();
            value = if truth(&value) { other } else { value };
        }
        value
    }

    fn equal(&mut self) -> Value {
        let value = self.one();
        if self.takes("==") { Value::Bool(value == self.one()) } else { value }
    }

    fn one(&mut self) -> Value {
        if self.takes("!") {
            return Value::Bool(!truth(&self.one()));
        }
        if self.takes("(") {
            let value = self.any();
            assert!(self.takes(")"));
            return value;
        }
        if self.takes("'") {
            let (text, rest) = self.rest.split_once('\'').expect("the end of a text");
            self.rest = rest;
            return text.into();
        }
        let rest = self.rest.trim_start();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        self.rest = rest;
        if !self.takes("(") {
            return match self.names.get(name).map_or(name, String::as_str) {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => self.names.get(name).map_or(Value::Null, |text| text.as_str().into()),
            };
        }
        let mut arguments = Vec::new();
        while !self.takes(")") {
            arguments.push(self.any());
            self.takes(",");
        }
        let text = |at: usize| arguments.get(at).and_then(Value::as_str).unwrap_or_default();
        match name {
            "cancelled" => Value::Bool(false),
            "fromJSON" => serde_json::from_str(text(0)).expect("JSON"),
            "startsWith" => Value::Bool(text(0).starts_with(text(1))),
            "contains" => Value::Bool(match &arguments[0] {
                Value::Array(items) => items.contains(&arguments[1]),
                _ => text(0).contains(text(1)),
            }),
            other => panic!("no function {other}"),
        }
    }
}
