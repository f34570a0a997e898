//! Where the manifest and the signed build statement lie in an archive: at its top, or where `shipway build` puts
//! them; with `artifact` and `manifest-artifact` the same, the distribution files lie in the same archive.

use std::fs::File;
use std::path::Path;

use super::artifacts::Downloaded;
use super::contents::{
    MOST_BYTES, Records, Unfit, Written, is_raw, members_of, plain_filename, read_small, write,
};
use crate::error::Error;
use crate::ops::forge::github::plain;

/// What a member is, by its path.
enum Member<'a> {
    Manifest,
    Statement,
    /// A statement that is not read here.
    Other,
    Distribution(&'a str),
}

/// What the paths in an archive are read by.
pub(super) struct Layout {
    /// The version of the release.
    pub(super) version: String,
    /// The project's folder in the repository, ending in `/`; empty for the root. Archives of GitLab's jobs hold paths
    /// from the root.
    pub(super) prefix: String,
}

fn member<'a>(name: &'a str, layout: &Layout) -> Option<Member<'a>> {
    let name = name.strip_prefix(layout.prefix.as_str()).unwrap_or(name);
    let version = layout.version.as_str();
    let own = name.strip_prefix(".shipway/").unwrap_or(name);
    let evidence =
        own.strip_prefix("evidence/").and_then(|rest| rest.strip_prefix(version)?.strip_prefix('/'));
    match (own, evidence) {
        ("manifest.json", _) => Some(Member::Manifest),
        ("build.json", _) | (_, Some("build.json")) => Some(Member::Statement),
        (_, Some(rest)) if rest.ends_with(".json") && !rest.contains('/') => Some(Member::Other),
        (_, Some(_)) => None,
        (_, None) => {
            let file = name.strip_prefix("dist/").unwrap_or(name);
            (!file.contains('/')).then_some(Member::Distribution(file))
        }
    }
}

fn put(place: &mut Option<Vec<u8>>, bytes: Vec<u8>, what: &str) -> Result<(), Unfit> {
    match place.replace(bytes) {
        None => Ok(()),
        Some(_) => Err(Unfit::Because(format!("there are two of the {what}"))),
    }
}

/// Reads the manifest, and the build statement beside it.
pub(super) fn read_records(one: &Downloaded, layout: &Layout, found: &mut Records) -> Result<(), Unfit> {
    if is_raw(one)? {
        let mut file =
            File::open(&one.path).map_err(|error| Unfit::Failed(Error::io("read", &one.path, &error)))?;
        return put(&mut found.manifest, read_small(&mut file)?, "manifest");
    }
    walk(one, layout, found, &mut |_, name, _| {
        Err(Unfit::Because(format!("it holds `{}`, expected `manifest.json`", plain(name))))
    })?;
    match found.manifest {
        Some(_) => Ok(()),
        None => Err(Unfit::Because("it holds no `manifest.json`".to_owned())),
    }
}

/// Reads the records and writes the distribution files of one archive that holds both.
pub(super) fn unfold_both(
    one: &Downloaded,
    layout: &Layout,
    folder: &Path,
    written: &mut Vec<Written>,
    found: &mut Records,
) -> Result<(), Unfit> {
    let mut left = MOST_BYTES;
    walk(one, layout, found, &mut |from, name, size| {
        let filename = plain_filename(name)?;
        write(from, &filename, folder, written, left)?;
        left = left.saturating_sub(size);
        Ok(())
    })?;
    match found.manifest {
        Some(_) => Ok(()),
        None => Err(Unfit::Because("it holds no `manifest.json`".to_owned())),
    }
}

/// What is done with a distribution file: its bytes, its name, its size.
type Take<'t> = &'t mut dyn FnMut(&mut dyn std::io::Read, &str, u64) -> Result<(), Unfit>;

fn walk(one: &Downloaded, layout: &Layout, found: &mut Records, take: Take<'_>) -> Result<(), Unfit> {
    let mut archive = members_of(one, true)?;
    for at in 0..archive.len() {
        let mut from = archive.by_index(at).map_err(|error| error.to_string())?;
        if from.is_dir() {
            continue;
        }
        let name = from.name().map_err(|error| error.to_string())?.into_owned();
        let size = from.size();
        match member(&name, layout) {
            Some(Member::Manifest) => put(&mut found.manifest, read_small(&mut from)?, "manifest")?,
            Some(Member::Statement) => put(&mut found.statement, read_small(&mut from)?, "build statement")?,
            Some(Member::Other) => {}
            Some(Member::Distribution(file)) => take(&mut from, file, size)?,
            None => return Err(Unfit::Because(format!("`{}` lies in a folder", plain(&name)))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_the_top_or_from_the_projects_folder() {
        let layout = Layout { version: "1.3.0".to_owned(), prefix: "packages/demo/".to_owned() };
        let is = |name: &str| match member(name, &layout) {
            Some(Member::Manifest) => "manifest",
            Some(Member::Statement) => "statement",
            Some(Member::Other) => "other",
            Some(Member::Distribution("demo.whl")) => "file",
            Some(Member::Distribution(_)) => "another file",
            None => "refused",
        };
        for at in ["", "packages/demo/"] {
            assert_eq!(is(&format!("{at}.shipway/manifest.json")), "manifest");
            assert_eq!(is(&format!("{at}.shipway/evidence/1.3.0/build.json")), "statement");
            assert_eq!(is(&format!("{at}.shipway/evidence/1.3.0/notes.json")), "other");
            assert_eq!(is(&format!("{at}dist/demo.whl")), "file");
            assert_eq!(is(&format!("{at}.shipway/evidence/1.2.0/build.json")), "refused");
        }
        for name in [
            "packages/other/dist/demo.whl",
            "packages/demo/dist/more/demo.whl",
            "dist/packages/demo/demo.whl",
        ] {
            assert_eq!(is(name), "refused", "{name}");
        }
    }
}
