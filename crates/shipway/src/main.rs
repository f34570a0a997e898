//! The `shipway` command: arguments in, exit code out.
//!
//! Command files build a request, call one function and return an outcome; this file and `output` turn
//! outcomes and errors into text, JSON and exit codes. Nothing else prints.

mod cli;
mod commands;
mod embedded;
mod output;
mod progress;
mod session;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let session = session::Session::new(cli.global);
    let name = cli.command.name();
    let result = cli.command.run(&session);
    output::finish(&session, name, result)
}
