//! The actions that generated workflows use, each with its version and full commit: data inside the binary.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// An action and what it is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Pin {
    /// `OWNER/NAME`.
    pub name: String,
    /// The tag, for people.
    pub version: String,
    /// The commit, 40 digits.
    pub commit: String,
}

/// The Pythons that a matrix may name.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pythons {
    /// The oldest that is still maintained, for a project that names none.
    pub(super) oldest: String,
    /// The newest that there is.
    pub(super) newest: String,
}

#[derive(Debug, Deserialize)]
struct Table {
    python: Pythons,
    action: Vec<Pin>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        toml_edit::de::from_str(include_str!("pins.toml")).expect("a table inside the binary")
    })
}

/// Every action.
pub fn all() -> &'static [Pin] {
    &table().action
}

/// The Pythons.
pub(super) fn pythons() -> &'static Pythons {
    &table().python
}

/// What stands after `uses:`, with the version as a comment.
pub(super) fn uses(name: &str) -> Option<String> {
    all().iter().find(|pin| pin.name == name).map(written)
}

fn written(pin: &Pin) -> String {
    format!("{}@{} # {}", pin.name, pin.commit, pin.version)
}

/// A text with every action of the table moved to its pin; everything else stays, hand edits too.
pub(super) fn moved(text: &str) -> String {
    text.split_inclusive('\n').map(|line| moved_line(line).unwrap_or_else(|| line.to_owned())).collect()
}

fn moved_line(line: &str) -> Option<String> {
    let (head, rest) = line.split_once("uses:")?;
    if !head.trim_start().trim_start_matches('-').trim().is_empty() {
        return None;
    }
    let value = rest.trim();
    let (reference, _) = value.split_once(" #").unwrap_or((value, ""));
    let reference = reference.trim().trim_matches(['"', '\'']);
    let (name, at) = reference.split_once('@')?;
    let pin = all().iter().find(|pin| pin.name.eq_ignore_ascii_case(name))?;
    let end = &line[line.trim_end_matches(['\r', '\n']).len()..];
    (at != pin.commit || !value.contains(&pin.version)).then(|| format!("{head}uses: {}{end}", written(pin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h3_every_pin_is_a_whole_commit_with_its_version() {
        for pin in all() {
            assert!(pin.commit.len() == 40 && pin.commit.bytes().all(|c| c.is_ascii_hexdigit()), "{pin:?}");
            assert!(pin.version.starts_with('v'), "{pin:?}");
        }
    }

    #[test]
    fn only_pins_of_known_actions_move() {
        let text = "  - uses: actions/checkout@v4\r\n    uses: \"actions/checkout@abc\" # v3\n  - uses: other/thing@v1\n\
                    # uses: actions/checkout@v4\n    run: echo uses: actions/checkout@v4\n";
        let new = moved(text);
        let pin = uses("actions/checkout").unwrap();
        let lines: Vec<&str> = new.split_inclusive('\n').collect();
        assert_eq!(lines[0], format!("  - uses: {pin}\r\n"));
        assert_eq!(lines[1], format!("    uses: {pin}\n"));
        assert!(text.ends_with(&lines[2..].concat()));
        assert_eq!(moved(&new), new);
    }
}
