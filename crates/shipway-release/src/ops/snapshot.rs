//! What a folder holds at a moment, and how two moments differ; cheaply by size and time, or by digest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use shipway_dist::Sha256;

use crate::error::{Error, Result};

/// Every file below a folder, with what tells two of its states apart.
pub type Snapshot = BTreeMap<String, String>;

/// Every file below `root` by size and time of change, except below the folders left out.
///
/// # Errors
/// When a folder cannot be read.
pub fn stamps(root: &Path, left_out: &[&Path]) -> Result<Snapshot> {
    let stamp = |path: &Path| -> std::io::Result<String> {
        let metadata = path.symlink_metadata()?;
        let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(format!("{} {}", metadata.len(), modified.as_nanos()))
    };
    let files = files(root, left_out)?;
    // A file that goes away meanwhile is one that is not there.
    Ok(files.into_iter().filter_map(|(name, path)| Some((name, stamp(&path).ok()?))).collect())
}

/// Every file below `root` by digest.
///
/// # Errors
/// When a folder or a file cannot be read.
pub fn digests(root: &Path, left_out: &[&Path]) -> Result<Snapshot> {
    let digest = |(name, path): (String, PathBuf)| -> Result<(String, String)> {
        let is_link = path.is_symlink();
        let bytes = if is_link {
            std::fs::read_link(&path).map(|target| target.to_string_lossy().into_owned().into_bytes())
        } else {
            std::fs::read(&path)
        };
        let bytes = bytes.map_err(|error| Error::io("read", &path, &error))?;
        Ok((name, Sha256::of(&bytes).to_string()))
    };
    files(root, left_out)?.into_par_iter().map(digest).collect()
}

fn files(root: &Path, left_out: &[&Path]) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let walk = walkdir::WalkDir::new(root).into_iter();
    for entry in walk.filter_entry(|entry| !left_out.contains(&entry.path())) {
        let entry = entry.map_err(|error| Error::io("read", root, &error.into()))?;
        let kind = entry.file_type();
        if !kind.is_file() && !kind.is_symlink() {
            continue;
        }
        let name = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().into_owned();
        files.push((name, entry.into_path()));
    }
    Ok(files)
}

/// What happened between two moments, a line a file.
pub fn changes(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, state) in after {
        match before.get(name) {
            None => lines.push(format!("created `{name}`")),
            Some(old) if old != state => lines.push(format!("changed `{name}`")),
            Some(_) => {}
        }
    }
    lines.extend(
        before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("removed `{name}`")),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_created_changed_and_removed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("out")).unwrap();
        for name in ["a", "b", "c", "out/d"] {
            write(name, "one");
        }
        let out = folder.path().join("out");
        let before = digests(folder.path(), &[&out]).unwrap();
        let stamped = stamps(folder.path(), &[&out]).unwrap();
        assert_eq!(before.len(), 3);
        write("b", "two, longer");
        write("n", "");
        write("out/d", "two");
        std::fs::remove_file(folder.path().join("c")).unwrap();
        let expected = ["changed `b`", "created `n`", "removed `c`"];
        assert_eq!(changes(&before, &digests(folder.path(), &[&out]).unwrap()), expected);
        assert_eq!(changes(&stamped, &stamps(folder.path(), &[&out]).unwrap()), expected);
    }
}
