//! Whether changes of the workflows need the review of somebody who owns them: GitHub's CODEOWNERS.

use std::path::Path;

/// Where the file may be; the first that exists counts.
const PLACES: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

/// The owners of a path as the last rule that fits names them; none when there is no file or no such rule.
pub(super) fn owners_of(root: &Path, path: &str) -> Option<Vec<String>> {
    let text = PLACES.iter().find_map(|place| std::fs::read_to_string(root.join(place)).ok())?;
    last_owners(&text, path)
}

fn last_owners(text: &str, path: &str) -> Option<Vec<String>> {
    let mut found = None;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(pattern) = words.next() else { continue };
        if fits(pattern, path) {
            found = Some(words.map(str::to_owned).collect::<Vec<String>>());
        }
    }
    found.filter(|owners| !owners.is_empty())
}

/// Whether a pattern covers a file: a folder covers what is in it, a name without a slash fits anywhere.
fn fits(pattern: &str, path: &str) -> bool {
    let anchored = pattern.trim_end_matches('/').contains('/');
    let folder = pattern.ends_with('/');
    let bare = pattern.trim_start_matches('/').trim_end_matches('/');
    let mut patterns = vec![bare.to_owned(), format!("{bare}/**")];
    if folder {
        patterns.remove(0);
    }
    if !anchored {
        patterns.extend(patterns.clone().iter().map(|one| format!("**/{one}")));
    }
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    shipway_dist::globs::Globs::new(patterns).is_ok_and(|globs| globs.is_match(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_fits_names_the_owners() {
        let path = ".github/workflows/publish.yml";
        let owners = |text: &str| last_owners(text, path).map(|all| all.join(" "));
        assert_eq!(owners("* @all\n/.github/ @team @lead # who\n").as_deref(), Some("@team @lead"));
        assert_eq!(owners("*.yml @yaml").as_deref(), Some("@yaml"));
        assert_eq!(owners(".github/workflows @flows").as_deref(), Some("@flows"));
        assert_eq!(owners("/.github/workflows/** @flows").as_deref(), Some("@flows"));
        assert_eq!(owners("* @all\n/.github/workflows/\n"), None);
        assert_eq!(owners("/src/ @code\n# * @nobody\n"), None);
        assert_eq!(owners("/workflows/ @wrong\n"), None);
    }
}
