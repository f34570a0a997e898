//! Core metadata (METADATA and PKG-INFO), read but not judged; [`crate::check`] judges it.

/// Core metadata, parsed but not judged (core metadata specification, versions 1.0 to 2.5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// `Metadata-Version`.
    pub metadata_version: String,
    /// `Name`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// All header fields in order, `(Field-Name, value)`; the lines of a folded value are joined with
    /// a line feed, without their indentation.
    pub fields: Vec<(String, String)>,
    /// The long description: the body, or the `Description` field.
    pub description: Option<String>,
}

/// More fields than any project has; each costs memory.
const MOST_FIELDS: usize = 50_000;

/// Metadata that cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metadata cannot be read: {why}")]
pub struct MetadataError {
    /// Why.
    pub why: String,
}

/// How an index renders a long description (`Description-Content-Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Markup {
    /// `text/plain`.
    Plain,
    /// `text/markdown`; every text renders.
    Markdown,
    /// `text/x-rst`, also when no content type is given; a text can fail to render.
    ReStructuredText,
}

/// A reading of metadata together with what was wrong with its form.
pub(crate) struct Reading {
    pub(crate) metadata: Metadata,
    /// Lines that are no field, and the like; one text each.
    pub(crate) defects: Vec<String>,
    /// Whether both a body and a `Description` field are there.
    pub(crate) two_descriptions: bool,
}

impl Metadata {
    /// Reads METADATA or PKG-INFO.
    ///
    /// The form is that of e-mail headers as Python's `email` package reads them with the `compat32`
    /// policy: no encoded words, values as they stand; the bytes must be UTF-8.
    ///
    /// # Errors
    /// When the bytes are not UTF-8 or do not begin with a field.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        Self::read(bytes).map(|reading| reading.metadata)
    }

    /// Reads metadata and says what is wrong with its form.
    pub(crate) fn read(bytes: &[u8]) -> Result<Reading, MetadataError> {
        let error = |why: &str| MetadataError { why: why.to_owned() };
        let text = std::str::from_utf8(bytes)
            .map_err(|utf8| error(&format!("it is not UTF-8 at byte {}", utf8.valid_up_to())))?;
        let mut defects = Vec::new();
        if text.starts_with('\u{feff}') {
            return Err(error("it begins with a byte order mark"));
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut rest = text;
        let mut number = 0;
        let body = loop {
            if rest.is_empty() {
                break "";
            }
            number += 1;
            let (line, after) = take_line(rest);
            if line.is_empty() {
                break after;
            }
            if line.starts_with([' ', '\t']) {
                match fields.last_mut() {
                    Some((name, value)) => {
                        value.push('\n');
                        value.push_str(unindent(name, line));
                    }
                    None => defects.push(format!("line {number} continues no field")),
                }
            } else if fields.len() == MOST_FIELDS {
                return Err(error(&format!("it holds more than {MOST_FIELDS} fields")));
            } else if let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_field_name(name)) {
                fields.push((name.to_owned(), value.trim().to_owned()));
            } else {
                defects.push(format!(
                    "line {number} is no `Field: value`: `{}`",
                    line.chars().take(60).collect::<String>()
                ));
                // Everything from here on is the body, for Python's reader too.
                break rest;
            }
            rest = after;
        };
        if fields.is_empty() {
            return Err(error("it holds no field"));
        }
        let first = |name: &str| {
            fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone())
        };
        let field = first("Description");
        let has_body = !body.trim().is_empty();
        let two_descriptions = has_body && field.is_some();
        let metadata = Self {
            metadata_version: first("Metadata-Version").unwrap_or_default(),
            name: first("Name").unwrap_or_default(),
            version: first("Version").unwrap_or_default(),
            description: if has_body { Some(body.to_owned()) } else { field },
            fields,
        };
        Ok(Reading { metadata, defects, two_descriptions })
    }

    /// The first value of a field, by case-insensitive name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// How the long description is rendered; `None` for a content type that no index renders.
    pub fn markup(&self) -> Option<Markup> {
        let Some(value) = self.get("Description-Content-Type").filter(|value| !value.is_empty()) else {
            return Some(Markup::ReStructuredText);
        };
        match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/plain" => Some(Markup::Plain),
            "text/markdown" => Some(Markup::Markdown),
            "text/x-rst" => Some(Markup::ReStructuredText),
            _ => None,
        }
    }
}

/// The first line without its end, and what follows; `\n`, `\r\n` and `\r` end a line.
fn take_line(text: &str) -> (&str, &str) {
    match text.find(['\n', '\r']) {
        None => (text, ""),
        Some(at) => {
            let length = if text[at..].starts_with("\r\n") { 2 } else { 1 };
            (&text[..at], &text[at + length..])
        }
    }
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A continuation line without its indentation; a folded description keeps what lies beyond eight
/// blanks, or beyond the `|` of the specification.
fn unindent<'l>(field: &str, line: &'l str) -> &'l str {
    if !field.eq_ignore_ascii_case("Description") {
        return line.trim();
    }
    if let Some(rest) = line.strip_prefix("       |") {
        return rest;
    }
    let blanks = line.bytes().take_while(|&byte| byte == b' ').take(8).count();
    &line[blanks..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_and_body() {
        let text = b"Metadata-Version: 2.1\r\nName: demo\r\nVersion: 1.0\nKeywords: a,\n        b\n\n# Demo\n\ntext\n";
        let metadata = Metadata::parse(text).unwrap();
        assert_eq!((metadata.name.as_str(), metadata.version.as_str()), ("demo", "1.0"));
        assert_eq!(metadata.get("keywords"), Some("a,\nb"));
        assert_eq!(metadata.description.as_deref(), Some("# Demo\n\ntext\n"));
        assert_eq!(metadata.markup(), Some(Markup::ReStructuredText));
    }

    #[test]
    fn folded_description_keeps_inner_indentation() {
        let text = b"Name: demo\nDescription: Demo\n        ====\n\t\n            code\n";
        let metadata = Metadata::parse(text).unwrap();
        assert_eq!(metadata.description.as_deref(), Some("Demo\n====\n\t\n    code"));
    }

    #[test]
    fn encoded_words_stay_as_they_are() {
        let metadata = Metadata::parse(b"Name: =?utf-8?q?demo?=\n").unwrap();
        assert_eq!(metadata.name, "=?utf-8?q?demo?=");
    }

    #[test]
    fn refuses_what_is_no_metadata() {
        for text in [&b""[..], b"\n\nbody", b"no field", b"\xff: a\n", b"\xef\xbb\xbfName: a\n"] {
            assert!(Metadata::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_line_that_is_no_field_ends_the_fields() {
        let reading = Metadata::read(b"Name: demo\nnonsense\nVersion: 1\n").unwrap();
        assert_eq!(reading.metadata.version, "");
        assert_eq!(reading.defects.len(), 1);
    }
}
