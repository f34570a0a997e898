//! Version ranges compared by what they permit.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use pep440_rs::{Operator, Version, VersionSpecifiers};

/// The Pythons 3.n that `Requires-Python` permits, as a mask.
pub(crate) fn python_mask(text: &str) -> u32 {
    let Ok(specifiers) = VersionSpecifiers::from_str(text) else { return u32::MAX };
    let permits = |minor: u32| {
        // A micro release of the series is enough.
        [0, 1, 5, 9, 50].iter().any(|micro| {
            let version = Version::new([3, u64::from(minor), *micro]);
            specifiers.contains(&version)
        })
    };
    (0..32).filter(|minor| permits(*minor)).fold(0, |mask, minor| mask | (1 << minor))
}

/// One project that is required.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) name: String,
    pub(crate) specifiers: String,
    /// The extra that asks for it.
    pub(crate) extra: Option<String>,
    /// The rest of the marker.
    pub(crate) marker: Option<String>,
    pub(crate) text: String,
}

/// Reads a requirement; what cannot be read is left out.
pub(crate) fn read(text: &str) -> Option<Requirement> {
    let (left, marker) = match text.split_once(';') {
        Some((left, marker)) => (left.trim(), marker.trim()),
        None => (text.trim(), ""),
    };
    let end = left
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(left.len());
    let name = shipway_dist::name::normalize(&left[..end]);
    if name.is_empty() {
        return None;
    }
    let rest = left[end..].trim();
    let rest = if rest.starts_with('[') { rest.split_once(']').map_or("", |(_, rest)| rest) } else { rest };
    let specifiers = rest.trim().trim_start_matches('(').trim_end_matches(')').trim();
    let specifiers = if specifiers.starts_with('@') { "" } else { specifiers };
    let extra = marker.split_once("extra").and_then(|(_, after)| {
        let after = after.trim_start().strip_prefix("==")?.trim_start();
        let quote = after.chars().next()?;
        after[1..].split(quote).next().map(shipway_dist::name::normalize)
    });
    let others: Vec<&str> = marker
        .split(" and ")
        .map(str::trim)
        .filter(|part| !part.contains("extra") && !part.is_empty())
        .collect();
    Some(Requirement {
        name,
        specifiers: specifiers.to_owned(),
        extra,
        marker: (!others.is_empty()).then(|| others.join(" and ")),
        text: text.to_owned(),
    })
}

/// Requirements by name and extra.
pub(crate) fn by_name(list: &[String]) -> BTreeMap<(Option<String>, String), Vec<Requirement>> {
    let mut map: BTreeMap<(Option<String>, String), Vec<Requirement>> = BTreeMap::new();
    for requirement in list.iter().filter_map(|text| read(text)) {
        map.entry((requirement.extra.clone(), requirement.name.clone())).or_default().push(requirement);
    }
    map
}

/// Whether the new range excludes a version that the old one permits; judged at the versions that
/// either names and just beside them.
pub(crate) fn is_narrowed(old: &str, new: &str) -> Option<bool> {
    let parse = |text: &str| VersionSpecifiers::from_str(text).ok();
    let (a, b) = (parse(old)?, parse(new)?);
    let mut probes: Vec<Version> = vec![Version::new([0]), Version::new([0, 1]), Version::new([99_999])];
    for specifier in a.iter().chain(b.iter()) {
        let release = specifier.version().release().to_vec();
        probes.push(Version::new(release.iter().copied()));
        let mut above = release.clone();
        above.push(1);
        probes.push(Version::new(above));
        // The series of a compatible or prefix clause ends above.
        for depth in 1..=release.len() {
            let mut next = release[..depth].to_vec();
            if let Some(last) = next.last_mut() {
                *last += 1;
            }
            probes.push(Version::new(next));
        }
        if let Some(below) = below(&release) {
            probes.push(Version::new(below));
        }
    }
    let exact = |list: &VersionSpecifiers| list.iter().any(|s| matches!(s.operator(), Operator::ExactEqual));
    if exact(&a) || exact(&b) {
        return None;
    }
    Some(probes.iter().any(|version| a.contains(version) && !b.contains(version)))
}

fn below(release: &[u64]) -> Option<Vec<u64>> {
    let at = release.iter().rposition(|part| *part > 0)?;
    let mut lower = release[..=at].to_vec();
    lower[at] -= 1;
    lower.push(9_999);
    Some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(is_narrowed(">=1.0", ">=1.1"), Some(true));
        assert_eq!(is_narrowed(">=1.0", ">=0.9"), Some(false));
        assert_eq!(is_narrowed(">=1.0", ">=1.0,<3"), Some(true));
        assert_eq!(is_narrowed(">=1.0,<3", ">=1.0,<4"), Some(false));
        assert_eq!(is_narrowed("", "!=2.0"), Some(true));
        assert_eq!(is_narrowed("~=2.1", ">=2.1,<3"), Some(false));
        assert_eq!(is_narrowed("==1.*", ">=1,<2"), Some(false));
    }

    #[test]
    fn reads_requirements() {
        let read = read("Foo.Bar[x,y] (>=1.0,<2) ; python_version < '3.9' and extra == 'Web-UI'").unwrap();
        assert_eq!(read.name, "foo-bar");
        assert_eq!(read.specifiers, ">=1.0,<2");
        assert_eq!(read.extra.as_deref(), Some("web-ui"));
        assert_eq!(read.marker.as_deref(), Some("python_version < '3.9'"));
    }

    #[test]
    fn pythons() {
        assert_eq!(python_mask(">=3.8") & 0xfff, 0xf00);
        assert_eq!(python_mask(">=3.8,<3.10") & 0xfff, 0x300);
        assert_eq!(python_mask(">=3.8.1,!=3.9.*") & 0xfff, 0xd00);
    }
}
