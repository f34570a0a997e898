//! `shipway rollback`, `yank`, `unyank`, `block`, `unblock`

use clap::Args;
use shipway_release::Result;
use shipway_release::steps::mark::{Asked, Mark, mark};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// A version and a reason.
#[derive(Debug, Args)]
struct Target {
    /// The version
    version: String,
    /// Why, for everybody who asks later
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Check everything, change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// The files concerned.
#[derive(Debug, Args)]
struct Files {
    /// A file of the release, by its name, instead of all of them
    #[arg(long = "file", value_name = "NAME")]
    files: Vec<String>,
}

macro_rules! marks {
    ($($(#[$doc:meta])* $variant:ident $function:ident $($files:ident)?;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Args)]
            pub(crate) struct $variant {
                #[command(flatten)]
                target: Target,
                $(#[command(flatten)]
                $files: Files,)?
            }

            pub(crate) fn $function(arguments: &$variant, session: &Session) -> Result<Outcome> {
                let files = None$(.or(Some(arguments.$files.files.as_slice())))?.unwrap_or_default();
                apply(Mark::$variant, &arguments.target, files, session)
            }
        )+
    };
}

marks! {
    /// Set every channel back to the release before a bad one, and block the bad one
    Rollback rollback;
    /// Hide a release from resolvers; `==` still installs it
    Yank yank files;
    /// Undo a yank
    Unyank unyank files;
    /// Make a release not installable and not promotable; its bytes are kept
    Block block;
    /// Undo a block
    Unblock unblock;
}

fn apply(what: Mark, target: &Target, files: &[String], session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    let asked =
        |dry_run| Asked { mark: what, version: &target.version, files, reason: &target.reason, dry_run };
    if !target.dry_run && matches!(what, Mark::Rollback | Mark::Yank | Mark::Block) {
        // What would be refused anyway needs no answer.
        mark(&context, &asked(true))?;
        session.confirm(&format!("{} {} {}", what.as_str(), context.config.name, target.version))?;
    }
    let report = mark(&context, &asked(target.dry_run))?;
    let mut outcome = Outcome::new(&report).say(match (report.changed, report.dry_run) {
        (false, _) => format!("{} {}: already so", report.project, report.version),
        (true, true) => format!("{} {}: {} would change it", report.project, report.version, what.as_str()),
        (true, false) => format!("{} {}: {} done", report.project, report.version, what.as_str()),
    });
    for moved in &report.moved {
        let show = |version: &Option<String>| version.clone().unwrap_or_else(|| "nothing".to_owned());
        outcome =
            outcome.say(format!("  {}: {} → {}", moved.channel, show(&moved.before), show(&moved.after)));
    }
    Ok(outcome)
}
