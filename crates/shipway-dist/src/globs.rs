//! Patterns of paths: one kind of glob wherever a project names files.
//!
//! `*` and `?` stay in one folder, `**` does not; a pattern is for the whole path. The matcher is `globset`.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no glob: {why}")]
pub struct GlobError {
    pattern: String,
    why: String,
}

/// Some patterns, ready to be matched.
#[derive(Debug, Clone, Default)]
pub struct Globs(GlobSet);

impl Globs {
    /// Reads patterns.
    ///
    /// # Errors
    /// Names the first that is none.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, GlobError> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let error = |why: String| GlobError { pattern: pattern.to_owned(), why };
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            set.add(glob.map_err(|failed| error(failed.kind().to_string()))?);
        }
        let failed = |failed: globset::Error| GlobError { pattern: String::new(), why: failed.to_string() };
        Ok(Self(set.build().map_err(failed)?))
    }

    /// Whether any pattern matches a path.
    pub fn is_match(&self, path: &str) -> bool {
        self.0.is_match(path)
    }

    /// The positions of the patterns that match a path.
    pub fn matching(&self, path: &str) -> Vec<usize> {
        self.0.matches(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Globs::new([pattern]).unwrap().is_match(path)
    }

    #[test]
    fn patterns() {
        for (pattern, path) in [
            ("a/b.yaml", "a/b.yaml"),
            ("a/*.yaml", "a/b.yaml"),
            ("a/**/*.yaml", "a/b.yaml"),
            ("a/**/*.yaml", "a/c/d/b.yaml"),
            ("a/**", "a/b/c"),
            ("**/b.*", "b.x"),
            ("a/?.y*l", "a/b.yaml"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("a/*.yaml", "a/c/b.yaml"),
            ("*.yaml", "a/b.yaml"),
            ("a/*.yaml", "a/b.yml"),
            ("a/**/c.yaml", "b/c.yaml"),
            ("a", "a/b"),
            ("a/?", "a/bc"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        assert_eq!(Globs::new(["a", "a["]).unwrap_err().pattern, "a[");
    }
}
