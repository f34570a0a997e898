//! Core metadata (METADATA and PKG-INFO).

use mailparse::MailHeaderMap as _;

/// Core metadata, parsed but not judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// `Metadata-Version`.
    pub metadata_version: String,
    /// `Name`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// All header fields in order, `(Field-Name, value)`; folded lines unfolded.
    pub fields: Vec<(String, String)>,
    /// The long description: the body, or the `Description` field.
    pub description: Option<String>,
}

/// Metadata that cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metadata cannot be read: {why}")]
pub struct MetadataError {
    /// Why.
    pub why: String,
}

impl Metadata {
    /// Reads METADATA or PKG-INFO.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        let (headers, body_at) =
            mailparse::parse_headers(bytes).map_err(|e| MetadataError { why: e.to_string() })?;
        let get = |name: &str| headers.get_first_value(name).unwrap_or_default();
        let fields: Vec<_> = headers.iter().map(|h| (h.get_key(), h.get_value())).collect();
        let body = String::from_utf8_lossy(&bytes[body_at..]).into_owned();
        let field = headers.get_first_value("Description");
        Ok(Self {
            metadata_version: get("Metadata-Version"),
            name: get("Name"),
            version: get("Version"),
            fields,
            description: if body.trim().is_empty() { field } else { Some(body) },
        })
    }

    /// The first value of a field, by case-insensitive name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}
