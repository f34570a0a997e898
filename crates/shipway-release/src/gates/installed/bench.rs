//! A release installed in a trial of its own, and everything that is observed of it there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};
use shipway_dist::{Sha256, Version};
use url::Url;

use super::help::{self, Page};
use crate::config::{Config, Environment, Probe};
use crate::error::{Error, Result};
use crate::ops::credentials::Credential;
use crate::ops::imports::{self, Imports};
use crate::ops::install::{Installed, Trial, Wanted};
use crate::ops::isolation::Fence;
use crate::ops::probe::{self, Command, ProbeResult};
use crate::ops::python::Python;
use crate::ops::snapshot;
use crate::progress::Progress;

/// How many pages of help are read of a release, and how deep.
const MOST_PAGES: usize = 80;
const DEEPEST: usize = 3;

/// What every trial of a run shares.
pub(super) struct Ground<'a> {
    pub(super) config: &'a Config,
    pub(super) environment: &'a Environment,
    pub(super) python: &'a Python,
    pub(super) progress: &'a dyn Progress,
    pub(super) fence: Fence,
}

/// Where a release is installed from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) version: &'a Version,
    pub(super) simple: Url,
    pub(super) credential: Option<Credential>,
    /// The built file; none for a release of the index.
    pub(super) file: Option<(PathBuf, Sha256)>,
    /// The digests that its own file may have.
    pub(super) digests: Vec<Sha256>,
}

/// A release installed.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) trial: Trial,
    pub(super) resolved: Vec<Installed>,
}

/// What is looked at.
#[derive(Debug, Default)]
pub(super) struct Look<'a> {
    /// Probes, each run once.
    pub(super) probes: Vec<&'a Probe>,
    /// Commands whose help is read.
    pub(super) commands: BTreeSet<String>,
    /// Symbols that are imported.
    pub(super) symbols: &'a [String],
}

/// What was observed.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) imports: Imports,
    probes: Vec<(Probe, ProbeResult)>,
    /// Help by command line.
    pub(super) pages: BTreeMap<String, Page>,
    /// Commands whose help did not come, and how it ended.
    pub(super) silent: BTreeMap<String, String>,
    /// What the probes did to the installed files.
    pub(super) written: Vec<String>,
    /// Whether the system would have refused that.
    pub(super) read_only: bool,
}

impl Source<'_> {
    fn wanted<'a>(&'a self, ground: &Ground<'a>) -> Wanted<'a> {
        Wanted {
            name: &ground.config.name,
            version: Some(self.version),
            file: self.file.as_ref().map(|(path, sha256)| (path.as_path(), *sha256)),
            extras: &ground.config.extras,
            simple: &self.simple,
            credential: self.credential.as_ref(),
            sdist: false,
        }
    }
}

impl Bench {
    /// Installs a release into a fresh environment, every file pinned by its digest.
    pub(super) fn new(ground: &Ground<'_>, source: &Source<'_>) -> Result<Self> {
        let from = if source.file.is_some() { "the built file" } else { "the index" };
        let what = format!("installing {} {} from {from}", ground.config.name, source.version);
        let _task = ground.progress.begin(&what);
        let trial = Trial::new(ground.python, ground.environment)?;
        let resolved = trial.resolve(ground.python, ground.environment, &source.wanted(ground))?;
        let own = resolved.iter().find(|one| one.name == ground.config.name);
        if own.is_none_or(|own| !source.digests.contains(&own.sha256)) {
            let what = format!("pip resolves other bytes of `{}` {}", ground.config.name, source.version);
            let found = own.map_or_else(|| "nothing".to_owned(), |own| format!("sha256 `{}`", own.sha256));
            return Err(Error::incomplete("other-bytes", what).cause(format!("it resolves {found}")));
        }
        let bench = Self { trial, resolved };
        bench.put(ground, source, &bench.resolved)?;
        Ok(bench)
    }

    /// Installs over what is there.
    pub(super) fn put(&self, ground: &Ground<'_>, source: &Source<'_>, pinned: &[Installed]) -> Result<()> {
        let wanted = source.wanted(ground);
        let installed = self.trial.install(ground.python, ground.environment, &wanted, pinned)?;
        self.trial.forget_credential()?;
        let own = installed.iter().find(|one| one.name == ground.config.name);
        if own.is_none_or(|own| !source.digests.contains(&own.sha256)) {
            let what = format!("pip did not install `{}` {}", ground.config.name, source.version);
            return Err(Error::incomplete("pip-failed", what).cause("its report does not name the file"));
        }
        Ok(())
    }

    /// Looks at it: imports, then probes and help while nothing may be written into it.
    pub(super) fn observe(&self, ground: &Ground<'_>, look: &Look<'_>) -> Result<Side> {
        let task = ground.progress.begin("importing stable symbols, loading scripts");
        let imports = imports::import(&self.trial, ground.environment, &ground.config.name, look.symbols)?;
        let directory = &self.trial.venv.directory;
        let before = snapshot::digests(directory, &[])?;
        let protected = self.trial.protect();
        let read_only = protected.holds && !ground.fence.is_closed();
        let mut probes: Vec<(Probe, ProbeResult)> = Vec::new();
        for probe in &look.probes {
            if probes.iter().any(|(done, _)| is_same_run(done, probe)) {
                continue;
            }
            task.update(&format!("probe {}", probe.id));
            let result = probe::run(&self.trial, &ground.fence, probe, ground.environment)?;
            probes.push(((*probe).clone(), result));
        }
        let (mut pages, mut silent) = (BTreeMap::new(), BTreeMap::new());
        for command in &look.commands {
            task.update(&format!("help of {command}"));
            self.read_help(ground, command, &mut pages, &mut silent)?;
        }
        drop(protected);
        let written = snapshot::changes(&before, &snapshot::digests(directory, &[])?);
        Ok(Side { imports, probes, pages, silent, written, read_only })
    }

    /// The help of a command and, as far as it is bounded, of everything below it.
    fn read_help(
        &self,
        ground: &Ground<'_>,
        command: &str,
        pages: &mut BTreeMap<String, Page>,
        silent: &mut BTreeMap<String, String>,
    ) -> Result<()> {
        let Ok(words) = shell_words::split(command) else { return Ok(()) };
        let mut queue = std::collections::VecDeque::from([(words, String::new())]);
        let depth = queue[0].0.len() + DEEPEST;
        while let Some((words, above)) = queue.pop_front() {
            let line = words.join(" ");
            if pages.len() >= MOST_PAGES || pages.contains_key(&line) {
                continue;
            }
            let (code, text) = self.help_of(ground, &words)?;
            let is_first = above.is_empty();
            if code != Some(0) {
                if is_first {
                    silent.insert(
                        line,
                        code.map_or_else(|| "it did not end".to_owned(), |code| format!("exit code {code}")),
                    );
                }
                continue;
            }
            // A word that is no subcommand leaves the help as it was.
            if !is_first && text == above {
                continue;
            }
            let page = help::read(&text);
            if words.len() < depth {
                for word in &page.candidates {
                    let below = words.iter().cloned().chain([word.clone()]).collect();
                    queue.push_back((below, text.clone()));
                }
            }
            pages.insert(line, page);
        }
        Ok(())
    }

    fn help_of(&self, ground: &Ground<'_>, words: &[String]) -> Result<(Option<i32>, String)> {
        let run: Vec<String> = words.iter().cloned().chain(["--help".to_owned()]).collect();
        let plain = [("COLUMNS", "200"), ("TERM", "dumb"), ("NO_COLOR", "1")];
        let env = plain.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (files, timeout) = (BTreeMap::new(), 30);
        let command = Command { run: &run, env: &env, files: &files, network: false, timeout };
        let ran = probe::execute(&self.trial, &ground.fence, &command, ground.environment)?;
        Ok(match ran.output {
            Some(output) if !output.timed_out && !output.flooded => (output.code, output.stdout_text()),
            Some(_) | None => (None, String::new()),
        })
    }

    /// What was installed, for evidence.
    pub(super) fn installed(&self) -> Value {
        let one = |one: &Installed| json!({ "name": one.name, "version": one.version, "filename": one.filename, "sha256": one.sha256 });
        self.resolved.iter().map(one).collect()
    }
}

impl Side {
    /// How the same command line went, whatever is expected of it.
    pub(super) fn of(&self, probe: &Probe) -> Option<&ProbeResult> {
        self.probes.iter().find(|(done, _)| is_same_run(done, probe)).map(|(_, result)| result)
    }

    /// The results of these probes, for evidence.
    pub(super) fn results<'a>(&self, probes: impl IntoIterator<Item = &'a Probe>) -> Value {
        probes.into_iter().filter_map(|probe| self.of(probe)).map(|result| json!(result)).collect()
    }
}

fn is_same_run(a: &Probe, b: &Probe) -> bool {
    (&a.run, &a.env, &a.files, a.network) == (&b.run, &b.env, &b.files, b.network)
}
