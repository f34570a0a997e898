//! Where a project's version stands, found by the rules of its build backend, and edited byte-exactly.

use std::ops::Range;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::ini;

/// Reads a file of the project (relative path, `/`) from a commit or a folder; none when it does not exist.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Option<Vec<u8>>>;

/// One place where the version stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, relative to the project.
    pub path: String,
    /// What stands there: a key, or the name of a variable.
    pub what: String,
    /// The version as written.
    pub value: String,
    /// The bytes of the version in the file.
    pub range: Range<usize>,
}

/// A replacement of some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The file, relative to the project.
    pub path: String,
    /// The bytes replaced.
    pub range: Range<usize>,
    /// What stands there afterwards.
    pub text: String,
}

/// Applies edits of one file; every other byte stays.
pub fn apply(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.range.start);
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut at = 0;
    for edit in edits {
        out.extend_from_slice(&bytes[at..edit.range.start]);
        out.extend_from_slice(edit.text.as_bytes());
        at = edit.range.end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

/// Finds every place: the one that the build backend reads, and those that the configuration declares.
///
/// # Errors
/// When the backend's place cannot be edited (a version from git tags, computed in setup.py), named; when a
/// declared file is missing or holds no version. Places that disagree are all returned; comparing is the
/// caller's.
pub fn find_places(read: ReadFile<'_>, declared: &[String]) -> Result<Vec<Place>> {
    let mut places = vec![detect(read)?];
    let current = places[0].value.clone();
    let mut errors = Vec::new();
    for path in declared {
        match declared_places(read, path, &current) {
            Ok(found) => places.extend(found),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(Error::several("cannot find the version everywhere", errors));
    }
    let mut seen = std::collections::BTreeSet::new();
    places.retain(|place| seen.insert((place.path.clone(), place.range.start)));
    Ok(places)
}

/// Finds the place that the build backend reads.
///
/// # Errors
/// When there is none that can be edited; the cause names the backend's rule.
pub fn detect(read: ReadFile<'_>) -> Result<Place> {
    let pyproject = read("pyproject.toml")?;
    let value: Value = match &pyproject {
        Some(bytes) => {
            let text = utf8("pyproject.toml", bytes)?;
            toml_edit::de::from_str(text.strip_prefix('\u{feff}').unwrap_or(text))
                .map_err(|error| not_toml("pyproject.toml", &error))?
        }
        None => Value::Null,
    };
    let at = |pointer: &str| value.pointer(pointer);
    if at("/project/version").is_some() {
        return toml_place(read, "pyproject.toml", &["project", "version"]);
    }
    let dynamic = at("/project/dynamic")
        .and_then(Value::as_array)
        .is_some_and(|fields| fields.iter().any(|field| field == "version"));
    if at("/project").is_some() && !dynamic {
        return Err(no_place("`[project]` has no `version` and does not list it in `dynamic`"));
    }
    if at("/tool/poetry/version").is_some() {
        return toml_place(read, "pyproject.toml", &["tool", "poetry", "version"]);
    }
    let text = |pointer: &str| at(pointer).and_then(Value::as_str);
    if let Some(tool) = version_from_tags(&value) {
        return Err(no_place(&format!(
            "`{tool}` takes the version from git tags, which exist only after a release"
        ))
        .hint("give `project.version` a literal value; shipway makes the tag after the publish"));
    }
    if let Some(path) = text("/tool/hatch/version/path") {
        if at("/tool/hatch/version/pattern").is_some() {
            return Err(no_place("`tool.hatch.version.pattern` is not supported")
                .hint("use a plain `__version__ = \"…\"`"));
        }
        return python_place(read, path, &["__version__", "VERSION"]);
    }
    if let Some(path) = text("/tool/pdm/version/path") {
        return python_place(read, path, &["__version__"]);
    }
    if let Some(attribute) = text("/tool/setuptools/dynamic/version/attr") {
        return attribute_place(read, attribute, &value);
    }
    if let Some(file) = at("/tool/setuptools/dynamic/version/file") {
        let path = file.as_str().or_else(|| file.as_array().filter(|all| all.len() == 1)?[0].as_str());
        return match path {
            Some(path) => plain_place(read, path),
            None => Err(no_place("`tool.setuptools.dynamic.version.file` names several files")),
        };
    }
    let backend = text("/build-system/build-backend").unwrap_or_default();
    if backend.starts_with("flit_core") {
        let module =
            text("/tool/flit/module/name").or(text("/tool/flit/metadata/module")).or(text("/project/name"));
        if let Some(module) = module {
            let module = module.replace('-', "_").replace('.', "/");
            return module_place(read, &module, &["__version__"], &["src/", ""]);
        }
    }
    if backend.starts_with("maturin") && read("Cargo.toml")?.is_some() {
        return toml_place(read, "Cargo.toml", &["package", "version"]);
    }
    if let Some(place) = setup_cfg_place(read, &value)? {
        return Ok(place);
    }
    let reason = if read("setup.py")?.is_some() {
        "it is computed in setup.py"
    } else {
        "no known rule gives its place"
    };
    Err(no_place(reason).hint("give `project.version` in pyproject.toml a literal value"))
}

fn no_place(why: &str) -> Error {
    Error::refused("no-version-place", "cannot tell where the project's version stands").cause(why.to_owned())
}

/// The tool that computes the version from tags, when one does.
fn version_from_tags(pyproject: &Value) -> Option<&'static str> {
    let requires = pyproject.pointer("/build-system/requires").and_then(Value::as_array);
    let requires = |tool: &str| {
        requires.into_iter().flatten().filter_map(Value::as_str).any(|requirement| {
            let name =
                requirement.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).next();
            shipway_dist::name::normalize(name.unwrap_or_default()) == tool
        })
    };
    let is = |pointer: &str, wanted: &str| pyproject.pointer(pointer).and_then(Value::as_str) == Some(wanted);
    if is("/tool/hatch/version/source", "vcs") {
        return Some("hatch-vcs");
    }
    if is("/tool/pdm/version/source", "scm") {
        return Some("pdm-backend");
    }
    let tools = [
        "setuptools-scm",
        "versioningit",
        "versioneer",
        "poetry-dynamic-versioning",
        "flit-scm",
        "setuptools-git-versioning",
        "pbr",
    ];
    tools.into_iter().find(|tool| requires(tool))
}

fn attribute_place(read: ReadFile<'_>, attribute: &str, pyproject: &Value) -> Result<Place> {
    let Some((module, name)) = attribute.rsplit_once('.') else {
        return Err(no_place(&format!(
            "`tool.setuptools.dynamic.version.attr` is `{attribute}`, which names no module"
        )));
    };
    let path = module.replace('.', "/");
    let mut roots = vec!["src/".to_owned(), String::new()];
    let directories = pyproject.pointer("/tool/setuptools/package-dir").and_then(Value::as_object);
    for (package, directory) in directories.into_iter().flatten() {
        let Some(directory) = directory.as_str() else { continue };
        let directory = directory.trim_end_matches('/');
        if package.is_empty() {
            roots.insert(0, format!("{directory}/"));
        } else if let Some(rest) = path.strip_prefix(&package.replace('.', "/")) {
            let exact = format!("{directory}{rest}");
            if let Ok(place) = module_place(read, &exact, &[name], &[""]) {
                return Ok(place);
            }
        }
    }
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    module_place(read, &path, &[name], &roots)
}

fn module_place(read: ReadFile<'_>, module: &str, names: &[&str], roots: &[&str]) -> Result<Place> {
    let mut tried = Vec::new();
    for root in roots {
        for path in [format!("{root}{module}/__init__.py"), format!("{root}{module}.py")] {
            if read(&path)?.is_some() {
                return imported_place(read, &path, names, 4);
            }
            tried.push(format!("`{path}`"));
        }
    }
    Err(no_place(&format!("none of {} exists", tried.join(", "))))
}

/// The place in a module that its backend would import when it finds no assignment (flit, setuptools): a name
/// that comes from another module of the project stands there.
fn imported_place(read: ReadFile<'_>, path: &str, names: &[&str], hops: usize) -> Result<Place> {
    let not_here = match python_place(read, path, names) {
        Ok(place) => return Ok(place),
        Err(error) => error,
    };
    let bytes = read(path)?.unwrap_or_default();
    let source = utf8(path, &bytes)?.trim_start_matches('\u{feff}');
    let imported = names.iter().find_map(|name| shipway_pyapi::assignment::find_imported_name(source, name));
    let Some(imported) = imported.filter(|_| hops > 0) else { return Err(not_here) };
    let module = imported.module.replace('.', "/");
    let folder = |levels: usize| path.rsplitn(levels + 1, '/').nth(levels).unwrap_or_default().to_owned();
    let root = match imported.level {
        0 => {
            if path.starts_with("src/") {
                "src".to_owned()
            } else {
                String::new()
            }
        }
        level => folder(usize::try_from(level).unwrap_or(usize::MAX).min(path.len())),
    };
    let base = if root.is_empty() { module } else { format!("{root}/{module}") };
    for path in [format!("{base}.py"), format!("{base}/__init__.py")] {
        if read(&path)?.is_some() {
            return imported_place(read, &path, &[&imported.name], hops - 1);
        }
    }
    Err(not_here)
}

fn python_place(read: ReadFile<'_>, path: &str, names: &[&str]) -> Result<Place> {
    let found = python_places(read, path, names)?;
    found.into_iter().next().ok_or_else(|| {
        no_place(&format!("`{path}` assigns a plain string to none of `{}`", names.join("`, `")))
    })
}

fn python_places(read: ReadFile<'_>, path: &str, names: &[&str]) -> Result<Vec<Place>> {
    let Some(bytes) = read(path)? else {
        return Err(no_place(&format!("`{path}` does not exist")));
    };
    let text = utf8(path, &bytes)?;
    let source = text.strip_prefix('\u{feff}').unwrap_or(text);
    let offset = text.len() - source.len();
    let mut places = Vec::new();
    let mut problem = None;
    for name in names {
        match shipway_pyapi::assignment::find_string_assignment(source, &[name]) {
            Ok(found) => places.extend(found.into_iter().map(|one| Place {
                path: path.to_owned(),
                what: one.name,
                value: one.value,
                range: one.range_of_literal_contents.start + offset
                    ..one.range_of_literal_contents.end + offset,
            })),
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    match problem {
        Some(error) if places.is_empty() => Err(no_place(&format!("`{path}`: {error}"))),
        Some(_) | None => Ok(places),
    }
}

fn setup_cfg_place(read: ReadFile<'_>, pyproject: &Value) -> Result<Option<Place>> {
    let path = "setup.cfg";
    let Some(bytes) = read(path)? else { return Ok(None) };
    let text = utf8(path, &bytes)?;
    let (entries, _) = ini::entries(text);
    let Some(ini::Entry { value, start, .. }) = ini::find(&entries, "metadata", "version") else {
        return Ok(None);
    };
    if let Some(attribute) = value.strip_prefix("attr:") {
        return attribute_place(read, attribute.trim(), pyproject).map(Some);
    }
    if let Some(file) = value.strip_prefix("file:") {
        return plain_place(read, file.trim()).map(Some);
    }
    Ok(Some(Place {
        path: path.to_owned(),
        what: "metadata.version".to_owned(),
        value: value.to_owned(),
        range: start..start + value.len(),
    }))
}

fn declared_places(read: ReadFile<'_>, path: &str, current: &str) -> Result<Vec<Place>> {
    let missing = || {
        Error::refused(
            "version-place",
            format!("`version.files` names `{path}`, which does not exist in the commit"),
        )
    };
    if read(path)?.is_none() {
        return Err(missing());
    }
    let places = match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("py" | "pyi") => {
            let found = python_places(read, path, &["__version__", "VERSION", "version", "release"])?;
            // `version` of a documentation's conf.py is often the short X.Y: what equals the version is a place.
            let exact: Vec<Place> = found.iter().filter(|place| place.value == current).cloned().collect();
            if exact.is_empty() { found } else { exact }
        }
        Some("toml") => {
            let keys: [&[&str]; 3] =
                [&["project", "version"], &["package", "version"], &["tool", "poetry", "version"]];
            keys.into_iter().filter_map(|keys| toml_place(read, path, keys).ok()).collect()
        }
        Some("cfg") => {
            setup_cfg_place(read, &Value::Null)?.into_iter().filter(|place| place.path == path).collect()
        }
        Some(_) | None => vec![plain_place(read, path)?],
    };
    if places.is_empty() {
        return Err(Error::refused(
            "version-place",
            format!("`{path}` is named in `version.files` and holds no version"),
        )
        .hint("write it as `__version__ = \"…\"`, or as the only text of the file"));
    }
    Ok(places)
}

/// A file whose only text is the version.
fn plain_place(read: ReadFile<'_>, path: &str) -> Result<Place> {
    let Some(bytes) = read(path)? else { return Err(no_place(&format!("`{path}` does not exist"))) };
    let text = utf8(path, &bytes)?;
    let value = text.trim_start_matches('\u{feff}').trim();
    if value.parse::<pep440_rs::Version>().is_err() {
        return Err(Error::refused("version-place", format!("`{path}` holds more than a version")));
    }
    let start = text.find(value).unwrap_or(0);
    Ok(Place {
        path: path.to_owned(),
        what: "the file".to_owned(),
        value: value.to_owned(),
        range: start..start + value.len(),
    })
}

fn toml_place(read: ReadFile<'_>, path: &str, keys: &[&str]) -> Result<Place> {
    let Some(bytes) = read(path)? else { return Err(no_place(&format!("`{path}` does not exist"))) };
    let (document, offset) = parse_toml(path, &bytes)?;
    let mut item = document.as_item();
    for key in keys {
        item = item.get(key).ok_or_else(|| no_place(&format!("`{path}` has no `{}`", keys.join("."))))?;
    }
    let not_plain = || no_place(&format!("`{}` in `{path}` is not a plain string", keys.join(".")));
    let value = item.as_str().ok_or_else(not_plain)?;
    let range = span_of_string(item, offset).ok_or_else(not_plain)?;
    if bytes.get(range.clone()) != Some(value.as_bytes()) {
        return Err(not_plain());
    }
    Ok(Place { path: path.to_owned(), what: keys.join("."), value: value.to_owned(), range })
}

/// Parses TOML; spans of the document are off by the returned number of bytes (the byte order mark).
pub(super) fn parse_toml(path: &str, bytes: &[u8]) -> Result<(toml_edit::Document<String>, usize)> {
    let text = utf8(path, bytes)?;
    let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = toml_edit::Document::parse(rest.to_owned()).map_err(|error| not_toml(path, &error))?;
    Ok((document, text.len() - rest.len()))
}

/// The bytes between the quotes of a string value, of either kind of quote, one or three.
pub(super) fn span_of_string(item: &toml_edit::Item, offset: usize) -> Option<Range<usize>> {
    let value = item.as_value()?.as_str()?;
    let span = item.span()?;
    let quotes = (span.len().checked_sub(value.len())?) / 2;
    matches!(quotes, 1 | 3).then(|| span.start + quotes + offset..span.end - quotes + offset)
}

fn utf8<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|error| {
        Error::refused("not-utf8", format!("`{path}` is not UTF-8")).cause(error.to_string())
    })
}

fn not_toml(path: &str, error: &dyn std::fmt::Display) -> Error {
    Error::usage("toml", format!("`{path}` is not valid TOML")).cause(error.to_string().trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Files = &'static [(&'static str, &'static str)];

    fn project(files: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Result<Option<Vec<u8>>> {
        move |path: &str| {
            Ok(files.iter().find(|(name, _)| *name == path).map(|(_, text)| text.as_bytes().to_vec()))
        }
    }

    fn bump(text: &'static str) -> String {
        let files: &'static [(&str, &str)] = Box::leak(Box::new([("pyproject.toml", text)]));
        let place = detect(&project(files)).unwrap();
        let edit = Edit { path: place.path, range: place.range, text: "9.9.9".to_owned() };
        String::from_utf8(apply(text.as_bytes(), &[edit])).unwrap()
    }

    #[test]
    fn a12_every_other_byte_survives() {
        for text in [
            "[project]\r\nname = 'x'\r\nversion = \"1.2.3\" # keep me\r\n",
            "\u{feff}[project]\nversion = '1.2.3'",
            "# \u{2028} line separator\n[ project ]\nversion   =\t\"1.2.3\"\t# c\n\n\n[tool.x]\nversion = \"1.2.3\"\n",
            "project = { name = \"x\", version = \"1.2.3\" }",
            "[project]\ndescription = \"\"\"\n[project]\nversion = \\\"0.0.0\\\"\n\"\"\"\nversion = \"\"\"1.2.3\"\"\"\n",
            "[project]\n\"version\" = \"1.2.3\"\n",
            "project.version = '''1.2.3'''\nproject.name = \"version = '1.2.3'\"",
        ] {
            let expected = text.replacen("1.2.3", "9.9.9", 1);
            assert_eq!(bump(text), expected);
        }
    }

    #[test]
    fn a13_dynamic_versions_are_found_by_the_backends_rule() {
        let cases: [(Files, &str, &str); 8] = [
            (
                &[
                    (
                        "pyproject.toml",
                        "[project]\nname='x'\ndynamic=['version']\n[tool.hatch.version]\npath='src/x/about.py'",
                    ),
                    ("src/x/about.py", "'''\n__version__ = \"0\"\n'''\n__version__ = '1.0.0'\n"),
                ],
                "src/x/about.py",
                "1.0.0",
            ),
            (
                &[
                    (
                        "pyproject.toml",
                        "[project]\nname='x'\ndynamic=['version']\n[tool.setuptools.dynamic]\nversion={attr='x.__version__'}",
                    ),
                    ("src/x/__init__.py", "__version__: str = \"2.0.0\"\n"),
                ],
                "src/x/__init__.py",
                "2.0.0",
            ),
            (
                &[
                    (
                        "pyproject.toml",
                        "[project]\nname='x'\ndynamic=['version']\n[tool.setuptools.dynamic]\nversion={file=['VERSION']}",
                    ),
                    ("VERSION", " 3.1.0\r\n"),
                ],
                "VERSION",
                "3.1.0",
            ),
            (
                &[
                    (
                        "pyproject.toml",
                        "[build-system]\nrequires=['flit_core']\nbuild-backend='flit_core.buildapi'\n[project]\nname='my-x'\ndynamic=['version','description']",
                    ),
                    ("my_x.py", "\"\"\"doc\"\"\"\n__version__ = \"4.0\"\n"),
                ],
                "my_x.py",
                "4.0",
            ),
            (
                &[("pyproject.toml", "[tool.poetry]\nname='x'\nversion = \"5.0.0\"")],
                "pyproject.toml",
                "5.0.0",
            ),
            (
                &[("setup.cfg", "[options]\nversion = 0\n[metadata]\nname = x\nversion = 6.0.0\n")],
                "setup.cfg",
                "6.0.0",
            ),
            (
                &[
                    (
                        "setup.cfg",
                        "[metadata]\nname = x\nlicense_files =\n    LICENSE\n    version = 0\nversion = attr: x.__version__\n\n[flake8]\nexclude = .git\n    build\n",
                    ),
                    ("x/__init__.py", "__version__ = '7.0.0'\n"),
                ],
                "x/__init__.py",
                "7.0.0",
            ),
            (
                &[
                    (
                        "pyproject.toml",
                        "[build-system]\nrequires=['flit_core']\nbuild-backend='flit_core.buildapi'\n[project]\nname='x'\ndynamic=['version','description']",
                    ),
                    ("src/x/__init__.py", "\"\"\"doc\"\"\"\nfrom .package_data import __version__\n"),
                    ("src/x/package_data.py", "__version__ = '8.0'\n"),
                ],
                "src/x/package_data.py",
                "8.0",
            ),
        ];
        for (files, path, value) in cases {
            let place = detect(&project(files)).unwrap();
            assert_eq!((place.path.as_str(), place.value.as_str()), (path, value));
            let text = files.iter().find(|(name, _)| *name == path).unwrap().1;
            assert_eq!(&text[place.range.clone()], value);
        }
    }

    #[test]
    fn a13_what_cannot_be_edited_is_refused_by_name() {
        let cases: [(&'static [(&str, &str)], &str); 4] = [
            (
                &[(
                    "pyproject.toml",
                    "[build-system]\nrequires=['setuptools','setuptools_scm[toml]>=8']\n[project]\nname='x'\ndynamic=['version']",
                )],
                "setuptools-scm",
            ),
            (
                &[(
                    "pyproject.toml",
                    "[project]\nname='x'\ndynamic=['version']\n[tool.hatch.version]\nsource='vcs'",
                )],
                "hatch-vcs",
            ),
            (&[("pyproject.toml", "[project]\nname='x'\n")], "no `version`"),
            (&[("setup.py", "setup(version=compute())")], "setup.py"),
        ];
        for (files, named) in cases {
            let error = detect(&project(files)).unwrap_err();
            assert!(format!("{:?}", error.problems()).contains(named), "{named}: {:?}", error.problems());
        }
    }

    #[test]
    fn a14_declared_places_are_found_and_missing_ones_named() {
        let files: &'static [(&str, &str)] = &[
            ("pyproject.toml", "[project]\nname='x'\nversion='1.2.3'"),
            ("docs/conf.py", "version = '1.2'\nrelease = '1.2.3'\n"),
            ("src/x/version.py", "VERSION = \"1.2.2\"\n"),
        ];
        let places =
            find_places(&project(files), &["docs/conf.py".into(), "src/x/version.py".into()]).unwrap();
        let found: Vec<_> = places.iter().map(|place| (place.what.as_str(), place.value.as_str())).collect();
        assert_eq!(found, [("project.version", "1.2.3"), ("release", "1.2.3"), ("VERSION", "1.2.2")]);
        let error = find_places(&project(files), &["nowhere.py".into()]).unwrap_err();
        assert!(error.to_string().contains("nowhere.py"));
    }
}
