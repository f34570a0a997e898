//! What is wrong with one distribution by itself: imports and commands that lead nowhere.

use shipway_dist::Finding;
use shipway_dist::rules::{Rule, python as rules};

use crate::parse::model::{DefKind, ImportUse};
use crate::resolve::{Resolver, Target};
use crate::surface::{ExtractOptions, Surface};

/// An import of a module that the distribution should hold and does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dangling {
    pub(crate) target: String,
    pub(crate) module: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Dangling {
    /// What a rule says of it.
    pub(crate) fn finding(&self, rule: &'static Rule) -> Finding {
        let message =
            format!("`{}` imports `{}`, which the distribution does not hold", self.module, self.target);
        rule.finding(message).member(format!("{}:{}", self.file, self.line))
    }
}

/// Finds unconditional imports of own submodules that do not exist (rows J6 and A03).
pub fn dangling_imports(surface: &Surface) -> Vec<Finding> {
    let resolver = Resolver::new(surface);
    find_dangling(&resolver).iter().map(|import| import.finding(&rules::DANGLING_IMPORT)).collect()
}

/// Finds entry points whose module or attribute does not exist (row C7).
pub fn script_targets(surface: &Surface) -> Vec<Finding> {
    let resolver = Resolver::new(surface);
    surface
        .info
        .entry_points
        .iter()
        .filter_map(|entry| {
            let why = broken_target(&resolver, &entry.target)?;
            let message = format!("`{}` of `{}` calls `{}`: {why}", entry.name, entry.group, entry.target);
            let rule = if entry.is_script() { &rules::SCRIPT_TARGET } else { &rules::ENTRY_POINT_TARGET };
            Some(rule.finding(message).member("entry_points.txt"))
        })
        .collect()
}

/// Finds public modules that only one of an sdist and a wheel of the same release holds (A04).
///
/// Modules that the build generates are in the wheel alone; those do not count.
pub fn surface_differences(sdist: &Surface, wheel: &Surface) -> Vec<Finding> {
    let public = |surface: &Surface| -> std::collections::BTreeSet<String> {
        crate::show::modules_of(surface)
            .into_iter()
            .filter(|module| module.public)
            .map(|module| module.name)
            .collect()
    };
    public(sdist)
        .difference(&public(wheel))
        .map(|module| {
            Finding::error(
                "A04-sdist-wheel-surface-differs",
                format!("`{module}` is in the sdist and not in the wheel"),
            )
            .hint("align the build configuration of both files")
        })
        .collect()
}

/// Why an entry point's target cannot work, if so.
pub(crate) fn broken_target(resolver: &Resolver<'_>, target: &str) -> Option<String> {
    let (module_path, attribute) = match target.split_once(':') {
        Some((module, attribute)) => (module, Some(attribute)),
        None => (target, None),
    };
    let top = module_path.split('.').next()?;
    let top_module = resolver.surface.module(top)?;
    if resolver.module(top_module).file.is_empty() {
        return None;
    }
    let Some(module) = resolver.surface.module(module_path) else {
        return is_own(resolver, module_path).then(|| format!("there is no module `{module_path}`"));
    };
    let mut parts = attribute?.split('.');
    let first = parts.next()?;
    if resolver.is_open(module) {
        return None;
    }
    match resolver.name(module, first) {
        None => Some(format!("`{module_path}` has no `{first}`")),
        Some(Target::Def(key)) if resolver.class(key).is_some() => {
            let next = parts.next()?;
            let is_known = resolver.mro(key).opaque().next().is_none() && resolver.metaclass(key).is_none();
            (is_known
                && !resolver.members(key).contains_key(next)
                && resolver.member(key, "__getattr__").is_none())
            .then(|| format!("`{first}` has no `{next}`"))
        }
        Some(_) => None,
    }
}

/// Whether a module path could only be in this distribution: its parent is a package here that
/// does not extend its path.
fn is_own(resolver: &Resolver<'_>, path: &str) -> bool {
    let Some((parent, _)) = path.rsplit_once('.') else { return false };
    match resolver.surface.module(parent) {
        Some(parent) => {
            let module = resolver.module(parent);
            !module.file.is_empty()
                && module.is_package
                && !resolver.is_opaque(parent)
                && module.scope.get("__path__").is_empty()
        }
        None => is_own(resolver, parent),
    }
}

/// All dangling imports, one for each module that is missing.
pub(crate) fn find_dangling(resolver: &Resolver<'_>) -> Vec<Dangling> {
    let mut found = all_dangling(resolver);
    found.dedup_by(|a, b| a.target == b.target);
    found
}

/// All dangling imports, sorted by the module that is missing.
pub(crate) fn all_dangling(resolver: &Resolver<'_>) -> Vec<Dangling> {
    let mut found: Vec<Dangling> = Vec::new();
    // A source tree may lack what the build generates.
    if resolver.surface.info.kind != "wheel" && resolver.surface.info.kind != "folder" {
        return found;
    }
    for module in &resolver.surface.modules {
        if module.is_stub || is_left_out(&module.name, &resolver.surface.options) {
            continue;
        }
        for import in &module.imports {
            if let Some(target) = missing(resolver, import) {
                found.push(Dangling {
                    target,
                    module: module.name.to_string(),
                    file: module.file.to_string(),
                    line: import.line,
                });
            }
        }
    }
    found.sort();
    found
}

/// Whether what a module imports does not count: it is a test, a template or somebody else's code.
pub(crate) fn is_left_out(name: &str, options: &ExtractOptions) -> bool {
    is_never_read(name, options)
        || name.split('.').any(|part| part.starts_with("test_") || matches!(part, "testing" | "templates"))
}

fn missing(resolver: &Resolver<'_>, import: &ImportUse) -> Option<String> {
    let surface = resolver.surface;
    match surface.module(&import.module) {
        None => {
            let generated = import
                .module
                .rsplit('.')
                .next()
                .is_some_and(|last| last.contains("version") && surface.info.kind == "folder");
            (is_own(resolver, &import.module) && !generated && !was_left_out(resolver, &import.module))
                .then(|| import.module.to_string())
        }
        Some(source) => {
            // `from package import submodule`.
            let name = import.name.as_ref()?;
            let module = resolver.module(source);
            let is_closed = module.is_package
                && !module.file.is_empty()
                && !resolver.is_open(source)
                && module.getattr.is_none();
            let path = format!("{}.{name}", import.module);
            // The import itself binds the name when it stands in the package.
            let is_itself = |def: u32| match &module.defs[def as usize].kind {
                DefKind::Import(own) => *own.module == *import.module && own.name.as_ref() == Some(name),
                _ => false,
            };
            let entries = module.scope.get(name);
            let is_defined = entries.iter().any(|entry| !is_itself(entry.def));
            let is_found = entries.is_empty() && resolver.name(source, name).is_some();
            let is_bound = is_closed
                && (name.starts_with("__") || is_defined || is_found || surface.module(&path).is_some());
            (is_closed && !is_bound && module.stars.is_empty() && !was_left_out(resolver, &path))
                .then_some(path)
        }
    }
}

/// Test suites are not read, so what is in them cannot be missed.
fn was_left_out(resolver: &Resolver<'_>, path: &str) -> bool {
    is_never_read(path, &resolver.surface.options)
}

/// Whether a part of a dotted path is never public.
pub(crate) fn is_never_read(path: &str, options: &ExtractOptions) -> bool {
    path.split('.').any(|part| options.never_public.iter().any(|never| never == part))
}
