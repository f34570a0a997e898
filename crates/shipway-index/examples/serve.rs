//! The index server alone, with the options of `shipway serve` and `shipway admin token create` that the
//! benchmark uses: built in a fraction of the time of the whole program.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::error::Error;
use std::process::ExitCode;

use shipway_index::{Action, Admin, Config, TokenSpec, Upstream};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments == ["--version"] {
        println!("shipway-index {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let mut config = Config::new(option("--data").ok_or("--data is missing")?);
    config.database = option("--database");
    if let Some(url) = option("--upstream").filter(|url| url != "off") {
        config.upstream = Upstream::Url(url);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if arguments.first().is_some_and(|command| command == "admin") {
            let name = option("--name").ok_or("--name is missing")?;
            let actions = vec![Action::Upload, Action::Read];
            let spec = TokenSpec { name, projects: Vec::new(), channels: Vec::new(), actions, expires: None };
            println!("{}", Admin::open(&config).await?.create_token(&spec).await?.expose());
            return Ok(());
        }
        let running = shipway_index::start(config, &option("--bind").ok_or("--bind is missing")?).await?;
        println!("{}", running.url());
        let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        stop.recv().await;
        running.shutdown().await;
        Ok(())
    })
}
