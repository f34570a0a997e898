//! The command line: global options and the list of commands, in the order of the pipeline.

use clap::{Args, Parser, Subcommand, ValueEnum};
use shipway_release::Result;

use crate::commands::{
    api, approve, build, bump, check, config, docs, doctor, evidence, explain, forge, gate, init, log, mark,
    notes, promote, publish, ready, release, serve, smoke, status, tour, workflows,
};
use crate::output::Outcome;
use crate::session::Session;

const ABOUT: &str = "The release system for Python packages: build once, prove it, promote the same bytes.

The steps, in order: bump, build, check, publish, smoke, promote; `release` runs them all and resumes.
Without an index in the configuration everything happens on the embedded one.";

const AFTER: &str = "First time:  shipway init --commit && git push
A release:   shipway release patch
See it all:  shipway tour

Exit codes: 0 done or already so, 1 refused, 2 wrong usage or configuration, 3 could not complete.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "shipway", version, about = ABOUT, after_help = AFTER, disable_help_subcommand = true)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print a versioned JSON document on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say less; twice: only errors
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) quiet: u8,
    /// Say more; twice: also what is asked of the index
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: Color,
    /// Show no progress
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// The folder of the project
    // No default and a plain string: `admin token create` has options of the same names and types.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) project: Option<String>,
    /// Never ask; refuse where an answer is needed
    #[arg(long, global = true)]
    pub(crate) non_interactive: bool,
    /// Answer every question with yes
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// The project's name, instead of the configuration's
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The shipway index, instead of the configuration's
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) index: Option<String>,
}

macro_rules! commands {
    ($($variant:ident $name:literal $args:ty, $run:path;)+) => {
        /// What to do.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $($variant($args),)+
        }

        impl Command {
            /// The command's name, which names its JSON schema.
            pub(crate) fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// Runs it.
            pub(crate) fn run(&self, session: &Session) -> Result<Outcome> {
                match self { $(Self::$variant(arguments) => $run(arguments, session),)+ }
            }
        }
    };
}

commands! {
    Init "init" init::Arguments, init::run;
    Bump "bump" bump::Arguments, bump::run;
    Build "build" build::Arguments, build::run;
    Check "check" check::Arguments, check::run;
    Api "api" api::Arguments, api::run;
    Notes "notes" notes::Arguments, notes::run;
    Docs "docs" docs::Arguments, docs::run;
    Gate "gate" gate::Arguments, gate::run;
    Ready "ready" ready::Arguments, ready::run;
    Publish "publish" publish::Arguments, publish::run;
    Smoke "smoke" smoke::Arguments, smoke::run;
    Promote "promote" promote::Arguments, promote::run;
    Rollback "rollback" mark::Rollback, mark::rollback;
    Yank "yank" mark::Yank, mark::yank;
    Unyank "unyank" mark::Unyank, mark::unyank;
    Block "block" mark::Block, mark::block;
    Unblock "unblock" mark::Unblock, mark::unblock;
    Release "release" release::Arguments, release::run;
    Status "status" status::Arguments, status::run;
    Evidence "evidence" evidence::Arguments, evidence::run;
    Approve "approve" approve::Arguments, approve::run;
    Forge "forge" forge::Arguments, forge::run;
    Workflows "workflows" workflows::Arguments, workflows::run;
    Doctor "doctor" doctor::Arguments, doctor::run;
    Log "log" log::Arguments, log::run;
    Config "config" config::Arguments, config::run;
    Serve "serve" serve::Arguments, serve::run;
    Admin "admin" serve::admin::Arguments, serve::admin::run;
    Explain "explain" explain::Arguments, explain::run;
    Tour "tour" tour::Arguments, tour::run;
}
