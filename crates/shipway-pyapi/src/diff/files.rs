//! Files that are no modules, and the machines that a wheel fits.

use std::collections::{BTreeMap, BTreeSet};

use super::comparer::{Comparer, Draft, Item};
use crate::finding::Level;
use crate::resolve::public::Why;
use crate::source::metadata::DistributionInfo;

/// Files of public packages that are no Python and are gone.
pub(crate) fn data(comparer: &mut Comparer<'_>, old: &DistributionInfo, new: &DistributionInfo) {
    const INTERNAL: [&str; 8] = [".c", ".h", ".pyx", ".pxd", ".po", ".mo", ".txt", ".in"];
    let kept: BTreeSet<&String> = new.data.iter().collect();
    let mut gone: Vec<&String> = old.data.iter().filter(|path| !kept.contains(path)).collect();
    gone.retain(|path| {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_private = comparer.old.is_private_path(&folder.replace('/', "."))
            || path.split('/').any(|p| p.starts_with(['_', '.']));
        // Files of a package that is gone went with it.
        let package_kept =
            comparer.new.surface.module(folder.split('/').next().unwrap_or_default()).is_some();
        !is_private
            && package_kept
            && !INTERNAL.iter().any(|end| path.ends_with(end))
            && !path.ends_with(".so")
    });
    if gone.is_empty() {
        return;
    }
    // What the new code still opens is missed at run time, whatever the bump.
    let opened = crate::source::named_resources(&comparer.new.surface.origin, &gone);
    for path in gone.iter().filter(|path| opened.contains(path.as_str())) {
        let detail = format!("file `{path}` is gone, and the package still opens it");
        let draft = comparer.draft("A16", &Item::new(vec![(*path).clone()], Why::Module), detail);
        comparer.push(Draft { level: Some(Level::Error), ..draft });
    }
    gone.retain(|path| !opened.contains(path.as_str()));
    // One folder is one cause.
    let mut folders: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for path in gone {
        folders.entry(path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default().push(path);
    }
    for (folder, files) in folders {
        let detail = match files.as_slice() {
            [single] => format!("file `{single}` is gone"),
            many => format!("{} files of `{folder}` are gone, `{}` first", many.len(), many[0]),
        };
        let paths = files.iter().map(|path| (*path).clone()).collect();
        let draft = comparer.draft("A16", &Item::new(paths, Why::Module), detail);
        comparer.push(draft);
    }
}

/// Tags that fit fewer machines: no longer pure, or a newer libc, system or Python than before.
///
/// One file says nothing of the platforms of its siblings, so those are not compared.
pub(crate) fn tags(comparer: &mut Comparer<'_>, old: &DistributionInfo, new: &DistributionInfo) {
    if old.tags.is_empty() || new.tags.is_empty() {
        return;
    }
    let mut report = |detail: String| {
        let item = Item::new(vec!["wheel".to_owned()], Why::Module);
        let draft = comparer.draft("A19", &item, detail);
        comparer.push(draft);
    };
    let pure = |info: &DistributionInfo| info.tags.iter().any(|tag| tag.ends_with("-none-any"));
    if pure(old) && !pure(new) {
        return report(format!("wheel was {}, is {}", old.tags.join(", "), new.tags.join(", ")));
    }
    let (before, after) = (floors(&old.tags), floors(&new.tags));
    for (what, was) in &before {
        if let Some(is) = after.get(what).filter(|is| *is > was) {
            let text = |version: &(u32, u32)| format!("{}.{}", version.0, version.1);
            report(format!("wheel needs {what} {}, it was {}", text(is), text(was)));
        }
    }
}

/// The oldest version of each thing that the tags ask for.
fn floors(tags: &[String]) -> BTreeMap<String, (u32, u32)> {
    let mut found: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut lower = |what: String, version: (u32, u32)| {
        let known = found.entry(what).or_insert(version);
        *known = version.min(*known);
    };
    for tag in tags {
        let mut parts = tag.splitn(3, '-');
        let (Some(python), Some(abi), Some(platform)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        if abi == "abi3"
            && let Some(version) = python.strip_prefix("cp3").and_then(|minor| minor.parse().ok())
        {
            lower("CPython".to_owned(), (3, version));
        }
        if let Some((what, version)) = platform_floor(platform) {
            lower(what, version);
        }
    }
    found
}

/// `manylinux_2_17_x86_64` needs glibc 2.17 on x86_64, `macosx_11_0_arm64` macOS 11.0 on arm64.
fn platform_floor(platform: &str) -> Option<(String, (u32, u32))> {
    for (legacy, version) in
        [("manylinux1_", (2, 5)), ("manylinux2010_", (2, 12)), ("manylinux2014_", (2, 17))]
    {
        if let Some(machine) = platform.strip_prefix(legacy) {
            return Some((format!("glibc on {machine}"), version));
        }
    }
    for (prefix, what) in [("manylinux_", "glibc"), ("musllinux_", "musl"), ("macosx_", "macOS")] {
        if let Some(rest) = platform.strip_prefix(prefix) {
            let mut parts = rest.splitn(3, '_');
            let version = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            return Some((format!("{what} on {}", parts.next()?), version));
        }
    }
    None
}
