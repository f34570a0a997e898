//! Reads INI files by the rules of Python's configparser, which is what `.pypirc` and `setup.cfg` are written for.
//!
//! An indented line goes on with the value before it; `%`, quotes and backslashes are literal. Only the first
//! line of a value is kept: nothing that is read here stands on several. Nothing is written and no line is quoted.

/// A key and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The section.
    pub(crate) section: &'a str,
    /// The key as written; compared without case.
    pub(crate) key: &'a str,
    /// The first line of the value.
    pub(crate) value: &'a str,
    /// Where the value starts, in bytes.
    pub(crate) start: usize,
}

/// Every entry in order, and whether every line was one that configparser takes.
pub(crate) fn entries(text: &str) -> (Vec<Entry<'_>>, bool) {
    let (mut found, mut is_sound) = (Vec::new(), true);
    let mut section = None;
    // The indentation of the key whose value may go on.
    let mut open: Option<usize> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let indentation = line.len() - line.trim_start().len();
        if open.is_some_and(|open| indentation > open) {
            continue;
        }
        if let Some((name, _)) = trimmed.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) {
            section = Some(name);
            open = None;
            continue;
        }
        let (Some(section), Some((key, rest))) = (section, line.split_once(['=', ':'])) else {
            is_sound = false;
            continue;
        };
        open = Some(indentation);
        let start = start + line.len() - rest.trim_start().len();
        found.push(Entry { section, key: key.trim(), value: rest.trim(), start });
    }
    (found, is_sound)
}

/// The entry of a section and key; the last one counts.
pub(crate) fn find<'a>(entries: &[Entry<'a>], section: &str, key: &str) -> Option<Entry<'a>> {
    let same = |entry: &&Entry<'_>| entry.section == section && entry.key.eq_ignore_ascii_case(key);
    entries.iter().rfind(same).filter(|entry| !entry.value.is_empty()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_lines_go_on_and_indented_keys_are_keys() {
        let text = "[distutils]\nindex-servers =\n    dev\n    stable\n\n; comment\n[dev]\n  Repository: https://x/a=b\n  password = a%b\\c\"d \n[flake8]\nexclude = .git\n\n    build = 1\n";
        let (entries, is_sound) = entries(text);
        assert!(is_sound);
        let keys: Vec<_> = entries.iter().map(|entry| (entry.section, entry.key, entry.value)).collect();
        assert_eq!(
            keys,
            [
                ("distutils", "index-servers", ""),
                ("dev", "Repository", "https://x/a=b"),
                ("dev", "password", "a%b\\c\"d"),
                ("flake8", "exclude", ".git"),
            ]
        );
        let password = find(&entries, "dev", "PASSWORD").unwrap();
        assert!(text[password.start..].starts_with("a%b"));
        assert_eq!(find(&entries, "distutils", "index-servers"), None);
    }

    #[test]
    fn what_configparser_refuses_is_told() {
        for text in ["[x\npassword canary", "password = early", "[x]\nno delimiter\n"] {
            assert!(!entries(text).1, "{text}");
        }
    }
}
