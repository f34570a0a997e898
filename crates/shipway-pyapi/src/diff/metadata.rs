//! What installers and hosts rely on: requirements, extras, entry points, files, tags.

use std::collections::BTreeSet;

use super::comparer::{Comparer, Draft, Item};
use super::files;
use super::requirements::{by_name, is_narrowed, python_mask};
use crate::finding::{FindingSide, Level};
use crate::resolve::public::Why;
use crate::source::metadata::{DistributionInfo, EntryPoint};

/// Compares the metadata of both sides.
pub(crate) fn compare(comparer: &mut Comparer<'_>) {
    let (old, new) = (&comparer.old.surface.info, &comparer.new.surface.info);
    dangling(comparer);
    if old.has_metadata && new.has_metadata {
        requires_python(comparer, old, new);
        dependencies(comparer, old, new);
        extras(comparer, old, new);
        license(comparer, old, new);
    } else {
        comparer.skip("both", "metadata", "one side has none");
    }
    entry_points(comparer, old, new);
    typed(comparer, old, new);
    if old.kind == new.kind {
        files::data(comparer, old, new);
        files::tags(comparer, old, new);
    }
    stubs(comparer);
    comparer.skip("both", "behaviour", "what functions do is not compared");
}

fn item(name: &str) -> Item {
    Item::new(vec![name.to_owned()], Why::Module)
}

fn side(text: &str, file: &str) -> Option<FindingSide> {
    Some(FindingSide { signature: text.to_owned(), file: file.to_owned(), line: 0 })
}

fn push(
    comparer: &mut Comparer<'_>,
    id: &'static str,
    level: Option<Level>,
    symbol: &str,
    detail: String,
    sides: (Option<&str>, Option<&str>),
) {
    let draft = comparer.draft(id, &item(symbol), detail);
    let side = |text: Option<&str>| text.and_then(|text| side(text, "METADATA"));
    comparer.push(Draft { level, old: side(sides.0), new: side(sides.1), ..draft });
}

fn dangling(comparer: &mut Comparer<'_>) {
    let found = crate::checks::find_dangling(&comparer.new);
    for import in found {
        let paths = vec![import.target.clone()];
        let detail =
            format!("`{}` imports `{}`, which the distribution does not hold", import.module, import.target);
        let draft = comparer.draft("A03", &Item::new(paths, Why::Module), detail);
        let new = Some(FindingSide {
            signature: format!("import {}", import.target),
            file: import.file,
            line: import.line,
        });
        comparer.push(Draft { new, ..draft });
    }
}

fn requires_python(comparer: &mut Comparer<'_>, old: &DistributionInfo, new: &DistributionInfo) {
    let (a, b) = (old.requires_python.as_deref(), new.requires_python.as_deref());
    if a == b {
        return;
    }
    // Versions nobody runs do not count.
    let relevant = 0xffff_ffc0;
    let mask = |text: Option<&str>| text.map_or(u32::MAX, python_mask) & relevant;
    let (before, after) = (mask(a), mask(b));
    let shown = |text: Option<&str>| text.unwrap_or("any Python").to_owned();
    let detail = format!("Requires-Python was {}, is {}", shown(a), shown(b));
    if before & !after != 0 {
        push(comparer, "A05", None, "Requires-Python", detail, (a, b));
    } else if after & !before != 0 {
        push(comparer, "A06", None, "Requires-Python", detail, (a, b));
    }
}

fn dependencies(comparer: &mut Comparer<'_>, old: &DistributionInfo, new: &DistributionInfo) {
    let (a, b) = (by_name(&old.requires), by_name(&new.requires));
    for ((extra, name), before) in &a {
        let text = Some(before[0].text.as_str());
        let Some(after) = b.get(&(extra.clone(), name.clone())) else {
            let moved = b.keys().find(|(other, found)| extra.is_none() && other.is_some() && found == name);
            match (extra, moved) {
                (None, Some((Some(to), _))) => {
                    push(
                        comparer,
                        "A10",
                        None,
                        name,
                        format!("`{name}` is only installed with the extra `{to}` now"),
                        (text, None),
                    );
                }
                (None, _) => {
                    push(comparer, "A09", None, name, format!("`{name}` is no longer required"), (text, None))
                }
                (Some(extra), _) => {
                    let kept = new.extras.iter().any(|known| shipway_dist::name::normalize(known) == *extra);
                    let in_core = b.contains_key(&(None, name.clone()));
                    if kept && !in_core {
                        push(
                            comparer,
                            "A12",
                            None,
                            extra,
                            format!("extra `{extra}` no longer brings `{name}`"),
                            (text, None),
                        );
                    }
                }
            }
            continue;
        };
        if let ([x], [y]) = (&before[..], &after[..])
            && x.specifiers != y.specifiers
            && is_narrowed(&x.specifiers, &y.specifiers) == Some(true)
        {
            let detail = format!("`{name}` was `{}`, is `{}`", x.text, y.text);
            push(comparer, "A08", None, name, detail, (Some(&x.text), Some(&y.text)));
        }
    }
    for ((extra, name), after) in &b {
        let was_known = a.keys().any(|(_, found)| found == name);
        let conditional = after.iter().all(|requirement| requirement.marker.is_some());
        if extra.is_none() && !was_known && !conditional {
            push(
                comparer,
                "A07",
                None,
                name,
                format!("`{name}` is required now"),
                (None, Some(&after[0].text)),
            );
        }
    }
}

fn extras(comparer: &mut Comparer<'_>, old: &DistributionInfo, new: &DistributionInfo) {
    let names = |info: &DistributionInfo| -> BTreeSet<String> {
        info.extras.iter().map(|extra| shipway_dist::name::normalize(extra)).collect()
    };
    for extra in names(old).difference(&names(new)) {
        push(comparer, "A11", None, extra, format!("extra `{extra}` is gone"), (Some(extra), None));
    }
}

fn license(comparer: &mut Comparer<'_>, old: &DistributionInfo, new: &DistributionInfo) {
    let short = |text: &Option<String>| {
        text.as_ref().map(|text| text.lines().next().unwrap_or_default().chars().take(80).collect::<String>())
    };
    let (a, b) = (short(&old.license), short(&new.license));
    if let (Some(x), Some(y)) = (&a, &b) {
        let squeeze = |text: &str| {
            text.to_ascii_lowercase().chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>()
        };
        if squeeze(x) != squeeze(y) {
            push(comparer, "A20", None, "License", format!("license was {x}, is {y}"), (Some(x), Some(y)));
        }
    }
}

fn entry_points(comparer: &mut Comparer<'_>, old: &DistributionInfo, new: &DistributionInfo) {
    // Console and graphical commands are commands alike.
    let same = |a: &EntryPoint, b: &EntryPoint| {
        a.name == b.name && (a.group == b.group || (a.is_script() && b.is_script()))
    };
    for a in &old.entry_points {
        let text = format!("{} = {}", a.name, a.target);
        let old_side = side(&text, "entry_points.txt");
        match new.entry_points.iter().find(|b| same(a, b)) {
            None if a.is_script() => {
                let draft = comparer.draft(
                    "A13",
                    &item(&a.name),
                    format!("command `{}` is no longer installed", a.name),
                );
                comparer.push(Draft { old: old_side, ..draft });
            }
            None => {
                let symbol = format!("{}:{}", a.group, a.name);
                let draft = comparer.draft(
                    "A15",
                    &item(&symbol),
                    format!("entry point `{}` of `{}` is gone", a.name, a.group),
                );
                comparer.push(Draft { old: old_side, ..draft });
            }
            Some(b)
                if b.target != a.target
                    && b.is_script()
                    && crate::checks::broken_target(&comparer.new, &b.target).is_none() =>
            {
                let new_side = side(&format!("{} = {}", b.name, b.target), "entry_points.txt");
                let detail = format!("command `{}` called `{}`, calls `{}`", a.name, a.target, b.target);
                let draft = comparer.draft("A14", &item(&a.name), detail);
                comparer.push(Draft { old: old_side, new: new_side, ..draft });
            }
            Some(_) => {}
        }
    }
    for b in &new.entry_points {
        if let Some(why) = crate::checks::broken_target(&comparer.new, &b.target) {
            let new_side = side(&format!("{} = {}", b.name, b.target), "entry_points.txt");
            let detail = format!("`{}` of `{}` calls `{}`: {why}", b.name, b.group, b.target);
            let draft = comparer.draft("A14", &item(&b.name), detail);
            comparer.push(Draft { level: Some(Level::Error), new: new_side, ..draft });
        }
        if !old.entry_points.iter().any(|a| same(a, b)) {
            let what = if b.is_script() {
                format!("command `{}` is new", b.name)
            } else {
                format!("entry point `{}` of `{}` is new", b.name, b.group)
            };
            let draft = comparer.draft("B08", &item(&b.name), what);
            comparer.push(draft);
        }
    }
}

fn typed(comparer: &mut Comparer<'_>, old: &DistributionInfo, new: &DistributionInfo) {
    for package in &old.typed {
        if !new.typed.contains(package) && new.top_level.contains(package) {
            let draft =
                comparer.draft("A17", &item(package), format!("`{package}` is no longer marked as typed"));
            comparer.push(draft);
        }
    }
    for package in &new.typed {
        if !old.typed.contains(package) && old.top_level.contains(package) {
            let draft = comparer.draft("A18", &item(package), format!("`{package}` is marked as typed now"));
            comparer.push(draft);
        }
    }
}

fn stubs(comparer: &mut Comparer<'_>) {
    let mut found = Vec::new();
    for module in &comparer.new.surface.modules {
        if module.stub_differences.is_empty() || comparer.new.is_private_path(&module.name) {
            continue;
        }
        let known =
            comparer.old.surface.module(&module.name).map(|old| &comparer.old.module(old).stub_differences);
        let fresh: Vec<String> = module
            .stub_differences
            .iter()
            .filter(|difference| known.is_none_or(|known| !known.contains(difference)))
            .map(|(name, in_stub)| {
                format!("`{name}` only in the {}", if *in_stub { "stub" } else { "module" })
            })
            .collect();
        if !fresh.is_empty() {
            found.push((module.name.to_string(), fresh.join(", ")));
        }
    }
    for (module, detail) in found {
        let draft = comparer.draft("B24", &item(&module), detail);
        comparer.push(draft);
    }
}
