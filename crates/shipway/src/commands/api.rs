//! `shipway api`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use shipway_pyapi::cli::{Arity, Command};
use shipway_pyapi::{ApiDiff, ApiFinding, Mode, report};
use shipway_release::progress::Progress as _;
use shipway_release::steps::api;
use shipway_release::{Context, Error, Result};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// The public Python API: show it, compare two, judge it against the last release
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every public name of a distribution or a folder, with its signature
    Show {
        /// A wheel, an sdist or a folder of sources
        distribution: PathBuf,
        #[command(flatten)]
        how: How,
    },
    /// The difference of two, and the bump that it asks for; shows and decides nothing
    Diff {
        /// A file, a folder, `name==version` from the index, or a git revision
        old: String,
        /// Likewise
        new: String,
        /// Compare although they are different projects
        #[arg(long)]
        force: bool,
        /// Print for each break a piece of Python that passes on the old side and fails on the new
        #[arg(long)]
        witness: bool,
        #[command(flatten)]
        how: How,
    },
    /// The verdict against the last release: is the bump enough
    Check {
        /// What to judge; default: the built wheel of HEAD, else the sources of HEAD
        new: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// The bump that the sources of HEAD need so far
    Status,
}

#[derive(Debug, Args)]
struct How {
    /// What counts as public
    #[arg(long, value_enum)]
    mode: Option<ModeName>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeName {
    Contract,
    Compat,
    Strict,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// Bullets for release notes
    Markdown,
    /// Annotations of a GitHub job
    Github,
    /// SARIF 2.1.0
    Sarif,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Contract => Self::Contract,
            ModeName::Compat => Self::Compat,
            ModeName::Strict => Self::Strict,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    match &arguments.action {
        Action::Show { distribution, how } => {
            let shown = api::show(distribution, how.mode.map_or(Mode::default(), Mode::from))?;
            let mut text = String::new();
            for item in &shown.items {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}", item.signature);
                for member in &item.members {
                    let _ = writeln!(text, "    {}", member.signature);
                }
            }
            for command in shown.commands.iter().flat_map(|line| line.tree.walk()) {
                let _ = writeln!(text, "$ {}", usage(command));
            }
            Ok(Outcome::new(&shown).schema("shipway.api-show/1").print(text))
        }
        Action::Diff { old, new, force, witness, how } => {
            let request =
                api::DiffRequest { mode: how.mode.map(Mode::from), force: *force, witness: *witness };
            let diff = compare(session, old, new, request)?;
            Ok(Outcome::new(&diff).schema("shipway.api-diff/1").print(render(&diff, how.format, session)))
        }
        Action::Check { new, how } => {
            let context = session.context(&Overrides::default())?;
            let check = api::check(&context, new.as_deref())?;
            let refusal = refusal(&check.diff, check.unnamed.as_deref());
            if check.baseline.is_none() {
                let what = "there is no earlier release to compare with; only what is wrong in itself was looked for";
                session.talk.warn(what);
            }
            Ok(Outcome::new(&check)
                .schema("shipway.api-check/1")
                .print(render(&check.diff, how.format, session))
                .refused(refusal))
        }
        Action::Status => {
            let context = session.context(&Overrides::default())?;
            let (level, why) = api::level_for(&context, "HEAD")?;
            Ok(Outcome::new(&json!({ "required": level, "why": why }))
                .schema("shipway.api-status/1")
                .print(format!("{why}\n")))
        }
    }
}

/// A command with its options and arguments, in one line.
fn usage(command: &Command) -> String {
    let mut words = vec![command.path.clone()];
    for option in &command.options {
        let spellings: Vec<&str> = option.spellings().map(String::as_str).collect();
        let value = if option.arity == Arity::Flag { String::new() } else { format!(" {}", option.dest) };
        let text = format!("{}{value}", spellings.join("|"));
        words.push(if option.required { text } else { format!("[{text}]") });
    }
    for one in &command.positionals {
        words.push(if one.required { one.name.clone() } else { format!("[{}]", one.name) });
    }
    words.extend((!command.subcommands.is_empty()).then(|| "COMMAND …".to_owned()));
    words.extend((!command.partial.is_empty()).then(|| "(read in part)".to_owned()));
    words.join(" ")
}

/// Two paths need no project around them; anything else does.
fn compare(session: &Session, old: &str, new: &str, request: api::DiffRequest) -> Result<ApiDiff> {
    let context: Result<Context<'_>> = session.context(&Overrides::default());
    if Path::new(old).exists() && Path::new(new).exists() {
        let config = context.as_ref().ok().map(|context| &context.config);
        return api::diff(Path::new(old), Path::new(new), config, request);
    }
    let context = context?;
    let (old, new) = api::locate_both(&context, old, new)?;
    api::diff(&old.path, &new.path, Some(&context.config), request)
}

fn refusal(diff: &ApiDiff, unnamed: Option<&str>) -> Option<Error> {
    if !diff.verdict.sufficient {
        let error = Error::refused("bump-insufficient", diff.verdict.line.clone());
        let failing: Vec<&ApiFinding> = diff.failing().collect();
        let error = failing
            .iter()
            .take(20)
            .fold(error, |error, one| error.cause(format!("{}-{}: {}", one.id, one.name, one.detail)));
        return Some(match diff.verdict.required {
            "none" => error,
            // No bump mends what is wrong in itself.
            _ if diff.verdict.errors > 0 => error,
            required => error.hint(format!("shipway bump {required}")),
        });
    }
    unnamed.map(|bullets| {
        Error::refused("break-not-named", "the notes do not name every break")
            .hint(format!("add to the version's section:\n{bullets}"))
    })
}

fn render(diff: &ApiDiff, format: Format, session: &Session) -> String {
    match format {
        Format::Text => text(diff, session),
        Format::Markdown => report::markdown(diff.breaking()),
        Format::Github => report::annotations(diff, 50).into_iter().map(|line| line + "\n").collect(),
        Format::Sarif => format!("{:#}\n", report::sarif(diff)),
    }
}

/// The verdict first, then every finding with both sides, then what was not compared.
fn text(diff: &ApiDiff, session: &Session) -> String {
    let style = session.style();
    let mut text = format!("{}\n", diff.verdict.line);
    for one in &diff.findings {
        let color = if diff.verdict.fails(one) { &style.bad } else { &style.strong };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "\n{color}{}{} {}-{} {}",
            one.level.as_str(),
            style.end,
            one.id,
            one.name,
            one.symbol
        );
        let _ = writeln!(text, "  {}", one.detail);
        for (side, found) in [("old", &one.old), ("new", &one.new)] {
            if let Some(found) = found {
                let _ = writeln!(text, "  {side}: {}  ({}:{})", found.signature, found.file, found.line);
            }
        }
        if let Some(witness) = &one.witness {
            let _ = writeln!(text, "  witness, passes on the old side and fails on the new:");
            for line in witness.lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
        if let Some(reason) = &one.accepted {
            let _ = writeln!(text, "  accepted: {reason}");
        }
    }
    if !diff.not_checked.is_empty() {
        let _ = writeln!(text, "\nnot checked:");
        for one in &diff.not_checked {
            let _ = writeln!(text, "  {} ({}): {}", one.symbol, one.side, one.reason);
        }
    }
    text
}
