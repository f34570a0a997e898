//! Finds the modules of a wheel, an sdist or a source folder, and what it says of itself.

pub(crate) mod metadata;
mod project;
mod resources;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use shipway_dist::archive::{ArchiveError, Limits, read_members};
use shipway_dist::filename::DistributionFilename;

use self::metadata::DistributionInfo;
use self::project::Layout;
pub(crate) use self::resources::named_resources;
use crate::error::PyApiError;

/// Where the bytes of a module come from.
pub(crate) enum Bytes {
    File(PathBuf),
    Read(Vec<u8>),
}

/// One file that is a module.
pub(crate) struct ModuleFile {
    /// Dotted name.
    pub(crate) name: String,
    /// Path inside the distribution.
    pub(crate) path: String,
    pub(crate) kind: FileKind,
    pub(crate) bytes: Bytes,
}

/// What kind of module a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Source,
    Stub,
    Compiled,
}

/// Says which modules need not be read, by dotted name.
pub(crate) type Skip<'a> = &'a dyn Fn(&str) -> bool;

/// A distribution, opened.
pub(crate) struct Contents {
    pub(crate) info: DistributionInfo,
    pub(crate) modules: Vec<ModuleFile>,
}

/// Opens a wheel, an sdist, or a folder of sources (or of an unpacked wheel).
pub(crate) fn open(path: &Path, skip: Skip<'_>) -> Result<Contents, PyApiError> {
    let read = |source| PyApiError::Read { path: path.to_owned(), source };
    let refuse = |why: String| PyApiError::NotADistribution { path: path.to_owned(), why };
    let kind = std::fs::metadata(path).map_err(read)?;
    if kind.is_dir() {
        return open_folder(path).map_err(read);
    }
    let filename = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut contents = if filename.ends_with(".whl") {
        open_wheel(path, &filename, skip).map_err(|error| refuse(error.to_string()))?
    } else if filename.ends_with(".tar.gz") || filename.ends_with(".tgz") {
        open_sdist(path, &filename).map_err(|error| refuse(error.to_string()))?
    } else {
        return Err(refuse("expected a `.whl`, a `.tar.gz` or a folder".to_owned()));
    };
    if let Ok(parsed) = filename.parse::<DistributionFilename>() {
        let info = &mut contents.info;
        info.name.get_or_insert_with(|| parsed.name.display().to_owned());
        info.version.get_or_insert_with(|| parsed.version.to_string());
    }
    Ok(contents)
}

/// The paths of all members, and the bytes of those that were wanted.
type Archived = (Vec<String>, HashMap<String, Vec<u8>>);

/// Reads the members that are wanted of an archive, and lists all of them.
fn read(path: &Path, filename: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Archived, ArchiveError> {
    let mut paths = Vec::new();
    let mut accept = |name: &str| {
        paths.push(name.to_owned());
        wanted(name)
    };
    let members = read_members(path, filename, &mut accept, &Limits::default())?;
    Ok((paths, members.into_iter().collect()))
}

fn open_wheel(path: &Path, filename: &str, skip: Skip<'_>) -> Result<Contents, ArchiveError> {
    let is_wanted = |member: &str| match dist_info_file(member) {
        Some(file) => matches!(file, "METADATA" | "entry_points.txt" | "WHEEL"),
        None => (member.ends_with(".py") || member.ends_with(".pyi")) && !skips(member, skip),
    };
    let (paths, mut members) = read(path, filename, &is_wanted)?;
    let mut info = DistributionInfo { kind: "wheel", ..DistributionInfo::default() };
    let mut modules = Vec::new();
    for member in paths {
        let bytes = members.remove(&member).unwrap_or_default();
        match dist_info_file(&member) {
            Some(file) => take_dist_info(file, &bytes, &mut info),
            None => sort_member(&member, Bytes::Read(bytes), &mut info, &mut modules),
        }
    }
    finish(&mut info, &modules);
    Ok(Contents { info, modules })
}

/// Whether a member need not be read.
fn skips(member: &str, skip: Skip<'_>) -> bool {
    module_of(member).is_some_and(|(name, _)| skip(&name))
}

/// The file inside a top-level `*.dist-info` folder.
fn dist_info_file(member: &str) -> Option<&str> {
    let (folder, file) = member.split_once('/')?;
    folder.ends_with(".dist-info").then_some(file)
}

fn take_dist_info(file: &str, bytes: &[u8], info: &mut DistributionInfo) {
    match file {
        "METADATA" => info.take_metadata(bytes),
        "entry_points.txt" => info.take_entry_points(&String::from_utf8_lossy(bytes)),
        "WHEEL" => info.take_wheel(&String::from_utf8_lossy(bytes)),
        _ => {}
    }
}

/// Files a member of a wheel under modules, data or neither.
fn sort_member(member: &str, bytes: Bytes, info: &mut DistributionInfo, modules: &mut Vec<ModuleFile>) {
    let mut path = member;
    if let Some((folder, rest)) = member.split_once('/')
        && folder.ends_with(".data")
    {
        match rest.split_once('/') {
            Some(("purelib" | "platlib", inner)) => path = inner,
            _ => return,
        }
    }
    if path.contains("/__pycache__/") || path.ends_with(".pyc") {
        return;
    }
    match module_of(path) {
        Some((name, kind)) => modules.push(ModuleFile { name, path: path.to_owned(), kind, bytes }),
        None if path.ends_with("/py.typed") => {
            let package = path.trim_end_matches("/py.typed").replace('/', ".");
            info.typed.push(package);
        }
        None if path.contains('/') => info.data.push(path.to_owned()),
        None => {}
    }
}

/// The dotted name of the module that a path holds.
fn module_of(path: &str) -> Option<(String, FileKind)> {
    let (stem, kind) = if let Some(stem) = path.strip_suffix(".py") {
        (stem, FileKind::Source)
    } else if let Some(stem) = path.strip_suffix(".pyi") {
        (stem, FileKind::Stub)
    } else if path.ends_with(".so") || path.ends_with(".pyd") {
        let (folder, file) = path.rsplit_once('/').map_or(("", path), |(folder, file)| (folder, file));
        let base = file.split('.').next()?;
        let length = if folder.is_empty() { base.len() } else { folder.len() + 1 + base.len() };
        (&path[..length], FileKind::Compiled)
    } else {
        return None;
    };
    let stem = stem.strip_suffix("/__init__").unwrap_or(stem);
    let mut parts: Vec<&str> = stem.split('/').collect();
    if let Some(first) = parts.first_mut() {
        *first = first.strip_suffix("-stubs").unwrap_or(first);
    }
    let is_identifier = |part: &&str| {
        part.starts_with(|c: char| c == '_' || c.is_alphabetic())
            && part.chars().all(|c| c == '_' || c.is_alphanumeric())
    };
    parts.iter().all(is_identifier).then(|| (parts.join("."), kind))
}

fn finish(info: &mut DistributionInfo, modules: &[ModuleFile]) {
    for module in modules {
        let top = module.name.split('.').next().unwrap_or_default();
        if !info.top_level.iter().any(|known| known == top) {
            info.top_level.push(top.to_owned());
        }
    }
    info.top_level.sort();
    info.entry_points.sort();
    info.entry_points.dedup();
    info.typed.sort();
    // Data belongs to a package only when one stands there.
    let packages: std::collections::HashSet<&str> =
        modules.iter().filter_map(|module| module.path.rsplit_once('/').map(|(folder, _)| folder)).collect();
    info.data.retain(|path| {
        let mut folder = path.as_str();
        while let Some((parent, _)) = folder.rsplit_once('/') {
            if packages.contains(parent) {
                return true;
            }
            folder = parent;
        }
        false
    });
    info.data.sort();
}

fn is_wanted(path: &str) -> bool {
    path.ends_with(".py")
        || path.ends_with(".pyi")
        || ["/PKG-INFO", "/pyproject.toml", "/setup.cfg", "/entry_points.txt", "/top_level.txt"]
            .iter()
            .any(|end| path.ends_with(end))
}

fn open_sdist(path: &Path, filename: &str) -> Result<Contents, ArchiveError> {
    let (paths, mut members) = read(path, filename, &is_wanted)?;
    let strip = |path: &str| path.split_once('/').map_or(String::new(), |(_, rest)| rest.to_owned());
    let files = paths.iter().map(|member| (strip(member), members.remove(member).map(Bytes::Read))).collect();
    Ok(sources("sdist", files))
}

fn open_folder(root: &Path) -> io::Result<Contents> {
    let mut files = Vec::new();
    let walk =
        walkdir::WalkDir::new(root).sort_by_file_name().max_depth(40).into_iter().filter_entry(|entry| {
            let name = entry.file_name().to_string_lossy();
            let skipped = name.starts_with('.')
                || matches!(&*name, "__pycache__" | "node_modules")
                || (entry.depth() == 1 && matches!(&*name, "build" | "dist" | "venv" | "target"));
            entry.depth() == 0 || !(entry.file_type().is_dir() && skipped)
        });
    for entry in walk {
        let entry = entry.map_err(io::Error::other)?;
        if !entry.file_type().is_file() {
            continue;
        }
        let Ok(relative) = entry.path().strip_prefix(root) else { continue };
        let relative = relative.to_string_lossy().replace('\\', "/");
        files.push((relative, Some(Bytes::File(entry.path().to_owned()))));
    }
    let unpacked = files.iter().any(|(path, _)| dist_info_file(path).is_some_and(|file| file == "METADATA"));
    if !unpacked {
        return Ok(sources("folder", files));
    }
    let mut info = DistributionInfo { kind: "folder", ..DistributionInfo::default() };
    let mut modules = Vec::new();
    for (path, bytes) in files {
        match (dist_info_file(&path), bytes) {
            (Some(file), Some(Bytes::File(on_disk))) => {
                take_dist_info(file, &std::fs::read(on_disk)?, &mut info);
            }
            (None, Some(bytes)) => sort_member(&path, bytes, &mut info, &mut modules),
            _ => {}
        }
    }
    finish(&mut info, &modules);
    Ok(Contents { info, modules })
}

/// Makes a distribution of a source tree.
fn sources(kind: &'static str, files: Vec<(String, Option<Bytes>)>) -> Contents {
    let mut info = DistributionInfo { kind, ..DistributionInfo::default() };
    let mut layout = Layout::default();
    let mut named: Vec<String> = Vec::new();
    for (path, bytes) in &files {
        let read = || match bytes {
            Some(Bytes::Read(bytes)) => bytes.clone(),
            Some(Bytes::File(path)) => std::fs::read(path).unwrap_or_default(),
            _ => Vec::new(),
        };
        let text = || String::from_utf8_lossy(&read()).into_owned();
        match path.as_str() {
            "pyproject.toml" => project::take_pyproject(&text(), &mut info, &mut layout),
            "setup.cfg" => project::take_setup_cfg(&text(), &mut info, &mut layout),
            "PKG-INFO" => info.take_metadata(&read()),
            _ if path.ends_with(".egg-info/top_level.txt") => {
                named.extend(text().lines().map(|line| line.trim().to_owned()).filter(|l| !l.is_empty()));
            }
            _ if path.ends_with(".egg-info/entry_points.txt") => info.take_entry_points(&text()),
            _ => {}
        }
    }
    let prefixes = prefixes(&files, &layout, &named);
    let mut modules = Vec::new();
    for (path, bytes) in files {
        let inside = prefixes.iter().filter_map(|(prefix, root)| {
            let rest = path.strip_prefix(prefix.as_str());
            let is_inside = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            is_inside.then_some(root)
        });
        let Some(root) = inside.max_by_key(|root| root.len()) else { continue };
        let importable = path[root.len()..].trim_start_matches('/').to_owned();
        let Some(bytes) = bytes.or_else(|| (!is_wanted(&path)).then(|| Bytes::Read(Vec::new()))) else {
            continue;
        };
        let before = modules.len();
        sort_member(&importable, bytes, &mut info, &mut modules);
        if modules.len() > before {
            modules[before].path = path;
        }
    }
    finish(&mut info, &modules);
    Contents { info, modules }
}

/// Folders whose name says that they are not installed.
const NOT_INSTALLED: [&str; 14] = [
    "tests",
    "test",
    "docs",
    "doc",
    "examples",
    "example",
    "benchmarks",
    "benchmark",
    "scripts",
    "tools",
    "ci",
    "requirements",
    "testing",
    "samples",
];

/// Pairs of (path of a package or module, source root that it is imported from).
fn prefixes(files: &[(String, Option<Bytes>)], layout: &Layout, named: &[String]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let exists = |path: &str| {
        let folder = format!("{path}/");
        files.iter().any(|(file, _)| file == path || file.starts_with(&folder))
    };
    for package in &layout.packages {
        let package = package.trim_matches('/');
        for candidate in [
            package.to_owned(),
            format!("src/{package}"),
            format!("{package}.py"),
            format!("src/{package}.py"),
        ] {
            if exists(&candidate) {
                let root = candidate.rsplit_once('/').map_or("", |(root, _)| root).to_owned();
                found.push((candidate, root));
                break;
            }
        }
    }
    if !found.is_empty() {
        return found;
    }
    let mut roots: Vec<String> =
        layout.roots.iter().map(|root| root.trim_matches(['/', '.']).to_owned()).collect();
    roots.extend(["src", "lib", "python", ""].map(str::to_owned));
    for root in roots {
        let inside = |path: &str| if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") };
        for name in named {
            for candidate in [inside(name), inside(&format!("{name}.py"))] {
                if exists(&candidate) && !found.iter().any(|(known, _)| *known == candidate) {
                    found.push((candidate, root.clone()));
                }
            }
        }
        if found.is_empty() && named.is_empty() {
            found.extend(guess(files, &root));
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// Packages, else modules, that stand directly in a source root.
fn guess(files: &[(String, Option<Bytes>)], root: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (path, _) in files {
        let relative = if root.is_empty() {
            path.as_str()
        } else {
            match path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')) {
                Some(relative) => relative,
                None => continue,
            }
        };
        let is_module = |file: &str| file.ends_with(".py") || file.ends_with(".pyi");
        let full = |name: &str| if root.is_empty() { name.to_owned() } else { format!("{root}/{name}") };
        let candidate = match relative.split_once('/') {
            // Below `src` a folder without `__init__` is a namespace package; beside `setup.py` it is not.
            Some((top, rest)) if is_module(rest) && !NOT_INSTALLED.contains(&top) => {
                let is_package =
                    matches!(rest, "__init__.py" | "__init__.pyi") || (root == "src" && !top.contains('.'));
                is_package.then(|| full(top))
            }
            None if is_module(relative) => {
                let stem = relative.split('.').next().unwrap_or_default();
                let is_tool =
                    matches!(stem, "setup" | "conftest" | "noxfile" | "tasks" | "fabfile" | "manage")
                        || stem.starts_with("test_");
                (!is_tool).then(|| full(relative))
            }
            _ => None,
        };
        if let Some(candidate) = candidate
            && !found.iter().any(|(known, _)| *known == candidate)
        {
            found.push((candidate, root.to_owned()));
        }
    }
    // Loose modules beside a package are scripts of the repository, not part of the distribution.
    if root.is_empty() && found.iter().any(|(path, _)| !path.ends_with(".py") && !path.ends_with(".pyi")) {
        found.retain(|(path, _)| !path.ends_with(".py") && !path.ends_with(".pyi"));
    }
    found
}
