//! `shipway doctor`

use clap::Args;
use shipway_release::Result;

use crate::output::Outcome;
use crate::session::Session;

/// What is missing
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments, _session: &Session) -> Result<Outcome> {
    Ok(Outcome::default())
}
