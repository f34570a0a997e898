//! `shipway tour`
use crate::output::Outcome;
use crate::session::Session;
use clap::Args;
use shipway_release::Result;
/// Take a sample project through the whole life of a release on an embedded index
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Leave the project and the index, and serve it at the end
    #[arg(long)]
    keep: bool,
}
pub(crate) fn run(_arguments: &Arguments, _session: &Session) -> Result<Outcome> {
    Ok(Outcome::default())
}
