//! The project's own entry in lock files: the one line that a bump must change, and nothing else.
//!
//! Of the field's lock files only uv.lock names the project's own version; poetry.lock and pdm.lock hold
//! dependencies alone and stay as they are. Nothing is resolved again.

use shipway_dist::ProjectName;

use super::place::{Edit, ReadFile, parse_toml, span_of_string};
use crate::error::{Error, Result};

/// The edits that bring the project's own entry in every lock file to `new`.
///
/// A stale entry (a version other than `current`) is brought up to date too.
///
/// # Errors
/// When a lock file exists and is not valid TOML.
pub fn lock_edits(read: ReadFile<'_>, name: &ProjectName, new: &str) -> Result<Vec<Edit>> {
    let path = "uv.lock";
    let Some(bytes) = read(path)? else { return Ok(Vec::new()) };
    let (document, offset) = parse_toml(path, &bytes)?;
    let packages = document.get("package").and_then(|item| item.as_array_of_tables());
    let mut edits = Vec::new();
    for package in packages.into_iter().flatten() {
        let text = |key: &str| package.get(key).and_then(|item| item.as_str());
        let is_named =
            text("name").is_some_and(|found| shipway_dist::name::normalize(found) == name.normalized());
        let is_local = package.get("source").and_then(|item| item.as_table_like()).is_some_and(|source| {
            ["editable", "virtual", "directory"]
                .iter()
                .any(|kind| source.get(kind).and_then(|item| item.as_str()) == Some("."))
        });
        // A dynamic version is left out of the lock.
        let Some(version) = package.get("version").filter(|_| is_named && is_local) else { continue };
        let range = span_of_string(version, offset).ok_or_else(|| {
            Error::refused("lock-file", format!("`{path}`: the version of `{name}` is not a plain string"))
        })?;
        edits.push(Edit { path: path.to_owned(), range, text: new.to_owned() });
    }
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use super::super::place::apply;
    use super::*;

    #[test]
    fn a15_only_the_own_version_changes() {
        let lock = "version = 1\r\nrevision = 3\r\n\r\n[[package]]\r\nname = \"Demo_Pkg\"\r\nversion = \"1.2.3\" # own\r\nsource = { editable = \".\" }\r\n\r\n[[package]]\r\nname = \"demo-pkg-extra\"\r\nversion = \"1.2.3\"\r\nsource = { registry = \"x\" }\r\n";
        let read = |path: &str| Ok((path == "uv.lock").then(|| lock.as_bytes().to_vec()));
        let edits = lock_edits(&read, &"demo.pkg".parse().unwrap(), "1.3.0").unwrap();
        let after = apply(lock.as_bytes(), &edits);
        assert_eq!(String::from_utf8(after).unwrap(), lock.replacen("1.2.3", "1.3.0", 1));
    }
}
