//! What `pyproject.toml` and `setup.cfg` of a source folder say, as far as the contract needs it.

use toml_edit::{Item, TableLike};

use super::metadata::DistributionInfo;

/// Where the import packages of a source folder are.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// Folders that are source roots, most specific first.
    pub(crate) roots: Vec<String>,
    /// Paths of packages or modules named in so many words.
    pub(crate) packages: Vec<String>,
}

/// Reads `pyproject.toml`; what it cannot read it leaves out.
pub(crate) fn take_pyproject(text: &str, info: &mut DistributionInfo, layout: &mut Layout) {
    let Ok(document) = text.parse::<toml_edit::DocumentMut>() else { return };
    let root = document.as_table();
    if let Some(project) = table(root, &["project"]) {
        take_project(project, info);
    }
    if let Some(poetry) = table(root, &["tool", "poetry"]) {
        take_poetry(poetry, info, layout);
    }
    if let Some(find) = table(root, &["tool", "setuptools", "packages", "find"]) {
        layout.roots.extend(strings(find.get("where")));
    }
    if let Some(folders) = table(root, &["tool", "setuptools", "package-dir"]) {
        layout
            .roots
            .extend(folders.iter().filter(|(key, _)| key.is_empty()).filter_map(|(_, item)| text_of(item)));
    }
    if let Some(setuptools) = table(root, &["tool", "setuptools"]) {
        layout.packages.extend(strings(setuptools.get("py-modules")).into_iter().map(|m| format!("{m}.py")));
        layout.packages.extend(strings(setuptools.get("packages")).into_iter().map(|p| p.replace('.', "/")));
    }
    if let Some(wheel) = table(root, &["tool", "hatch", "build", "targets", "wheel"]) {
        layout.packages.extend(strings(wheel.get("packages")));
    }
    if let Some(module) = table(root, &["tool", "flit", "module"]) {
        layout.packages.extend(module.get("name").and_then(text_of));
    }
    if let Some(source) = table(root, &["tool", "maturin"]).and_then(|m| m.get("python-source")) {
        layout.roots.extend(text_of(source));
    }
}

fn take_project(project: &dyn TableLike, info: &mut DistributionInfo) {
    info.has_metadata = true;
    let get = |key: &str| project.get(key).and_then(text_of);
    info.name = get("name").or(info.name.take());
    info.version = get("version").or(info.version.take());
    info.requires_python = get("requires-python").or(info.requires_python.take());
    info.license = get("license").or(info.license.take());
    info.requires.extend(strings(project.get("dependencies")));
    if let Some(extras) = project.get("optional-dependencies").and_then(Item::as_table_like) {
        for (extra, requirements) in extras.iter() {
            info.extras.push(extra.to_owned());
            for requirement in strings(Some(requirements)) {
                let (left, marker) = requirement.split_once(';').unwrap_or((&requirement, ""));
                let marker = marker.trim();
                let and = if marker.is_empty() { String::new() } else { format!("({marker}) and ") };
                info.requires.push(format!("{} ; {and}extra == '{extra}'", left.trim()));
            }
        }
    }
    for (key, group) in [("scripts", "console_scripts"), ("gui-scripts", "gui_scripts")] {
        take_scripts(project.get(key), group, info);
    }
    if let Some(groups) = project.get("entry-points").and_then(Item::as_table_like) {
        for (group, entries) in groups.iter() {
            take_scripts(Some(entries), group, info);
        }
    }
}

fn take_scripts(item: Option<&Item>, group: &str, info: &mut DistributionInfo) {
    let Some(entries) = item.and_then(Item::as_table_like) else { return };
    for (name, target) in entries.iter() {
        if let Some(target) = text_of(target) {
            info.add_entry_point(group, name, &target);
        }
    }
}

fn take_poetry(poetry: &dyn TableLike, info: &mut DistributionInfo, layout: &mut Layout) {
    info.name = info.name.take().or_else(|| poetry.get("name").and_then(text_of));
    info.version = info.version.take().or_else(|| poetry.get("version").and_then(text_of));
    take_scripts(poetry.get("scripts"), "console_scripts", info);
    if let Some(plugins) = poetry.get("plugins").and_then(Item::as_table_like) {
        for (group, entries) in plugins.iter() {
            take_scripts(Some(entries), group, info);
        }
    }
    for package in poetry.get("packages").and_then(Item::as_array).into_iter().flatten() {
        let Some(package) = package.as_inline_table() else { continue };
        let get = |key: &str| package.get(key).and_then(toml_edit::Value::as_str);
        let Some(include) = get("include") else { continue };
        layout.packages.push(match get("from") {
            Some(from) => format!("{}/{include}", from.trim_end_matches('/')),
            None => include.to_owned(),
        });
    }
}

fn table<'t>(root: &'t dyn TableLike, path: &[&str]) -> Option<&'t dyn TableLike> {
    let (first, rest) = path.split_first()?;
    let inner = root.get(first)?.as_table_like()?;
    if rest.is_empty() { Some(inner) } else { table(inner, rest) }
}

fn text_of(item: &Item) -> Option<String> {
    item.as_str().map(str::to_owned)
}

fn strings(item: Option<&Item>) -> Vec<String> {
    match item {
        Some(item) => match (item.as_array(), item.as_str()) {
            (Some(array), _) => array.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect(),
            (None, Some(text)) => vec![text.to_owned()],
            (None, None) => Vec::new(),
        },
        None => Vec::new(),
    }
}

/// Reads the few keys of `setup.cfg` that matter here.
pub(crate) fn take_setup_cfg(text: &str, info: &mut DistributionInfo, layout: &mut Layout) {
    let mut section = "";
    let mut key = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            continue;
        }
        let is_continued = line.starts_with([' ', '\t']);
        let (name, value) = match trimmed.split_once('=') {
            Some((name, value)) if !is_continued => {
                name.trim().clone_into(&mut key);
                (key.as_str(), value.trim())
            }
            _ => (key.as_str(), trimmed),
        };
        match (section, name) {
            ("metadata", "name") if info.name.is_none() => info.name = Some(value.to_owned()),
            ("metadata", "version") if info.version.is_none() && !value.contains(':') => {
                info.version = Some(value.to_owned());
            }
            ("options", "python_requires") if info.requires_python.is_none() => {
                info.requires_python = Some(value.to_owned());
            }
            ("options", "package_dir") => {
                layout.roots.extend(value.strip_prefix('=').map(|v| v.trim().to_owned()))
            }
            ("options.packages.find", "where") => layout.roots.push(value.to_owned()),
            ("options.entry_points", group) if is_continued => {
                if let Some((name, target)) = value.split_once('=') {
                    let group = group.to_owned();
                    info.add_entry_point(&group, name.trim(), target);
                }
            }
            _ => {}
        }
    }
}
