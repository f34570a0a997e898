//! What every command shares: global options, environment, talk, and the way to the project's context.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use shipway_release::config::{self, Flags};
use shipway_release::context::Opened;
use shipway_release::ops::credentials::Ask;
use shipway_release::ops::secret::Secret;
use shipway_release::{Context, Environment, Error, Result};

use crate::cli::{Color, Global};
use crate::embedded::EmbeddedIndex;
use crate::output::{Style, write_stderr};
use crate::progress::Talk;

/// What every command shares.
pub(crate) struct Session {
    pub(crate) global: Global,
    pub(crate) environment: Environment,
    pub(crate) talk: Talk,
    embedded: EmbeddedIndex,
}

/// What a command says about configuration besides the global options.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// `--base-branch`.
    pub(crate) base_branch: Option<String>,
    /// A section of `.pypirc`.
    pub(crate) section: Option<String>,
}

impl Session {
    pub(crate) fn new(global: Global) -> Self {
        let environment = Environment::capture();
        let terminal = std::io::stderr().is_terminal();
        let colored = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && environment.get("NO_COLOR").is_none(),
        };
        log(&environment, global.verbose, colored);
        let talk = Talk {
            style: Style::new(colored),
            steps: global.quiet == 0,
            spinners: terminal && !global.no_progress && global.quiet == 0,
            warnings: global.quiet < 2,
        };
        let embedded = EmbeddedIndex::new(environment.clone());
        Self { global, environment, talk, embedded }
    }

    /// A session of its own in another folder, over another embedded index.
    pub(crate) fn elsewhere(&self, data_dir: &std::path::Path) -> Self {
        use shipway_release::config::environment::{DATA_DIR, INDEX, TOKEN};
        let environment =
            self.environment.clone().without(INDEX).without(TOKEN).with(DATA_DIR, data_dir.as_os_str());
        let global = Global { name: None, index: None, project: None, ..self.global.clone() };
        let talk = Talk { style: self.style(), ..self.talk };
        Self { global, embedded: EmbeddedIndex::new(environment.clone()), environment, talk }
    }

    pub(crate) fn style(&self) -> Style {
        self.talk.style.clone()
    }

    /// The folder of the project, absolute.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        let project = self.global.project.as_deref().unwrap_or(".");
        std::path::Path::new(project).canonicalize().map_err(|error| {
            Error::usage("no-project", format!("cannot open the project `{project}`"))
                .cause(error.to_string())
        })
    }

    /// The context of the project.
    pub(crate) fn context(&self, overrides: &Overrides) -> Result<Context<'_>> {
        self.context_in(&self.directory()?, overrides)
    }

    /// The context of the project in a folder.
    pub(crate) fn context_in(
        &self,
        directory: &std::path::Path,
        overrides: &Overrides,
    ) -> Result<Context<'_>> {
        let flags = Flags {
            name: self.global.name.clone(),
            index: self.global.index.clone(),
            base_branch: overrides.base_branch.clone(),
        };
        let config = config::load(directory, &self.environment, &flags)?;
        // Programs run in groups of their own, which the terminal's Ctrl-C does not reach.
        let _ = ctrlc::set_handler(|| {
            shipway_release::ops::process::end_all();
            std::process::exit(130);
        });
        let context = Context {
            config,
            environment: self.environment.clone(),
            progress: &self.talk,
            embedded: &self.embedded,
            ask: self.may_ask().then_some(self as &dyn Ask),
            section: overrides.section.clone(),
            clock: jiff::Timestamp::now,
            opened: Opened::default(),
        };
        // What a killed bump left is put right by whatever command comes next (row A7).
        let left = |folder: &std::path::Path| {
            folder.join(".git/shipway/bump.json").exists() || folder.join(".git").is_file()
        };
        if directory.ancestors().any(left) {
            context.repository()?;
        }
        Ok(context)
    }

    fn may_ask(&self) -> bool {
        !self.global.non_interactive && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks before something that others feel at once; without a terminal `--yes` is the answer.
    pub(crate) fn confirm(&self, question: &str) -> Result<()> {
        if self.global.yes {
            return Ok(());
        }
        if !self.may_ask() {
            return Err(Error::refused("needs-answer", format!("{question}? there is nobody to ask"))
                .hint("add --yes"));
        }
        write_stderr(&format!("{question}? [y/N]"));
        let mut answer = String::new();
        // What cannot be read is not a yes.
        let _ = std::io::stdin().lock().read_line(&mut answer);
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Error::refused("declined", "not done")),
        }
    }
}

impl Ask for Session {
    fn password(&self, prompt: &str) -> Option<Secret> {
        rpassword::prompt_password(format!("{prompt}: "))
            .ok()
            .filter(|text| !text.is_empty())
            .map(Secret::new)
    }
}

/// Logs to stderr as `SHIPWAY_LOG` or `-v` ask for.
fn log(environment: &Environment, verbose: u8, colored: bool) {
    let filter = match (environment.get(config::environment::LOG), verbose) {
        (Some(filter), _) => filter.to_owned(),
        (None, 0) => return,
        (None, 1) => "shipway=info,shipway_index=info,shipway_release=info".to_owned(),
        (None, _) => "shipway=debug,shipway_index=debug,shipway_release=debug".to_owned(),
    };
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only when a subscriber is set already.
    let _ = match environment.get(config::environment::LOG_FORMAT) {
        // A line is one object: the fields of the event beside its time, level and target.
        Some("json") => log.json().flatten_event(true).with_ansi(false).try_init(),
        _ => log.with_ansi(colored).try_init(),
    };
}
