//! Compares what a form says with the metadata of its file (94, 106).
//!
//! The file is believed and the form is not kept, so a field that the form leaves out is no difference. Nor
//! is spacing, order or the spelling of quotes, which clients change on the way. `metadata_version` is not
//! compared: a client may write its form as of one version of the standard and the file as of another. Nor are
//! `requires`, `provides` and `obsoletes`, which the standard gave up: flit sends a `provides` that no file has; nor
//! `dynamic`, which an sdist has and its wheels have not, since devpi sends one form for all files of a release.

use std::collections::BTreeSet;

use shipway_dist::finding::Finding;
use shipway_dist::metadata::Metadata;
use shipway_dist::name::normalize;

use super::form::{Form, clip};

/// The header of a field, and how clients spell the field.
const FIELDS: [(&str, &[&str]); 25] = [
    ("Summary", &["summary"]),
    ("Description", &["description"]),
    ("Description-Content-Type", &["description_content_type"]),
    ("Author", &["author"]),
    ("Author-email", &["author_email"]),
    ("Maintainer", &["maintainer"]),
    ("Maintainer-email", &["maintainer_email"]),
    ("License", &["license"]),
    ("License-Expression", &["license_expression"]),
    ("License-File", &["license_file", "license_files"]),
    ("Keywords", &["keywords"]),
    ("Home-page", &["home_page"]),
    ("Download-URL", &["download_url"]),
    ("Requires-Python", &["requires_python"]),
    ("Classifier", &["classifiers", "classifier"]),
    ("Platform", &["platform", "platforms"]),
    ("Supported-Platform", &["supported_platform", "supported_platforms"]),
    ("Requires-Dist", &["requires_dist"]),
    ("Provides-Dist", &["provides_dist"]),
    ("Obsoletes-Dist", &["obsoletes_dist"]),
    ("Requires-External", &["requires_external"]),
    ("Project-URL", &["project_urls", "project_url"]),
    ("Provides-Extra", &["provides_extra", "provides_extras"]),
    ("Import-Name", &["import_name", "import_names"]),
    ("Import-Namespace", &["import_namespace", "import_namespaces"]),
];

/// Names every field of the form that says another thing than the file.
pub(super) fn compare(metadata: &Metadata, form: &Form) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (header, spellings) in FIELDS {
        let sent: Vec<&str> = spellings.iter().flat_map(|spelling| form.all(spelling)).collect();
        let own: Vec<&str> = match header {
            // Folded into a header, which readers unfold in several ways.
            "Description" if metadata.get(header).is_some() => continue,
            "Description" => metadata.description.as_deref().into_iter().collect(),
            _ => metadata.all(header).collect(),
        };
        // Encoded words are read by some clients and passed on by others (RFC 2047).
        if sent.is_empty() || own.iter().any(|value| value.contains("=?")) || same(header, &own, &sent) {
            continue;
        }
        let field = spellings.iter().find(|spelling| form.all(spelling).next().is_some());
        let message = match header {
            "Description" => "the file's metadata has another description than the upload".to_owned(),
            _ => {
                let shown = |values: &[&str]| clip(&values.join(", "));
                format!(
                    "the file's metadata has {header} `{}`, the upload says `{}`",
                    shown(&own),
                    shown(&sent)
                )
            }
        };
        findings.push(Finding::error("metadata", message).field(*field.unwrap_or(&header)));
    }
    findings
}

fn same(header: &str, own: &[&str], sent: &[&str]) -> bool {
    let set = |values: &[&str]| -> BTreeSet<String> {
        values.iter().flat_map(|value| plain(header, value)).filter(|value| !value.is_empty()).collect()
    };
    set(own) == set(sent)
}

/// A value without what clients are free to change.
fn plain(header: &str, value: &str) -> Vec<String> {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    match header {
        "Keywords" => value.split(|c: char| c == ',' || c.is_whitespace()).map(str::to_owned).collect(),
        "Provides-Extra" => vec![normalize(value.trim())],
        "Requires-Dist" | "Provides-Dist" | "Obsoletes-Dist" => {
            vec![squeezed(value).replace('\'', "\"").replace(['(', ')'], "")]
        }
        // A client that takes label and address apart gives one without label a comma too many.
        "Project-URL" => vec![squeezed(value).trim_matches(',').to_owned()],
        _ if value.trim() == "UNKNOWN" => Vec::new(),
        _ => vec![squeezed(value)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &[u8] = b"Metadata-Version: 2.4
Name: demo
Version: 1.0
Summary: A demo
Keywords: one,two
Author-email: Ada <ada@example.org>
Requires-Python: >=3.8
Classifier: Topic :: Software Development
Classifier: Typing :: Typed
Requires-Dist: b>=1; extra == 'x_y'
Requires-Dist: c
Provides-Extra: x_y
Project-URL: Home, https://demo.example

# Demo
";

    fn fields(sent: &[(&str, &str)]) -> Vec<String> {
        let mut form = Form::default();
        for (name, value) in sent {
            form.push((*name).to_owned(), (*value).to_owned());
        }
        let metadata = Metadata::parse(METADATA).unwrap();
        compare(&metadata, &form).into_iter().filter_map(|finding| finding.field).collect()
    }

    #[test]
    fn i5_what_clients_spell_otherwise_is_no_difference() {
        let same = [
            ("metadata_version", "2.1"),
            ("summary", "A demo"),
            ("keywords", "one, two"),
            ("author_email", "Ada <ada@example.org>"),
            ("requires_python", ">= 3.8"),
            ("classifiers", "Typing :: Typed"),
            ("classifiers", "Topic :: Software Development"),
            ("requires_dist", "c"),
            ("requires_dist", "b (>=1) ; extra == \"x_y\""),
            ("provides_extra", "x-y"),
            ("project_urls", "Home,https://demo.example"),
            ("description", "# Demo\r\n"),
            ("license", ""),
            ("home_page", "UNKNOWN"),
            // As flit sends it.
            ("provides", "demo"),
        ];
        assert_eq!(fields(&same), Vec::<String>::new());
        assert_eq!(fields(&[]), Vec::<String>::new());
    }

    #[test]
    fn i5_every_field_that_disagrees_is_named() {
        let other = [
            ("summary", "Another demo"),
            ("description", "# Other"),
            ("author", "Ada"),
            ("keywords", "one"),
            ("requires_python", ">=3.9"),
            ("classifier", "Typing :: Typed"),
            ("requires_dist", "c"),
            ("project_url", "Home, https://other.example"),
            ("license_expression", "MIT"),
        ];
        let mut named = fields(&other);
        named.sort_unstable();
        let mut expected: Vec<_> = other.iter().map(|(name, _)| (*name).to_owned()).collect();
        expected.sort_unstable();
        assert_eq!(named, expected);
    }
}
