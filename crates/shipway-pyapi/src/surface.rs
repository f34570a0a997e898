//! The surface: every module of a distribution as read, ready to be shown and compared.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use rayon::prelude::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};
use rayon::{ThreadPool, ThreadPoolBuilder};
use rustc_hash::FxHashMap;

use crate::error::PyApiError;
use crate::parse::model::Module;
use crate::parse::{self, guard};
use crate::source::metadata::DistributionInfo;
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
    pub(crate) modules: Vec<Module>,
    pub(crate) index: FxHashMap<Box<str>, u32>,
    pub(crate) options: ExtractOptions,
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
    let contents = pool()?.install(|| source::open(path, &|name| is_test(name, options)))?;
    if contents.modules.is_empty() {
        return Err(PyApiError::NoModules { path: path.to_owned() });
    }
    Ok(pool()?.install(|| assemble(contents, options)))
}

/// Extracts two surfaces at once.
pub fn extract_pair(
    old: &Path,
    new: &Path,
    options: &ExtractOptions,
) -> Result<(Surface, Surface), PyApiError> {
    let (old, new) = pool()?.join(|| extract(old, options), || extract(new, options));
    Ok((old?, new?))
}

/// Reads and parses what [`extract`] would, and does nothing else: the floor of its time.
///
/// Gives the number of modules and of bytes. Only benchmarks need it.
#[doc(hidden)]
pub fn read_and_parse(path: &Path, options: &ExtractOptions) -> Result<(usize, usize), PyApiError> {
    let Contents { modules, .. } = pool()?.install(|| source::open(path, &|name| is_test(name, options)))?;
    let files: Vec<ModuleFile> = modules.into_iter().filter(|file| !is_test(&file.name, options)).collect();
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

/// Whether a module is part of a test suite, so that it need not even be read.
fn is_test(name: &str, options: &ExtractOptions) -> bool {
    name.split('.').skip(1).any(|part| {
        matches!(part, "tests" | "test" | "conftest")
            && options.never_public.iter().any(|never| never == part)
    })
}

fn assemble(contents: Contents, options: &ExtractOptions) -> Surface {
    let Contents { info, modules: files } = contents;
    let files: Vec<ModuleFile> = files.into_iter().filter(|file| !is_test(&file.name, options)).collect();
    let parsed: Vec<(FileKind, Module)> = files.into_par_iter().with_max_len(8).map(read_module).collect();
    let mut by_name: BTreeMap<Box<str>, [Option<Module>; 3]> = BTreeMap::new();
    for (kind, module) in parsed {
        let slot = match kind {
            FileKind::Source => 0,
            FileKind::Stub => 1,
            FileKind::Compiled => 2,
        };
        let name = module.name.clone();
        by_name.entry(name).or_default()[slot] = Some(module);
    }
    let mut modules: Vec<Module> = Vec::with_capacity(by_name.len());
    for (_, slots) in by_name {
        let module = match slots {
            [Some(source), Some(stub), _] => stubs::merge(source, stub),
            [Some(source), None, _] => source,
            [None, Some(stub), _] => stub,
            [None, None, Some(compiled)] => compiled,
            [None, None, None] => continue,
        };
        modules.push(module);
    }
    add_namespaces(&mut modules);
    let index = (0_u32..).zip(&modules).map(|(at, module)| (module.name.clone(), at)).collect();
    Surface { info, modules, index, options: options.clone() }
}

fn read_module(file: ModuleFile) -> (FileKind, Module) {
    let shell = Module {
        name: file.name.as_str().into(),
        is_package: file.path.ends_with("/__init__.py") || file.path.ends_with("/__init__.pyi"),
        is_stub: file.kind == FileKind::Stub,
        is_compiled: file.kind == FileKind::Compiled,
        file: file.path.into_boxed_str(),
        ..Module::default()
    };
    if file.kind == FileKind::Compiled {
        return (file.kind, shell);
    }
    let bytes = match file.bytes {
        Bytes::Read(bytes) => Ok(bytes),
        Bytes::File(path) => std::fs::read(path),
    };
    let module = match bytes {
        Ok(bytes) => parse::module(shell, &bytes),
        Err(error) => Module { error: Some(format!("cannot be read: {error}").into_boxed_str()), ..shell },
    };
    (file.kind, module)
}

/// Adds the folders that are packages without an `__init__`.
fn add_namespaces(modules: &mut Vec<Module>) {
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
    modules.extend(missing.into_iter().map(|name| Module { name, is_package: true, ..Module::default() }));
}
