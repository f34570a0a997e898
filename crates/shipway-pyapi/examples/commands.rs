//! Prints what is read of the command lines of a distribution, as JSON.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::path::Path;

use shipway_pyapi::{ExtractOptions, cli, extract};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: commands DISTRIBUTION [COMMAND]...")?;
    let names: Vec<String> = std::env::args().skip(2).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let surface = extract(Path::new(&path), &ExtractOptions::default())?;
    println!("{}", serde_json::to_string_pretty(&cli::read(&surface, &names))?);
    Ok(())
}
