//! Readers of command lines: what they claim to have read wholly is what the frameworks say.
//!
//! Installs releases with the ordinary pip, hence `registry` in its name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use serde_json::Value;
use shipway_pyapi::cli::{self, Arity, Command, Opt, Preset};
use shipway_pyapi::{ExtractOptions, extract};

const SCRIPTS: [(&str, &str, &str); 10] = [
    ("black", "25.1.0", "black"),
    ("cookiecutter", "2.6.0", "cookiecutter"),
    ("httpx", "0.28.1", "httpx"),
    ("mkdocs", "1.6.1", "mkdocs"),
    ("pip-tools", "7.4.1", "pip-compile"),
    ("pre-commit", "4.0.1", "pre-commit"),
    ("towncrier", "24.8.0", "towncrier"),
    ("twine", "6.1.0", "twine"),
    ("uvicorn", "0.34.0", "uvicorn"),
    ("yamllint", "1.37.0", "yamllint"),
];

fn environment() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("commands");
    let python = folder.join("bin/python");
    let done = folder.join("done");
    if done.exists() {
        return python;
    }
    let run = |program: &Path, arguments: &[&str]| {
        assert!(Process::new(program).args(arguments).status().unwrap().success(), "{arguments:?}");
    };
    run(Path::new("python3"), &["-m", "venv", "--clear", &folder.to_string_lossy()]);
    let pins: Vec<String> = SCRIPTS.iter().map(|(name, version, _)| format!("{name}=={version}")).collect();
    let mut arguments = vec!["-m", "pip", "install", "-q", "--disable-pip-version-check"];
    arguments.extend(pins.iter().map(String::as_str));
    arguments.extend(["rich", "click<8.2"]);
    run(&python, &arguments);
    std::fs::write(done, "").unwrap();
    python
}

/// What introspection says; `None` when the script cannot be asked.
fn truth(python: &Path, script: &str) -> Option<Value> {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/harness/commands.py");
    [&[][..], &["--known"][..]].into_iter().find_map(|more: &[&str]| {
        let output = Process::new(python).arg(&harness).arg(script).args(more).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(text.lines().last()?).ok()
    })
}

fn walk<'v>(command: &'v Value, into: &mut BTreeMap<String, &'v Value>) {
    into.insert(command["path"].as_str().unwrap().to_owned(), command);
    for inner in command["commands"].as_array().unwrap() {
        walk(inner, into);
    }
}

fn default(preset: &Preset) -> Option<String> {
    match preset {
        Preset::Absent => Some("off".to_owned()),
        Preset::Known(text) if matches!(text.as_str(), "False" | "None") => Some("off".to_owned()),
        Preset::Known(text) if text.starts_with(['(', '{']) => None,
        Preset::Known(text) => Some(text.clone()),
        Preset::Unknown(_) => None,
    }
}

/// What differs in one option.
fn option(read: &Opt, real: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |what: &str, same: bool| {
        if !same {
            found.push(format!("{}: {what}, really {real}", read.name()));
        }
    };
    check("required", real["required"] == read.required);
    check("hidden", real["hidden"] == read.hidden);
    check("flag", read.arity == Arity::Unknown || real["flag"] == (read.arity == Arity::Flag));
    let mut choices = read.choices.clone();
    let mut really: Vec<String> = serde_json::from_value(real["choices"].clone()).unwrap();
    choices.sort();
    really.sort();
    check("choices", choices == really);
    let real_default = real["default"].as_str().unwrap();
    check("default", real_default == "?" || default(&read.default).is_none_or(|text| text == real_default));
    found
}

/// What differs in one command.
fn command(read: &Command, real: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let spelled = |option: &Opt| {
        let mut all: Vec<String> = option.spellings().cloned().collect();
        all.sort();
        all
    };
    let options = real["options"].as_array().unwrap();
    for one in options {
        let flags: Vec<String> = serde_json::from_value(one["spellings"].clone()).unwrap();
        match read.options.iter().find(|option| spelled(option) == flags) {
            Some(known) => found.extend(option(known, one)),
            None => found.push(format!("{flags:?} was not read")),
        }
    }
    if read.options.len() > options.len() {
        found.push("more options were read than there are".to_owned());
    }
    let names: Vec<&str> = read.positionals.iter().map(|one| one.name.as_str()).collect();
    let real_names: Vec<&str> =
        real["positionals"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    if names != real_names {
        found.push(format!("positional arguments {names:?}, really {real_names:?}"));
    }
    found
}

#[test]
fn j10_registry_what_is_claimed_to_be_read_wholly_is_true() {
    let python = environment();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("registry");
    let (mut commands, mut exact, mut partial, mut lies) = (0, 0, 0, Vec::new());
    for (name, version, script) in SCRIPTS {
        let wheel = super::registry::fetch::fetch(name, version, &cache).unwrap();
        let real = truth(&python, script).unwrap_or_else(|| panic!("{script} cannot be asked"));
        let surface = extract(&wheel, &ExtractOptions::default()).unwrap();
        let reading = cli::read(&surface, &[script]);
        let mut known = BTreeMap::new();
        walk(&real, &mut known);
        commands += known.len();
        let Some(line) = reading.commands.first() else { continue };
        let before = exact;
        for one in line.tree.walk() {
            let Some(real) = known.get(&one.path) else {
                lies.push(format!("{} does not exist", one.path));
                continue;
            };
            let differences = command(one, real);
            match (one.partial.is_empty(), differences.is_empty()) {
                (true, true) => exact += 1,
                (false, _) => partial += 1,
                (true, false) => lies.push(format!("{}: {}", one.path, differences.join("; "))),
            }
            let below = real["commands"].as_array().unwrap().len();
            if one.partial.is_empty() && below != one.subcommands.len() {
                lies.push(format!("{}: {} commands below, really {below}", one.path, one.subcommands.len()));
            }
        }
        println!("{script}: {} of {} commands exactly", exact - before, known.len());
    }
    println!("{exact} of {commands} commands exactly, {partial} in part");
    assert_eq!(lies, [""; 0]);
    assert!(exact * 10 >= commands * 6, "{exact} of {commands}");
}
