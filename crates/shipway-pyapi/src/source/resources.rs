//! Which data files the code of a distribution opens as resources of its own package.

use std::path::Path;

use rustc_hash::FxHashSet;

use super::{Bytes, FileKind, open};

/// Words by which a module says that it opens what is beside it.
const IDIOMS: [&str; 5] =
    ["__file__", "importlib.resources", "importlib_resources", "pkgutil.get_data", "pkg_resources"];

/// Those of `paths` that a module of their package names in quotes and opens as a resource.
///
/// The distribution is read once more: texts are not kept, and this is asked seldom.
pub(crate) fn named_resources(origin: &Path, paths: &[&String]) -> FxHashSet<String> {
    let mut found = FxHashSet::default();
    let Ok(contents) = open(origin, &|_| false) else { return found };
    for file in contents.modules.iter().filter(|file| file.kind == FileKind::Source) {
        let bytes = match &file.bytes {
            Bytes::Read(bytes) => bytes.clone(),
            Bytes::File(path) => std::fs::read(path).unwrap_or_default(),
        };
        let text = String::from_utf8_lossy(&bytes);
        if !IDIOMS.iter().any(|idiom| text.contains(idiom)) {
            continue;
        }
        for path in paths {
            let top = path.split('/').next().unwrap_or_default();
            let base = path.rsplit('/').next().unwrap_or_default();
            let is_own = file.name.split('.').next() == Some(top);
            if is_own && is_quoted(&text, base) {
                found.insert((*path).clone());
            }
        }
    }
    found
}

/// Whether a file name stands at the end of a string.
fn is_quoted(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        matches!(before, Some('"' | '\'' | '/')) && matches!(after, Some('"' | '\''))
    })
}
