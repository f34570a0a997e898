//! Judges the fields of the legacy upload form (11 to 17, 19, 20, 34 to 40, 46).
//!
//! What the fields say is compared with the file's own metadata in [`super::fields`].

use std::collections::BTreeSet;

use base64::Engine as _;
use pep440_rs::{Version, VersionSpecifiers};
use shipway_dist::digest::Sha256;
use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::finding::Finding;
use shipway_dist::name::ProjectName;
use subtle::ConstantTimeEq as _;

use super::attestations;
use crate::blobs::Staged;
use crate::error::IndexError;

/// Metadata versions that a form may declare (37).
const METADATA_VERSIONS: [&str; 8] = ["1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5"];

/// Fields that stand once (15).
const SINGLE: [&str; 25] = [
    ":action",
    "protocol_version",
    "name",
    "version",
    "filetype",
    "pyversion",
    "metadata_version",
    "summary",
    "description",
    "description_content_type",
    "author",
    "author_email",
    "maintainer",
    "maintainer_email",
    "license",
    "license_expression",
    "keywords",
    "home_page",
    "download_url",
    "requires_python",
    "comment",
    "md5_digest",
    "sha256_digest",
    "blake2_256_digest",
    "attestations",
];

/// Fields that may stand several times, as the clients spell them (16).
const MULTIPLE: [&str; 24] = [
    "classifiers",
    "classifier",
    "platform",
    "platforms",
    "supported_platform",
    "supported_platforms",
    "requires_dist",
    "provides_dist",
    "obsoletes_dist",
    "requires",
    "provides",
    "obsoletes",
    "requires_external",
    "project_urls",
    "project_url",
    "provides_extra",
    "provides_extras",
    "dynamic",
    "license_file",
    "license_files",
    "import_name",
    "import_names",
    "import_namespace",
    "import_namespaces",
];

/// The fields of a form, in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form {
    fields: Vec<(String, String)>,
}

/// What a form says of its file, as far as it can be read, and everything that is wrong with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) name: Option<ProjectName>,
    pub(crate) version: Option<Version>,
    pub(crate) kind: Option<Kind>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) warnings: Vec<Finding>,
}

impl Form {
    /// Adds a field. `UNKNOWN` is what old tools write for nothing (14).
    pub(crate) fn push(&mut self, name: String, value: String) {
        if value.trim() != "UNKNOWN" {
            self.fields.push((name, value));
        }
    }

    /// The values of a field that say something.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
        values.filter(|value| !value.trim().is_empty())
    }

    /// The form without a field.
    pub(super) fn without(&mut self, name: &str) {
        self.fields.retain(|(key, _)| key != name);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// Judges the action and the protocol (11, 12).
    ///
    /// # Errors
    /// When this is no upload of a file, or of a protocol that does not exist.
    pub(crate) fn judge_action(&self) -> Result<(), IndexError> {
        match self.get(":action") {
            Some("file_upload") => {}
            Some(action @ ("submit" | "submit_pkg_info" | "doc_upload")) => {
                return Err(IndexError::RemovedAction { action: action.to_owned() });
            }
            Some(action) => {
                let action: String = action.chars().take(40).collect();
                return Err(IndexError::bad_request(format!(
                    "`:action` is `{action}`, expected `file_upload`"
                )));
            }
            None => return Err(IndexError::bad_request("`:action` is missing, expected `file_upload`")),
        }
        match self.get("protocol_version") {
            None | Some("1") => Ok(()),
            Some(_) => Err(IndexError::bad_request("`protocol_version` is unknown, expected `1`")),
        }
    }

    /// Judges all other fields, and says everything at once.
    pub(crate) fn judge(&self) -> Facts {
        let mut findings = Vec::new();
        let name = match self.get("name").map(str::parse::<ProjectName>) {
            None => {
                findings.push(Finding::error("form", "`name` is missing").field("name"));
                None
            }
            Some(Err(error)) => {
                findings.push(Finding::error("name", error.to_string()).field("name"));
                None
            }
            Some(Ok(name)) => Some(name),
        };
        let mut wrong =
            |field: &str, message: String| findings.push(Finding::error("form", message).field(field));
        for field in SINGLE {
            if self.fields.iter().filter(|(key, _)| key == field).count() > 1 {
                wrong(field, format!("`{field}` is given twice"));
            }
        }
        let version = match self.get("version").map(str::parse::<Version>) {
            None => {
                wrong("version", "`version` is missing".to_owned());
                None
            }
            Some(Err(error)) => {
                wrong("version", format!("`version` is no version (PEP 440): {error}"));
                None
            }
            Some(Ok(version)) => Some(version),
        };
        let kind = self.judge_kind(&mut wrong);
        match self.get("metadata_version") {
            Some(text) if METADATA_VERSIONS.contains(&text) => {}
            Some(text) => {
                let known = METADATA_VERSIONS.join(", ");
                wrong(
                    "metadata_version",
                    format!("`metadata_version` is `{}`, known are {known}", clip(text)),
                );
            }
            None => wrong("metadata_version", "`metadata_version` is missing".to_owned()),
        }
        let sends_digest =
            ["md5_digest", "sha256_digest", "blake2_256_digest"].iter().any(|f| self.get(f).is_some());
        if !sends_digest {
            wrong("sha256_digest", "no digest is given, expected `sha256_digest`".to_owned());
        }
        self.judge_texts(&mut wrong);
        Facts { name, version, kind, findings, warnings: self.warnings() }
    }

    /// Judges `filetype`, and that `pyversion` fits it (34, 35).
    fn judge_kind(&self, wrong: &mut impl FnMut(&str, String)) -> Option<Kind> {
        let kind = match self.get("filetype") {
            Some("bdist_wheel") => Kind::Wheel,
            Some("sdist") => Kind::Sdist,
            other => {
                let given = other.map_or("missing".to_owned(), |text| format!("`{}`", clip(text)));
                wrong("filetype", format!("`filetype` is {given}, expected `bdist_wheel` or `sdist`"));
                return None;
            }
        };
        match (kind, self.get("pyversion")) {
            (Kind::Wheel, None) => {
                wrong("pyversion", "`pyversion` is missing, expected the wheel's Python tag".to_owned());
            }
            (Kind::Sdist, Some(text)) if text != "source" => {
                let text = clip(text);
                wrong("pyversion", format!("`pyversion` of an sdist is `{text}`, expected `source`"));
            }
            _ => {}
        }
        Some(kind)
    }

    /// Judges `pyversion` of a wheel against its filename (35).
    pub(crate) fn judge_python_tag(&self, parsed: &DistributionFilename) -> Option<Finding> {
        let (sent, tags) = (self.get("pyversion")?, &parsed.tags[0]);
        if parsed.kind == Kind::Sdist || names_python(sent, tags) {
            return None;
        }
        let message = format!("`pyversion` is `{}`, the filename says `{tags}`", clip(sent));
        Some(Finding::error("form", message).field("pyversion"))
    }

    fn judge_texts(&self, wrong: &mut impl FnMut(&str, String)) {
        if let Some(summary) = self.get("summary") {
            if summary.contains(['\n', '\r']) {
                wrong("summary", "`summary` has more than one line".to_owned());
            }
            if summary.chars().count() > 512 {
                wrong("summary", "`summary` is longer than 512 characters".to_owned());
            }
        }
        if let Some(text) = self.get("description_content_type") {
            let essence = text.split(';').next().unwrap_or_default().trim();
            if !["text/plain", "text/x-rst", "text/markdown"].contains(&essence) {
                let message = format!(
                    "`description_content_type` is `{}`, expected text/plain, text/x-rst or text/markdown",
                    clip(text)
                );
                wrong("description_content_type", message);
            }
        }
        if let Some(text) = self.get("requires_python")
            && let Err(error) = text.parse::<VersionSpecifiers>()
        {
            wrong("requires_python", format!("`requires_python` is no version specifier: {error}"));
        }
    }

    fn warnings(&self) -> Vec<Finding> {
        let mut warnings = Vec::new();
        let known = |field: &str| {
            SINGLE.contains(&field) || MULTIPLE.contains(&field) || matches!(field, "gpg_signature")
        };
        let unknown: BTreeSet<_> =
            self.fields.iter().map(|(key, _)| key.as_str()).filter(|key| !known(key)).collect();
        for field in unknown {
            let message = format!("the form field `{}` is ignored", clip(field));
            warnings.push(Finding::warning("form", message).field(clip(field)));
        }
        if self.get("gpg_signature").is_some() {
            warnings.push(Finding::warning("form", "`gpg_signature` is not stored").field("gpg_signature"));
        }
        if let Some(text) = self.get("attestations") {
            let message = "`attestations` are not stored: they count with a trusted publisher only";
            warnings.push(Finding::warning("attestations", message).field("attestations"));
            if let Err(why) = attestations::judge(text) {
                let message = format!("`attestations` are malformed: {why}");
                warnings.push(Finding::warning("attestations", message).field("attestations"));
            }
        }
        warnings
    }

    /// Compares the digests sent with those of the bytes, and names every algorithm that differs (36, 63).
    pub(crate) fn judge_digests(&self, staged: &Staged) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut compare = |field: &str, computed: &[u8]| {
            let Some(sent) = self.get(field) else { return };
            let ok = decode(sent, computed.len()).is_some_and(|sent| bool::from(sent.ct_eq(computed)));
            if !ok {
                let message = format!("`{field}` differs from the digest of the bytes received");
                findings.push(Finding::error("digest", message).field(field));
            }
        };
        compare("sha256_digest", staged.sha256.as_bytes());
        compare("blake2_256_digest", &staged.digests.blake2_256);
        compare("md5_digest", &staged.digests.md5);
        findings
    }
}

/// Whether `pyversion` means the Python tags of a wheel: the same set, or, as devpi writes it, the version
/// of one of them.
fn names_python(sent: &str, tags: &str) -> bool {
    let set = |text: &str| text.split('.').map(str::to_ascii_lowercase).collect::<BTreeSet<_>>();
    if sent.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return set(sent) == set(tags);
    }
    let number = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let sent = number(sent);
    // It writes 2.7 for `py2.py3`.
    let is_of = |tag: &str| number(tag) == sent || sent == "27" && number(tag) == "2";
    !sent.is_empty() && tags.split('.').any(is_of)
}

/// Reads a digest as hexadecimal, or as urlsafe base64 without padding, which some clients send for MD5.
fn decode(text: &str, length: usize) -> Option<Vec<u8>> {
    if length == 32 {
        return text.parse::<Sha256>().ok().map(|digest| digest.as_bytes().to_vec());
    }
    if text.len() == 2 * length && text.is_ascii() {
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
        return (0..text.len()).step_by(2).map(byte).collect();
    }
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    engine.decode(text.trim_end_matches('=')).ok().filter(|bytes| bytes.len() == length)
}

pub(super) fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Form {
        let mut form = Form::default();
        for (name, value) in fields {
            form.push((*name).to_owned(), (*value).to_owned());
        }
        form
    }

    const GOOD: [(&str, &str); 8] = [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("metadata_version", "2.4"),
        ("name", "demo"),
        ("version", "1.0"),
        ("filetype", "bdist_wheel"),
        ("pyversion", "py3"),
        ("sha256_digest", "00"),
    ];

    #[test]
    fn i5_all_problems_of_a_form_come_at_once() {
        let good = form(&GOOD).judge();
        assert!(good.warnings.is_empty() && good.findings.is_empty());
        let bad = form(&[
            ("name", "demo"),
            ("name", "demo"),
            ("version", "1.x"),
            ("filetype", "bdist_egg"),
            ("metadata_version", "9"),
            ("summary", "two\nlines"),
            ("description_content_type", "text/html"),
            ("requires_python", "=>3"),
            ("author", "UNKNOWN"),
        ]);
        let findings = bad.judge().findings;
        let fields: Vec<_> = findings.iter().filter_map(|finding| finding.field.as_deref()).collect();
        assert_eq!(
            fields,
            [
                "name",
                "version",
                "filetype",
                "metadata_version",
                "sha256_digest",
                "summary",
                "description_content_type",
                "requires_python"
            ]
        );
    }

    #[test]
    fn actions() {
        form(&GOOD).judge_action().unwrap();
        assert_eq!(form(&[(":action", "submit")]).judge_action().unwrap_err().status(), 410);
        assert_eq!(form(&[(":action", "other")]).judge_action().unwrap_err().status(), 400);
        assert_eq!(form(&[]).judge_action().unwrap_err().status(), 400);
        let future = form(&[(":action", "file_upload"), ("protocol_version", "2")]);
        assert_eq!(future.judge_action().unwrap_err().status(), 400);
    }

    #[test]
    fn unknown_fields_warn() {
        let mut odd = form(&GOOD);
        odd.push("sumary".into(), "x".into());
        odd.push("gpg_signature".into(), "x".into());
        assert_eq!(odd.judge().warnings.len(), 2);
    }

    #[test]
    fn i5_pyversion_is_the_python_tag_of_the_filename() {
        for (sent, tags) in [
            ("py3", "py3"),
            ("py2.py3", "py2.py3"),
            ("py3.py2", "py2.py3"),
            ("cp312", "cp312"),
            // As devpi sends it.
            ("3", "py3"),
            ("2.7", "py2.py3"),
            ("3.12", "cp312"),
        ] {
            assert!(names_python(sent, tags), "{sent} {tags}");
        }
        for (sent, tags) in
            [("cp39", "py3"), ("py3", "py2.py3"), ("3.11", "cp312"), ("any", "py3"), (".", "py3")]
        {
            assert!(!names_python(sent, tags), "{sent} {tags}");
        }
        let sdist = form(&[("filetype", "sdist"), ("pyversion", "py3")]).judge();
        assert!(sdist.findings.iter().any(|finding| finding.field.as_deref() == Some("pyversion")));
    }

    #[test]
    fn i5_metadata_versions_are_those_of_the_standard() {
        for (version, known) in [("1.0", true), ("2.0", false), ("2.5", true), ("2.6", false)] {
            let form = form(&[("metadata_version", version)]).judge();
            let named = |finding: &Finding| finding.field.as_deref() == Some("metadata_version");
            assert_eq!(form.findings.iter().any(named), !known, "{version}");
        }
    }

    #[test]
    fn digests_in_every_spelling() {
        assert_eq!(decode("1B2M2Y8AsgTpgAmY7PhCfg", 16), decode("d41d8cd98f00b204e9800998ecf8427e", 16));
        assert_eq!(decode("zz", 16), None);
        assert_eq!(decode(&"é".repeat(16), 16), None);
    }
}
