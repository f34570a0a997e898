//! The contract: which names are promised, which are provisional, which are nobody's business.

use crate::error::PyApiError;

/// How strictly names count as public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Only names of the contract's `stable` list can fail; all else is a warning.
    Contract,
    /// What people import in practice counts.
    #[default]
    Compat,
    /// Only what the typing specification calls public.
    Strict,
}

/// Where a name stands in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Promised.
    Stable,
    /// May change in any release that says so.
    Provisional,
    /// Not part of the API.
    Internal,
    /// The contract does not speak of it.
    Unlisted,
}

/// Patterns of the contract. A pattern is a dotted path in which `*` stands for any part of one
/// name and a final `.*` or `.**` for everything below.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contract {
    stable: Vec<Pattern>,
    provisional: Vec<Pattern>,
    internal: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    text: String,
    parts: Vec<String>,
    /// Everything below matches, too.
    is_open: bool,
}

impl Pattern {
    fn new(text: &str) -> Result<Self, PyApiError> {
        let refuse = |why: &str| PyApiError::Pattern { pattern: text.to_owned(), why: why.to_owned() };
        let trimmed = text.trim();
        let (body, is_open) = match trimmed.strip_suffix(".**").or_else(|| trimmed.strip_suffix(".*")) {
            Some(body) => (body, true),
            None => (trimmed, false),
        };
        if body.is_empty() {
            return Err(refuse("it is empty"));
        }
        let parts: Vec<String> = body.split('.').map(str::to_owned).collect();
        let is_part = |part: &String| {
            !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '*' | '?'))
        };
        if !parts.iter().all(is_part) {
            return Err(refuse("expected names joined by dots, `*` for any part of a name"));
        }
        Ok(Self { text: trimmed.to_owned(), parts, is_open })
    }

    /// Whether a path, or something above it, is named.
    fn matches(&self, path: &str) -> bool {
        let mut given = path.split('.');
        for part in &self.parts {
            match given.next() {
                Some(name) if wildcard(part.as_bytes(), name.as_bytes()) => {}
                _ => return false,
            }
        }
        // A promised class includes its members; `name.*` is only what is below.
        !self.is_open || given.next().is_some()
    }

    /// Length of the literal beginning.
    fn specificity(&self) -> usize {
        self.text.find(['*', '?']).unwrap_or(usize::MAX)
    }
}

/// Matches `*` and `?` inside one name.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            retry = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star, from)) = retry {
            p = star + 1;
            t = from + 1;
            retry = Some((star, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

impl Contract {
    /// Reads the three lists of the configuration.
    pub fn new<S: AsRef<str>>(stable: &[S], provisional: &[S], internal: &[S]) -> Result<Self, PyApiError> {
        let read =
            |list: &[S]| list.iter().map(|text| Pattern::new(text.as_ref())).collect::<Result<Vec<_>, _>>();
        Ok(Self { stable: read(stable)?, provisional: read(provisional)?, internal: read(internal)? })
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.stable.is_empty() && self.provisional.is_empty() && self.internal.is_empty()
    }

    /// Whether anything is promised.
    pub fn has_stable(&self) -> bool {
        !self.stable.is_empty()
    }

    /// Stable entries without wildcards: each must exist.
    pub fn stable_names(&self) -> impl Iterator<Item = &str> {
        self.stable.iter().filter(|p| !p.is_open && !p.text.contains(['*', '?'])).map(|p| p.text.as_str())
    }

    /// All stable entries as written.
    pub fn stable_entries(&self) -> impl Iterator<Item = &str> {
        self.stable.iter().map(|pattern| pattern.text.as_str())
    }

    /// Where a path stands. The longest literal beginning wins; on a tie, stable does.
    pub fn standing(&self, path: &str) -> Standing {
        let best = |list: &[Pattern]| {
            list.iter()
                .filter(|pattern| pattern.matches(path))
                .map(|p| p.specificity().min(p.text.len()))
                .max()
        };
        let ranked = [
            (best(&self.stable), Standing::Stable),
            (best(&self.provisional), Standing::Provisional),
            (best(&self.internal), Standing::Internal),
        ];
        let mut winner = (None, Standing::Unlisted);
        for (length, standing) in ranked {
            if length > winner.0 {
                winner = (length, standing);
            }
        }
        winner.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_literal_wins_and_stable_breaks_ties() {
        let contract = Contract::new(
            &["a.driver.Thermostat", "a.client.*"],
            &["a.*", "a.driver.*"],
            &["a.client.internal_*", "b"],
        )
        .unwrap();
        assert_eq!(contract.standing("a.driver.Thermostat"), Standing::Stable);
        assert_eq!(contract.standing("a.driver.Thermostat.read"), Standing::Stable);
        assert_eq!(contract.standing("a.driver.Other"), Standing::Provisional);
        assert_eq!(contract.standing("a.client.create"), Standing::Stable);
        assert_eq!(contract.standing("a.client.internal_x"), Standing::Internal);
        assert_eq!(contract.standing("a"), Standing::Unlisted);
        assert_eq!(contract.standing("b"), Standing::Internal);
        assert_eq!(contract.standing("c.d"), Standing::Unlisted);
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for text in ["", ".*", "a..b", "a b", "a.[x]"] {
            assert!(Contract::new(&[text], &[], &[]).is_err(), "{text}");
        }
    }
}
