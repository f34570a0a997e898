//! The surface: every module of a distribution as read, ready to be shown and compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rayon::prelude::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};
use rayon::{ThreadPool, ThreadPoolBuilder};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::PyApiError;
use crate::parse::model::Module;
use crate::parse::{self, guard};
use crate::source::metadata::{DistributionInfo, EntryPoint};
use crate::source::{self, Bytes, Contents, FileKind, ModuleFile};
use crate::stubs;

/// How to extract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractOptions {
    /// Names of modules that are never public, beside those that begin with an underscore.
    pub never_public: Vec<String>,
}

impl Default for ExtractOptions {
    fn default() -> Self {
        let names = [
            "tests",
            "test",
            "conftest",
            "_vendor",
            "vendor",
            "vendored",
            "third_party",
            "migrations",
            "examples",
            "__main__",
        ];
        Self { never_public: names.map(str::to_owned).to_vec() }
    }
}

/// The public API of one distribution, and everything needed to compare it.
#[derive(Debug)]
pub struct Surface {
    pub(crate) info: DistributionInfo,
    /// Sorted by name; a module that reads the same on both sides of a pair is there once.
    pub(crate) modules: Vec<Arc<Module>>,
    pub(crate) index: FxHashMap<Box<str>, u32>,
    pub(crate) options: ExtractOptions,
    /// Packages called `test` that are part of the API, see [`is_test_api`].
    pub(crate) test_apis: FxHashSet<String>,
    /// Where it was read.
    pub(crate) origin: PathBuf,
}

impl Surface {
    /// What the distribution says of itself.
    pub fn info(&self) -> &DistributionInfo {
        &self.info
    }

    /// The module of a dotted name.
    pub(crate) fn module(&self, name: &str) -> Option<u32> {
        self.index.get(name).copied()
    }

    /// Why parts were not read: module and reason.
    pub(crate) fn unread(&self) -> impl Iterator<Item = (&str, &str)> {
        self.modules.iter().filter_map(|module| {
            let reason = match (&module.error, module.is_compiled) {
                (Some(error), _) => &**error,
                (None, true) => "compiled, and no stub describes it",
                (None, false) => return None,
            };
            Some((&*module.name, reason))
        })
    }
}

impl Drop for Surface {
    fn drop(&mut self) {
        // Freeing some hundred thousand records takes a noticeable part of a diff, so it is not waited for.
        let modules = std::mem::take(&mut self.modules);
        if let Ok(pool) = pool() {
            pool.spawn(move || drop(modules));
        }
    }
}

/// The threads that parse; their stacks are large because syntax trees may be deep.
pub(crate) fn pool() -> Result<&'static ThreadPool, PyApiError> {
    static POOL: OnceLock<Result<ThreadPool, String>> = OnceLock::new();
    let build =
        || ThreadPoolBuilder::new().stack_size(guard::STACK).build().map_err(|error| error.to_string());
    POOL.get_or_init(build).as_ref().map_err(|why| PyApiError::Threads { why: why.clone() })
}

/// Extracts the surface of a wheel, an sdist or a folder of sources, executing none of it.
pub fn extract(path: &Path, options: &ExtractOptions) -> Result<Surface, PyApiError> {
    let contents = open(path, options)?;
    Ok(pool()?.install(|| {
        let test_apis = test_apis(&contents);
        let (info, units) = units(contents, options, &test_apis);
        let modules = units.into_par_iter().with_max_len(8).filter_map(parse_unit).collect();
        assemble(info, modules, options, (test_apis, path))
    }))
}

/// Extracts two surfaces at once; modules whose files hold the same bytes are parsed once.
pub fn extract_pair(
    old: &Path,
    new: &Path,
    options: &ExtractOptions,
) -> Result<(Surface, Surface), PyApiError> {
    let paths = (old, new);
    let (old, new) = pool()?.join(|| open(old, options), || open(new, options));
    let (old, new) = (old?, new?);
    // What is an API on one side is looked at on both.
    let mut test_apis = test_apis(&old);
    test_apis.extend(self::test_apis(&new));
    Ok(pool()?.install(|| {
        let ((old_info, old_units), (new_info, new_units)) =
            rayon::join(|| units(old, options, &test_apis), || units(new, options, &test_apis));
        let mut jobs: Vec<(Option<Unit>, Option<Unit>)> = Vec::with_capacity(new_units.len());
        let mut rest: FxHashMap<String, Unit> =
            new_units.into_iter().map(|unit| (unit.name.clone(), unit)).collect();
        for unit in old_units {
            let counterpart = rest.remove(&unit.name);
            jobs.push((Some(unit), counterpart));
        }
        jobs.extend(rest.into_values().map(|unit| (None, Some(unit))));
        let parsed: Vec<_> = jobs.into_par_iter().with_max_len(4).map(parse_pair).collect();
        let (old, new): (Vec<_>, Vec<_>) = parsed.into_iter().unzip();
        rayon::join(
            || {
                let modules = old.into_iter().flatten().collect();
                assemble(old_info, modules, options, (test_apis.clone(), paths.0))
            },
            || {
                let modules = new.into_iter().flatten().collect();
                assemble(new_info, modules, options, (test_apis.clone(), paths.1))
            },
        )
    }))
}

fn open(path: &Path, options: &ExtractOptions) -> Result<Contents, PyApiError> {
    let contents = pool()?.install(|| source::open(path, &|name| is_suite(name, options)))?;
    if contents.modules.is_empty() {
        return Err(PyApiError::NoModules { path: path.to_owned() });
    }
    Ok(contents)
}

/// Reads and parses what [`extract`] would, and does nothing else: the floor of its time.
///
/// Gives the number of modules and of bytes. Only benchmarks need it.
#[doc(hidden)]
pub fn read_and_parse(path: &Path, options: &ExtractOptions) -> Result<(usize, usize), PyApiError> {
    let contents = pool()?.install(|| source::open(path, &|name| is_suite(name, options)))?;
    let test_apis = test_apis(&contents);
    let is_read = |file: &ModuleFile| !is_test(&file.name, options, &test_apis);
    let files: Vec<ModuleFile> = contents.modules.into_iter().filter(is_read).collect();
    let read = |file: ModuleFile| {
        let bytes = match file.bytes {
            Bytes::Read(bytes) => bytes,
            Bytes::File(path) => std::fs::read(path).unwrap_or_default(),
        };
        parse::parse_only(&bytes);
        bytes.len()
    };
    let bytes: Vec<usize> = pool()?.install(|| files.into_par_iter().with_max_len(8).map(read).collect());
    Ok((bytes.len(), bytes.iter().sum()))
}

/// Whether a module is part of a test suite by its name, so that it need not even be read.
fn is_suite(name: &str, options: &ExtractOptions) -> bool {
    name.split('.').skip(1).any(|part| {
        matches!(part, "tests" | "conftest") && options.never_public.iter().any(|never| never == part)
    })
}

/// Whether a module is part of a test suite.
fn is_test(name: &str, options: &ExtractOptions, test_apis: &FxHashSet<String>) -> bool {
    if is_suite(name, options) {
        return true;
    }
    let is_hidden = options.never_public.iter().any(|never| never == "test");
    is_hidden
        && name.match_indices('.').any(|(at, _)| {
            let end = name[at + 1..].find('.').map_or(name.len(), |next| at + 1 + next);
            &name[at + 1..end] == "test" && !test_apis.contains(&name[..end])
        })
}

/// The packages called `test` that are part of the API: their `__init__` declares `__all__`, and
/// beside it stand no modules that a test runner would collect.
fn test_apis(contents: &Contents) -> FxHashSet<String> {
    let declares = |file: &&ModuleFile| {
        let is_init = file.path.ends_with("/test/__init__.py") || file.path.ends_with("/test/__init__.pyi");
        is_init
            && match &file.bytes {
                Bytes::Read(bytes) => memchr::memmem::find(bytes, b"__all__").is_some(),
                Bytes::File(path) => {
                    std::fs::read(path).is_ok_and(|bytes| memchr::memmem::find(&bytes, b"__all__").is_some())
                }
            }
    };
    let mut found: FxHashSet<String> =
        contents.modules.iter().filter(declares).map(|file| file.name.clone()).collect();
    found.retain(|package| {
        let below = format!("{package}.");
        !contents
            .modules
            .iter()
            .filter_map(|file| file.name.strip_prefix(&below))
            .any(|rest| rest.split('.').any(|part| part.starts_with("test_") || part.ends_with("_test")))
    });
    found
}

/// The files of one module: source, stub, compiled.
struct Unit {
    name: String,
    files: [Option<ModuleFile>; 3],
    /// Whether the source is kept for the readers of commands.
    keep: bool,
}

/// Brings the files of each module together, without those of tests.
fn units(
    contents: Contents,
    options: &ExtractOptions,
    test_apis: &FxHashSet<String>,
) -> (DistributionInfo, Vec<Unit>) {
    let Contents { info, modules } = contents;
    let mut by_name: BTreeMap<String, [Option<ModuleFile>; 3]> = BTreeMap::new();
    for file in modules {
        if is_test(&file.name, options, test_apis) {
            continue;
        }
        let slot = match file.kind {
            FileKind::Source => 0,
            FileKind::Stub => 1,
            FileKind::Compiled => 2,
        };
        match by_name.get_mut(&file.name) {
            Some(files) => files[slot] = Some(file),
            None => {
                let name = file.name.clone();
                by_name.entry(name).or_default()[slot] = Some(file);
            }
        }
    }
    let keep = info.entry_points.iter().any(EntryPoint::is_script);
    (info, by_name.into_iter().map(|(name, files)| Unit { name, files, keep }).collect())
}

/// The modules of two sides, one and the same when all their files are.
fn parse_pair((old, new): (Option<Unit>, Option<Unit>)) -> (Option<Arc<Module>>, Option<Arc<Module>>) {
    if let (Some(a), Some(b)) = (&old, &new)
        && a.files.iter().zip(&b.files).all(|(x, y)| is_same_file(x.as_ref(), y.as_ref()))
    {
        let keep = new.is_some_and(|new| new.keep);
        let module = old.map(|old| Unit { keep: old.keep || keep, ..old }).and_then(parse_unit);
        return (module.clone(), module);
    }
    (old.and_then(parse_unit), new.and_then(parse_unit))
}

/// Whether two files stand at the same place and hold the same bytes; files on disk are not asked.
fn is_same_file(old: Option<&ModuleFile>, new: Option<&ModuleFile>) -> bool {
    match (old, new) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let (Bytes::Read(x), Bytes::Read(y)) = (&a.bytes, &b.bytes) else { return false };
            a.path == b.path && x == y
        }
        _ => false,
    }
}

fn parse_unit(unit: Unit) -> Option<Arc<Module>> {
    let keep = unit.keep;
    let module = match unit.files.map(|file| file.map(|file| read_module(file, keep))) {
        [Some(source), Some(stub), _] => stubs::merge(source, stub),
        [Some(source), None, _] => source,
        [None, Some(stub), _] => stub,
        [None, None, Some(compiled)] => compiled,
        [None, None, None] => return None,
    };
    Some(Arc::new(module))
}

fn assemble(
    info: DistributionInfo,
    modules: Vec<Arc<Module>>,
    options: &ExtractOptions,
    (test_apis, origin): (FxHashSet<String>, &Path),
) -> Surface {
    let mut modules = modules;
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    add_namespaces(&mut modules);
    let index = (0_u32..).zip(&modules).map(|(at, module)| (module.name.clone(), at)).collect();
    let origin = origin.to_owned();
    Surface { info, modules, index, options: options.clone(), test_apis, origin }
}

fn read_module(file: ModuleFile, keep: bool) -> Module {
    let shell = Module {
        name: file.name.as_str().into(),
        is_package: file.path.ends_with("/__init__.py") || file.path.ends_with("/__init__.pyi"),
        is_stub: file.kind == FileKind::Stub,
        is_compiled: file.kind == FileKind::Compiled,
        file: file.path.into_boxed_str(),
        ..Module::default()
    };
    if file.kind == FileKind::Compiled {
        return shell;
    }
    let bytes = match file.bytes {
        Bytes::Read(bytes) => Ok(bytes),
        Bytes::File(path) => std::fs::read(path),
    };
    match bytes {
        Ok(bytes) => {
            let mut module = parse::module(shell, &bytes);
            if keep && !module.is_stub {
                module.text = bytes;
            }
            module
        }
        Err(error) => Module { error: Some(format!("cannot be read: {error}").into_boxed_str()), ..shell },
    }
}

/// Adds the folders that are packages without an `__init__`.
fn add_namespaces(modules: &mut Vec<Arc<Module>>) {
    let known: std::collections::BTreeSet<Box<str>> =
        modules.iter().map(|module| module.name.clone()).collect();
    let mut missing = std::collections::BTreeSet::new();
    for name in &known {
        for (at, _) in name.match_indices('.') {
            if !known.contains(&name[..at]) {
                missing.insert(Box::<str>::from(&name[..at]));
            }
        }
    }
    modules.extend(
        missing.into_iter().map(|name| Arc::new(Module { name, is_package: true, ..Module::default() })),
    );
}
