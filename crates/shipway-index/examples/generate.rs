//! Makes a synthetic index: `cargo run --release -p shipway-index --example generate -- DATA S|M|L [PREFIX]`,
//! or `DATA PROJECTS FILES [PREFIX]`. Prints one JSON line with what was made and the seconds it took.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::process::ExitCode;

use shipway_index::Config;
use shipway_index::synthetic::{Size, generate};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let parsed = match arguments.as_slice() {
        [data, size, rest @ ..] if Size::named(size).is_some() => {
            Size::named(size).map(|size| (data, size, rest))
        }
        [data, projects, files, rest @ ..] => projects
            .parse()
            .ok()
            .zip(files.parse().ok())
            .map(|(projects, files)| (data, Size { projects, files, large: 0 }, rest)),
        _ => None,
    };
    let Some((data, size, rest)) = parsed else {
        eprintln!("usage: generate DATA S|M|L [PREFIX] | generate DATA PROJECTS FILES [PREFIX]");
        return ExitCode::from(2);
    };
    let mut config = Config::new(data);
    config.database = std::env::var("SHIPWAY_DATABASE").ok();
    let prefix = rest.first().map_or("synthetic", String::as_str);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let progress = |made: usize| {
        if made.is_multiple_of(10_000) {
            eprintln!("{made} of {} projects", size.projects);
        }
    };
    let result = match runtime {
        Ok(runtime) => runtime.block_on(generate(&config, prefix, size, progress)),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(3);
        }
    };
    match result {
        Ok(took) => {
            let files = size.projects * size.files + size.large;
            println!(
                "{{\"projects\": {}, \"files\": {files}, \"seconds\": {:.1}}}",
                size.projects,
                took.as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
