//! `shipway tour`: the whole life of a release on the sample project, with the real steps and nothing else.

mod sample;

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use shipway_dist::ChannelName;
use shipway_dist::policy::Role;
use shipway_index::Admin;
use shipway_release::ops::install::{Trial, Wanted};
use shipway_release::steps::approve::{ApproveRequest, approve};
use shipway_release::steps::build::{BuildRequest, build};
use shipway_release::steps::bump::{BumpRequest, Wish, bump};
use shipway_release::steps::check::{CheckRequest, check};
use shipway_release::steps::evidence::{self, VerifyRequest};
use shipway_release::steps::log::{self, LogRequest};
use shipway_release::steps::mark::{Asked, Mark, mark};
use shipway_release::steps::release::{ReleaseReport, ReleaseRequest, release};
use shipway_release::steps::status::{StatusReport, status};
use shipway_release::version::Level;
use shipway_release::{Context, Error, Result};
use tokio::runtime::Runtime;

use crate::output::{Outcome, write_stderr};
use crate::session::{Overrides, Session};
use sample::Sample;

/// Take a sample project through the whole life of a release, on an index of its own
///
/// Everything is real: git with a bare remote, the project's build backend, the index, pip. It needs Python
/// and git, and an index from which pip gets the sample's one dependency. Nothing outside a temporary folder
/// is touched.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Keep the project and the index, and serve the index at the end
    #[arg(long)]
    keep: bool,
    /// The address to serve at with --keep
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8600")]
    bind: String,
}

/// What the tour showed.
#[derive(Debug, Serialize)]
struct Report {
    /// The chapters, each with what it proved.
    proved: Vec<String>,
    /// How the sample stands at the end.
    status: StatusReport,
    /// Where everything is kept.
    kept: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let folder = tempfile::Builder::new()
        .prefix("shipway-tour-")
        .tempdir()
        .map_err(|error| Error::io("create", &std::env::temp_dir(), &error))?;
    let data = folder.path().join("index");
    let session = session.elsewhere(&data);
    let tour = Tour {
        session: &session,
        sample: Sample::create(folder.path(), &session.environment)?,
        proved: RefCell::default(),
    };
    tour.life()?;
    let status = tour.status()?;
    let proved = tour.proved.into_inner();
    let kept = arguments.keep.then(|| folder.keep());
    let report = Report { proved, status, kept };
    let outcome = Outcome::new(&report).print(summary(&report));
    let Some(kept) = &report.kept else { return Ok(outcome) };
    write_stderr(&summary(&report));
    write_stderr(&format!("the project: {}", kept.join("thermostat").display()));
    write_stderr(&format!("its index:   export SHIPWAY_DATA_DIR={}", kept.join("index").display()));
    let bind = &arguments.bind;
    write_stderr(&format!(
        "install it:  pip install --index-url http://{bind}/stable/simple/ {}",
        report.status.project
    ));
    let mut config = shipway_index::Config::new(kept.join("index"));
    config.upstream = crate::embedded::discover(&session.environment, None);
    crate::commands::serve::serve(config, bind)?;
    Ok(Outcome::new(&report))
}

struct Tour<'a> {
    session: &'a Session,
    sample: Sample,
    proved: RefCell<Vec<String>>,
}

impl Tour<'_> {
    fn life(&self) -> Result<()> {
        self.first_release()?;
        self.evidence()?;
        self.bad_release()?;
        self.guarded_release()?;
        self.rolled_back_release()?;
        self.log()
    }

    fn first_release(&self) -> Result<()> {
        self.chapter("bump: cut 0.5.0 on a branch of its own, one commit, pushed");
        let context = self.context()?;
        let bumped = bump(&context, &request("minor", false))?;
        self.proves(&format!(
            "only {} changed, in one commit on {}",
            bumped.plan.files.join(", "),
            bumped.plan.branch
        ));

        self.chapter("build: once, from a clean checkout of that commit");
        let built = build(
            &context,
            &BuildRequest { commit: "HEAD".to_owned(), out: "dist".into(), verify: false, dry_run: false },
        )?;
        let files = built.manifest.iter().flat_map(|manifest| &manifest.files);
        for file in files {
            write_stderr(&format!("{:>12}{}  {}", "", file.sha256, file.filename));
        }
        self.proves("from here on the release is these digests");

        self.chapter("check: judge both files");
        let paths = vec![self.sample.directory.join("dist")];
        let report = check(&CheckRequest { paths, ..CheckRequest::default() }, &context.environment)?;
        if let Some(finding) =
            report.files.iter().filter(|file| !file.ok).flat_map(|file| &file.findings).next()
        {
            return Err(Error::refused("tour", finding.message.clone()));
        }
        self.proves("metadata, RECORD and filenames agree, byte for byte");

        self.chapter("release: the other steps; it finds what is done and goes on from there");
        drop(context);
        let report = self.release("minor")?;
        expect(report.resumed && report.version.as_deref() == Some("0.5.0"), "0.5.0 is taken up again")?;
        self.proves("the bytes that were built are in stable, and were tried in every channel on the way");
        self.expect_install("0.5.0")
    }

    fn bad_release(&self) -> Result<()> {
        self.chapter(
            "a bad release: a safety default flipped, its test and its probe edited in the same commit",
        );
        self.sample.edit(
            "src/thermostat/resources/config/safety.yaml",
            "allow_writes: false",
            "allow_writes: true",
        )?;
        self.sample.edit(
            "tests/test_defaults.py",
            "\"safety.allow_writes\": False",
            "\"safety.allow_writes\": True",
        )?;
        self.sample.edit(
            "pyproject.toml",
            "\"defaults.allow_writes\" = false",
            "\"defaults.allow_writes\" = true",
        )?;
        self.sample.note("The controller writes to the instrument at once.")?;
        self.sample.commit("quicker start")?;
        let refused = match self.release("patch") {
            Err(error) => error,
            Ok(_) => return Err(Error::refused("tour", "the bad release was not refused")),
        };
        expect(refused.code() == "gate-failed", "a gate refuses it")?;
        self.show_refusal(&refused);
        self.proves("its own tests passed; the release before says otherwise, so nothing was published");
        let context = self.context()?;
        expect(self.plain_install(&context, "dev")? == "0.5.0", "dev holds what it held")?;
        drop(context);
        self.expect_install("0.5.0")
    }

    fn evidence(&self) -> Result<()> {
        self.chapter("evidence: what every gate and step said of these bytes, signed");
        let context = self.context()?;
        let report = evidence::list(&context, Some("0.5.0"))?;
        for row in &report.statements {
            let signer = row.signer.as_deref().unwrap_or("nobody");
            write_stderr(&format!("{:>12}{:<28} {:<7} {signer}", "", row.gate, row.result));
        }
        let bundle = self.sample.directory.join("../evidence.jsonl");
        std::fs::write(&bundle, evidence::bundle(&report))
            .map_err(|error| Error::io("write", &bundle, &error))?;
        let request = VerifyRequest {
            bundle,
            manifest: Some(context.records().join("manifest.json")),
            ..VerifyRequest::default()
        };
        let verified = evidence::verify(&request, &evidence::keys(&context)?.keys)?;
        match evidence::refusal(&verified) {
            Some(error) => Err(error),
            None => {
                self.proves(&format!(
                    "{} statements verify from one file, without the index",
                    verified.verified
                ));
                Ok(())
            }
        }
    }

    fn guarded_release(&self) -> Result<()> {
        self.chapter("mended and released: 0.5.1, for nobody has seen the one that was refused");
        self.sample.edit(
            "src/thermostat/resources/config/safety.yaml",
            "allow_writes: true",
            "allow_writes: false",
        )?;
        self.sample.edit(
            "tests/test_defaults.py",
            "\"safety.allow_writes\": True",
            "\"safety.allow_writes\": False",
        )?;
        self.sample.edit(
            "pyproject.toml",
            "\"defaults.allow_writes\" = true",
            "\"defaults.allow_writes\" = false",
        )?;
        self.sample.note("Writing needs to be allowed again.")?;
        self.sample.commit("safe by default again")?;
        drop(self.context()?);
        self.administer(|admin, runtime| {
            let policy = "[publish]\nlocal = \"allow\"\nenrol-keys = true\n\n[channel.stable]\nallow-local = true\n\
                          requires = [\"distribution\", \"semver\", \"rollback-rehearsal\", \"smoke@staging\"]\n\
                          approvals = 1\n";
            runtime.block_on(admin.set_policy(policy)).map(|_| ())
        })?;
        self.note_line("policy", "stable asks for a release manager's approval from now on");
        let refused = match self.release("patch") {
            Err(error) => error,
            Ok(_) => return Err(Error::refused("tour", "the promotion was not refused")),
        };
        expect(refused.code() == "not-ready", "the index refuses the promotion")?;
        self.show_refusal(&refused);
        self.proves("the index decides: no edit of a workflow or of the configuration goes round it");
        self.expect_install("0.5.0")?;

        self.chapter("approve: ada signs the digests, and the same command goes on");
        let data = self.context()?.config.data_dir.clone();
        self.administer(|admin, runtime| {
            let key = runtime.block_on(admin.create_key(Role::ReleaseManager, "ada"))?;
            std::fs::write(data.join("keys/release-manager.pem"), key.to_pem())
                .map_err(|error| shipway_index::IndexError::Config { key: "key", why: error.to_string() })
        })?;
        let context = self.context()?;
        let request = ApproveRequest {
            version: "0.5.1".to_owned(),
            reason: Some("held its temperature for an hour".to_owned()),
            ..ApproveRequest::default()
        };
        approve(&context, &request)?;
        drop(context);
        let report = self.release("patch")?;
        expect(report.version.as_deref() == Some("0.5.1"), "the next version is 0.5.1")?;
        self.proves("a version is cut once; the bytes approved are the bytes promoted");
        self.expect_install("0.5.1")
    }

    fn log(&self) -> Result<()> {
        self.chapter("log: who changed which channel, and that nothing of it was rewritten");
        let context = self.context()?;
        let shown = log::show(&context, &LogRequest { own: true, limit: usize::MAX })?;
        let moves = ["promote", "refuse-promotion", "rollback", "block"];
        for entry in
            shown.entries.iter().filter(|entry| moves.contains(&entry["action"].as_str().unwrap_or_default()))
        {
            let text = |key: &str| entry[key].as_str().unwrap_or_default();
            self.note_line(text("action"), &format!("{} by {}", text("object"), text("actor")));
        }
        let verified = log::verify(&context, true)?;
        self.proves(&format!(
            "{} entries are under one signed root, pinned in the repository",
            verified.entries
        ));
        Ok(())
    }

    fn rolled_back_release(&self) -> Result<()> {
        self.chapter("rollback: 0.5.1 turns out to be bad in the field");
        let context = self.context()?;
        let asked = Asked {
            mark: Mark::Rollback,
            version: "0.5.1",
            files: &[],
            reason: "drifts by two kelvin",
            dry_run: false,
        };
        let report = mark(&context, &asked)?;
        for moved in &report.moved {
            let show = |version: &Option<String>| version.clone().unwrap_or_else(|| "nothing".to_owned());
            write_stderr(&format!(
                "{:>10}  {}: {} → {}",
                "rollback",
                moved.channel,
                show(&moved.before),
                show(&moved.after)
            ));
        }
        drop(context);
        self.proves("every channel is back at the release before, in one step, with the reason kept");
        self.expect_install("0.5.0")
    }

    fn context(&self) -> Result<Context<'_>> {
        self.session.context_in(&self.sample.directory, &Overrides::default())
    }

    fn release(&self, level: &str) -> Result<ReleaseReport> {
        release(
            &self.context()?,
            &ReleaseRequest { bump: request(level, true), to: None, wait: Duration::ZERO },
        )
    }

    fn status(&self) -> Result<StatusReport> {
        status(&self.context()?, None)
    }

    /// What a plain `pip install` takes from a channel.
    fn plain_install(&self, context: &Context<'_>, channel: &str) -> Result<String> {
        let channel: ChannelName =
            channel.parse().map_err(|error: shipway_dist::channel::ChannelError| {
                Error::usage("bad-channel", error.to_string())
            })?;
        let python = context.python()?;
        let trial = Trial::new(python, &context.environment)?;
        let simple = context.target()?.simple(&channel)?;
        let name = &context.config.name;
        let wanted = Wanted {
            name,
            version: None,
            file: None,
            extras: &[],
            simple: &simple,
            credential: None,
            sdist: false,
        };
        let resolved = trial.resolve(python, &context.environment, &wanted)?;
        let own = resolved.into_iter().find(|one| one.name == *name);
        own.map(|one| one.version)
            .ok_or_else(|| Error::refused("tour", format!("pip would not install `{name}`")))
    }

    fn expect_install(&self, version: &str) -> Result<()> {
        let context = self.context()?;
        let found = self.plain_install(&context, "stable")?;
        drop(context);
        expect(found == version, &format!("pip takes {version} from stable (it took {found})"))?;
        self.proves(&format!("unmodified pip takes {version} from stable, by URL alone"));
        Ok(())
    }

    /// Does what an administrator does, beside the running index.
    fn administer(
        &self,
        act: impl FnOnce(&Admin, &Runtime) -> std::result::Result<(), shipway_index::IndexError>,
    ) -> Result<()> {
        let runtime = crate::embedded::runtime()?;
        let config = shipway_index::Config::new(&self.context()?.config.data_dir);
        let done = runtime.block_on(Admin::open(&config)).and_then(|admin| {
            let result = act(&admin, &runtime);
            runtime.block_on(admin.close());
            result
        });
        done.map_err(|error| crate::embedded::index_error(&error))
    }

    fn show_refusal(&self, refused: &Error) {
        for problem in refused.problems() {
            self.note_line("refused", &problem.message);
            for cause in &problem.causes {
                write_stderr(&format!("{:>12}{cause}", ""));
            }
        }
    }

    fn note_line(&self, what: &str, text: &str) {
        write_stderr(&format!("{what:>16}  {text}"));
    }

    fn chapter(&self, text: &str) {
        let style = self.session.style();
        write_stderr(&format!("\n{}{text}{}", style.strong, style.end));
    }

    fn proves(&self, text: &str) {
        let style = self.session.style();
        write_stderr(&format!("{}{:>10}{}  {text}", style.good, "proves", style.end));
        self.proved.borrow_mut().push(text.to_owned());
    }
}

fn request(level: &str, no_switch: bool) -> BumpRequest {
    let Ok(level) = level.parse::<Level>();
    BumpRequest { level, pre: None, dry_run: false, no_switch, pull_request: Wish::No }
}

fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::refused("tour", format!("the tour expected: {what}"))) }
}

fn summary(report: &Report) -> String {
    format!(
        "\n{}\nthe tour proved:\n{}\n",
        crate::commands::status::text(&report.status),
        report.proved.iter().map(|line| format!("  - {line}\n")).collect::<String>()
    )
}
