//! Plants single changes in real wheels and checks what the diff says of each.
//!
//! `cargo run --release -p shipway-pyapi --example mutate -- [--each N] WHEEL...` A planted break must
//! give exactly one finding at level major or error, of the expected rule; a compatible edit none.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

#[path = "../benches/harness/mutations.rs"]
mod mutations;

use std::path::Path;

use mutations::{Outcome, Result};

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut each = 6;
    if arguments.first().is_some_and(|first| first == "--each") {
        each = arguments.get(1).ok_or("--each N")?.parse()?;
        arguments.drain(..2);
    }
    let mut outcome = Outcome::default();
    for wheel in &arguments {
        outcome.wheel(Path::new(wheel), each)?;
    }
    for problem in &outcome.problems {
        println!("{problem}");
    }
    for (kind, (count, right)) in &outcome.totals {
        println!("{kind:32} {right:5} of {count:5}");
    }
    let (all, good) = outcome.sums();
    println!("{good} of {all} mutations judged as expected, {} wheels", arguments.len());
    Ok(())
}
