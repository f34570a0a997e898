//! Compares static signatures with what `inspect.signature` says of the imported modules.
//!
//! `cargo run --release -p shipway-pyapi --example inspect -- PYTHON WHEEL...`: PYTHON belongs to a
//! virtual environment in which the wheels are installed. Only disagreements are printed.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use shipway_pyapi::show::signatures;
use shipway_pyapi::{ExtractOptions, extract};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const SCRIPT: &str = "
import importlib, inspect, json, sys, warnings
warnings.simplefilter('ignore')
given = json.load(sys.stdin)
compared = wrong = 0
for path, static in given.items():
    parts = path.split('.')
    target = None
    for at in range(len(parts) - 1, 0, -1):
        try:
            target = importlib.import_module('.'.join(parts[:at]))
            break
        except BaseException:
            continue
    try:
        for part in parts[at:]:
            target = getattr(target, part)
        signature = inspect.signature(target, follow_wrapped=True)
    except BaseException:
        continue
    live = [[p.name, p.kind.name, p.default is not p.empty] for p in signature.parameters.values()]
    static = [[p['name'], p['kind'], p['has_default']] for p in static]
    compared += 1
    if live != static:
        wrong += 1
        print('  ', path, 'static', static, 'live', live)
print('  compared', compared, 'disagree', wrong)
";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let python = arguments.next().ok_or("PYTHON WHEEL...")?;
    for wheel in arguments {
        let surface = extract(Path::new(&wheel), &ExtractOptions::default())?;
        let found = signatures(&surface);
        println!("{wheel}: {} signatures", found.len());
        let folder = tempfile::tempdir()?;
        let mut child = Command::new(&python)
            .args(["-I", "-c", SCRIPT])
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&serde_json::to_vec(&found)?)?;
        }
        print!("{}", String::from_utf8_lossy(&child.wait_with_output()?.stdout));
    }
    Ok(())
}
