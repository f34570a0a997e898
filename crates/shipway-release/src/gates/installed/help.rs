//! What the help of a command says about its subcommands and options: argparse, click, typer and what looks like them.

use std::collections::BTreeSet;

/// What a page of help names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Options, as `--long` or `-s`.
    pub(super) options: BTreeSet<String>,
    /// Words that may be subcommands; whether they are is asked of the command itself.
    pub(super) candidates: BTreeSet<String>,
}

/// Reads a page.
pub(super) fn read(text: &str) -> Page {
    let mut page = Page::default();
    let mut lists_commands = false;
    for line in text.lines() {
        // typer draws boxes.
        let boxed = line.trim_start().starts_with(['│', '|']);
        let inner = line.trim_matches(|c: char| c.is_whitespace() || "│|".contains(c));
        if inner.is_empty() {
            continue;
        }
        let is_title = line.trim_start().starts_with(['╭', '┌'])
            || (!line.starts_with(char::is_whitespace) && inner.ends_with(':') && !inner.starts_with('-'));
        if is_title {
            let title = inner.to_lowercase();
            lists_commands =
                ["command", "positional argument", "action"].iter().any(|word| title.contains(word));
            continue;
        }
        if inner.starts_with('-') {
            page.options.extend(options(inner));
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        if !lists_commands || (!boxed && (depth == 0 || depth > 6)) {
            continue;
        }
        if let Some(choices) = inner.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            page.candidates.extend(choices.0.split(',').filter(|word| is_word(word)).map(str::to_owned));
        } else if let Some(word) = inner.split_whitespace().next().filter(|word| is_word(word)) {
            page.candidates.insert(word.to_owned());
        }
    }
    page
}

/// The options at the beginning of a line: `-h, --help`, `--unit {a,b}`, `--allow / --no-allow`.
fn options(line: &str) -> Vec<String> {
    let described = line.split("  ").next().unwrap_or(line);
    let named = described.split([' ', ',', '/', '=', '[', '|']).map(|word| word.trim_end_matches(['.', ']']));
    let is_option = |word: &&str| {
        let name = word.trim_start_matches('-');
        word.starts_with('-') && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '?')
    };
    let mut found: Vec<String> = named.filter(is_option).map(str::to_owned).collect();
    // typer sets the short form far to the right of the long one.
    for word in line.split_whitespace().filter(is_option).filter(|word| word.len() == 2) {
        if line.starts_with("--") && line[..line.find(word).unwrap_or(0)].split_whitespace().count() <= 2 {
            found.push(word.to_owned());
        }
    }
    found
}

fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    #[test]
    fn j10_help_of_argparse_is_read() {
        let page = read(
            "usage: thermctl [-h] [--version] COMMAND ...\n\nRead and steer.\n\npositional arguments:\n  COMMAND\n    capabilities  say what this program can do\n    get           read one parameter\n  {set,plan}\n                        long help --not-an-option\n\noptions:\n  -h, --help            show this help message and exit\n  --unit {celsius,kelvin}, -u {celsius,kelvin}\n                        unit of shown temperatures\n  --allow-writes, --no-allow-writes\n",
        );
        assert_eq!(words(&page.candidates), ["capabilities", "get", "plan", "set"]);
        let expected = ["--allow-writes", "--help", "--no-allow-writes", "--unit", "-h", "-u"];
        assert_eq!(words(&page.options), expected);
    }

    #[test]
    fn j10_help_of_click_and_typer_is_read() {
        let click = read(
            "Usage: demo [OPTIONS] COMMAND [ARGS]...\n\n  A tool.\n\nOptions:\n  --color / --no-color  Colour.\n  --level INTEGER       How much.\n  --help                Show this message and exit.\n\nCommands:\n  init    Begin.\n  db-sync  Go on.\n",
        );
        assert_eq!(words(&click.candidates), ["db-sync", "init"]);
        assert_eq!(words(&click.options), ["--color", "--help", "--level", "--no-color"]);
        let typer = read(
            " Usage: demo [OPTIONS] COMMAND [ARGS]...\n\n╭─ Options ───────╮\n│ --name    -n      TEXT  The name.       │\n│ --help                  Show this.      │\n╰────────────╯\n╭─ Commands ───────╮\n│ hello   Greet.   │\n╰──────────╯\n",
        );
        assert_eq!(words(&typer.candidates), ["hello"]);
        assert_eq!(words(&typer.options), ["--help", "--name", "-n"]);
    }
}
