//! Static signatures beside what `inspect.signature` says of the imported modules.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use shipway_pyapi::show::signatures;
use shipway_pyapi::{ExtractOptions, extract};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const SCRIPT: &str = "
import importlib, inspect, json, sys, warnings
warnings.simplefilter('ignore')
sys.path[:0] = sys.argv[1:]
given = json.load(sys.stdin)
compared = through = 0
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
    if [one[1] for one in live] == ['VAR_POSITIONAL', 'VAR_KEYWORD']:
        # `*args, **kwargs` handed on to what is known: the static reading says more.
        through += live != static
    elif live != static:
        print(path, 'static', static, 'live', live)
print(compared, through)
";

/// Signatures of one wheel on both sides.
pub(crate) struct Agreement {
    /// How many were compared.
    pub(crate) compared: usize,
    /// Those of which `inspect` sees no more than `*args, **kwargs`, where the static reading looks through.
    pub(crate) through: usize,
    /// Those that differ, with both readings.
    pub(crate) differences: Vec<String>,
}

/// Compares a wheel with what an interpreter says in whose environment it is installed.
///
/// `site` is a folder that is put before the interpreter's own, for wheels that are only unpacked.
pub(crate) fn compare(python: &Path, wheel: &Path, site: Option<&Path>) -> Result<Agreement> {
    let surface = extract(wheel, &ExtractOptions::default())?;
    let found = signatures(&surface);
    let folder = tempfile::tempdir()?;
    let mut child = Command::new(python)
        .args(["-I", "-c", SCRIPT])
        .args(site)
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&serde_json::to_vec(&found)?)?;
    }
    let output = child.wait_with_output()?;
    let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    let last = lines.pop().ok_or("the interpreter died")?;
    let (compared, through) = last.split_once(' ').ok_or("the interpreter died")?;
    Ok(Agreement { compared: compared.parse()?, through: through.parse()?, differences: lines })
}
