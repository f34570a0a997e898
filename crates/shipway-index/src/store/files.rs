//! The files of a project, read as one row.
//!
//! A row costs far more on its way through the driver than in the database, and some projects have thousands of
//! files: so the database writes them all into one text, each field with its length before it.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, Row as _};

use super::parse;
use crate::error::IndexError;
use crate::project::{Release, StoredFile};

/// A field as `LENGTH:BYTES`, and as `-` when it is NULL.
macro_rules! field {
    ($name:literal) => {
        concat!("COALESCE(octet_length(", $name, ") || ':' || ", $name, ", '-')")
    };
}

const FILES: &str = concat!(
    "SELECT string_agg(",
    field!("version_key"),
    " || ",
    field!("filename"),
    " || ",
    field!("sha256"),
    " || ",
    field!("CAST(size AS TEXT)"),
    " || ",
    field!("metadata_sha256"),
    " || ",
    field!("requires_python"),
    " || ",
    field!("uploaded_at"),
    " || ",
    field!("yanked"),
    " || ",
    field!("removed_at"),
    " || ",
    field!("removed_reason"),
    ", '') AS files FROM files WHERE project = $1"
);

/// Adds the files of a project to its releases, by version key; each release has them by filename.
pub(super) async fn load(
    connection: &mut AnyConnection,
    normalized: &str,
    releases: &mut BTreeMap<String, Release>,
) -> Result<(), IndexError> {
    let row = sqlx::query(FILES).bind(normalized).fetch_one(connection).await?;
    let text: String = row.try_get::<Option<String>, _>("files")?.unwrap_or_default();
    let mut fields = Fields(&text);
    while !fields.0.is_empty() {
        let version = fields.some()?;
        let file = StoredFile {
            filename: fields.some()?.to_owned(),
            sha256: parse("files.sha256", fields.some()?.to_owned())?,
            size: parse("files.size", fields.some()?.to_owned())?,
            metadata_sha256: match fields.next()? {
                Some(text) => Some(parse("files.metadata_sha256", text.to_owned())?),
                None => None,
            },
            requires_python: fields.next()?.map(str::to_owned),
            uploaded_at: fields.some()?.to_owned(),
            yanked: fields.next()?.map(str::to_owned),
            removed: fields.next()?.is_some(),
            removed_for: fields.next()?.map(str::to_owned),
        };
        if let Some(release) = releases.get_mut(version) {
            release.files.push(file);
        }
    }
    for release in releases.values_mut() {
        release.files.sort_unstable_by(|a, b| a.filename.cmp(&b.filename));
    }
    Ok(())
}

/// What is left of the text.
struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<&'a str>, IndexError> {
        if let Some(rest) = self.0.strip_prefix('-') {
            self.0 = rest;
            return Ok(None);
        }
        let field = || {
            let (length, rest) = self.0.split_once(':')?;
            rest.split_at_checked(length.parse().ok()?)
        };
        let (field, rest) = field().ok_or_else(|| self.broken())?;
        self.0 = rest;
        Ok(Some(field))
    }

    fn some(&mut self) -> Result<&'a str, IndexError> {
        self.next()?.ok_or_else(|| self.broken())
    }

    fn broken(&self) -> IndexError {
        IndexError::Corrupt { place: "files", value: self.0.chars().take(80).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_whatever_stands_in_them() {
        let mut fields = Fields("3:a:b0:-5:1-:é2:ok");
        let mut found = Vec::new();
        while !fields.0.is_empty() {
            found.push(fields.next().unwrap());
        }
        assert_eq!(found, [Some("a:b"), Some(""), None, Some("1-:é"), Some("ok")]);
        for broken in ["4:abc", "x", "2:aé", "-1a"] {
            let mut fields = Fields(broken);
            let all = std::iter::from_fn(|| (!fields.0.is_empty()).then(|| fields.next().is_ok()));
            assert!(all.take(5).any(|ok| !ok), "{broken}");
        }
    }
}
