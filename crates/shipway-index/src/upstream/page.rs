//! Turns a page of upstream into a page of this index.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use pep440_rs::Version;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use shipway_dist::digest::Sha256;
use shipway_dist::filename::DistributionFilename;
use shipway_dist::simple::html::{Anchor, Element, elements};
use shipway_dist::simple::{CoreMetadata, Meta, PageFile, ProjectPage, ProjectStatus, Yanked};
use url::Url;

use super::client::RawPage;
use super::pins::Pins;
use super::rules::CoolDown;
use crate::error::IndexError;
use crate::pages::{Body, Coding, Format, Page, text};
use crate::project::encode_segment;

/// No project has more files, or versions.
const MOST: usize = 100_000;

/// A file of upstream.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamFile {
    pub(crate) filename: String,
    pub(crate) sha256: Sha256,
    pub(crate) url: Url,
    /// The digest of its metadata, when upstream serves them.
    pub(crate) metadata: Option<Sha256>,
}

/// A page of upstream, rewritten.
#[derive(Debug)]
pub(crate) struct UpstreamPage {
    page: Page,
    pub(crate) source: Arc<ProjectPage>,
    pub(crate) files: HashMap<String, UpstreamFile>,
    pub(super) etag: Option<String>,
    /// How many files are too young to be listed.
    pub(super) held_back: usize,
    /// How many files are left out because their digest was another one.
    pub(super) changed: u64,
}

impl UpstreamPage {
    /// The page in a form, built by whoever asks first.
    pub(crate) async fn body(&self, (format, coding): (Format, Coding)) -> Result<Body, IndexError> {
        if let Some(body) = self.page.ready(format, coding) {
            return Ok(body.clone());
        }
        let source = self.source.clone();
        let (body, _) = self.page.form(format, coding, move |format| text(&source, format)).await?;
        Ok(body)
    }

    /// About how many bytes it takes in memory: what was read of a file, and its share of two forms.
    pub(super) fn weight(&self) -> usize {
        1000 + self.files.len() * 2500
    }
}

/// Reads a page as another index wrote it. URLs may be relative to the page.
pub(crate) fn read(name: &str, raw: &RawPage) -> Result<Document, IndexError> {
    let malformed =
        |why: String| IndexError::Upstream { why: format!("the page of `{name}` cannot be read: {why}") };
    if raw.is_json {
        return serde_json::from_slice(&raw.body).map_err(|error| malformed(error.to_string()));
    }
    let mut files = Vec::new();
    let mut base = raw.url.clone();
    for element in elements(&raw.body) {
        match element {
            Element::Base(href) => base = base.join(&href).unwrap_or(base),
            Element::Anchor(_) if files.len() == MOST => {
                return Err(malformed(format!("it lists more than {MOST} files")));
            }
            Element::Anchor(anchor) => files.extend(linked(&base, anchor)),
        }
    }
    Ok(Document { files, ..Document::default() })
}

/// The file that a link leads to; its name is the last part of the path, as installers have it.
fn linked(base: &Url, anchor: Anchor) -> Option<DocumentFile> {
    let url = base.join(&anchor.href).ok()?;
    let last = url.path_segments()?.next_back().filter(|last| !last.is_empty())?;
    let filename = percent_encoding::percent_decode_str(last).decode_utf8().ok()?.into_owned();
    Some(DocumentFile {
        filename,
        hashes: anchor.digest().into_iter().collect(),
        url: url.into(),
        requires_python: anchor.requires_python,
        yanked: anchor.yanked,
        core_metadata: Some(anchor.core_metadata),
        ..DocumentFile::default()
    })
}

/// A list of a page, refused while it is read when it is too long.
fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Bounded<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST} entries")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(entry) = entries.next_element()? {
                if all.len() == MOST {
                    return Err(A::Error::invalid_length(MOST + 1, &self));
                }
                all.push(entry);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_seq(Bounded(PhantomData))
}

/// What is read of a JSON page; indexes differ in what they leave out.
#[derive(Default, Deserialize)]
pub(crate) struct Document {
    #[serde(default, deserialize_with = "bounded")]
    pub(crate) files: Vec<DocumentFile>,
    #[serde(default, deserialize_with = "bounded")]
    versions: Vec<String>,
    #[serde(default, rename = "project-status")]
    project_status: Option<ProjectStatus>,
}

#[derive(Default, Deserialize)]
pub(crate) struct DocumentFile {
    pub(crate) filename: String,
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) hashes: BTreeMap<String, String>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, rename = "upload-time")]
    pub(crate) upload_time: Option<String>,
    #[serde(default, rename = "requires-python")]
    requires_python: Option<String>,
    #[serde(default)]
    pub(crate) yanked: Yanked,
    #[serde(default, rename = "core-metadata")]
    core_metadata: Option<CoreMetadata>,
    #[serde(default, rename = "dist-info-metadata")]
    dist_info_metadata: Option<CoreMetadata>,
    #[serde(default, rename = "data-dist-info-metadata")]
    data_dist_info_metadata: Option<CoreMetadata>,
}

/// A file whose name is one of a wheel or sdist of the project, and whose digest is known.
struct Candidate {
    said: DocumentFile,
    version: Version,
    sha256: Sha256,
    url: Url,
}

/// A page that was read; what of it is passed on is not decided yet.
pub(super) struct Judged {
    candidates: Vec<Candidate>,
    versions: Vec<String>,
    project_status: Option<ProjectStatus>,
    etag: Option<String>,
}

/// Reads a page and leaves out what can never be passed on.
pub(super) fn judge(name: &str, raw: RawPage) -> Result<Judged, IndexError> {
    let document = read(name, &raw)?;
    let candidate = |file: DocumentFile| {
        let parsed = file.filename.parse::<DistributionFilename>().ok()?;
        let sha256 = file.hashes.get("sha256")?.parse().ok()?;
        let mut url = raw.url.join(&file.url).ok()?;
        url.set_fragment(None);
        let sound = parsed.name.normalized() == name;
        sound.then_some(Candidate { said: file, version: parsed.version, sha256, url })
    };
    Ok(Judged {
        candidates: document.files.into_iter().filter_map(candidate).collect(),
        versions: document.versions,
        project_status: document.project_status,
        etag: raw.etag,
    })
}

impl Judged {
    /// The digest that the page gives each file.
    pub(super) fn digests(&self) -> impl Iterator<Item = (&str, &Sha256)> + Clone {
        self.candidates.iter().map(|file| (file.said.filename.as_str(), &file.sha256))
    }

    /// Rewrites the page: links lead here. A file whose digest differs from the pinned one is left out, and one
    /// that is too young.
    pub(super) fn pass_on(self, name: &str, pins: &Pins, age: &CoolDown) -> UpstreamPage {
        let (mut listed, mut files) = (Vec::new(), HashMap::new());
        let (mut shown, mut young) = (BTreeSet::new(), BTreeSet::new());
        let (mut held_back, mut changed) = (0, 0);
        for Candidate { said, version, sha256, url } in self.candidates {
            let filename = said.filename.clone();
            if pins.refuses(&filename, &sha256) {
                tracing::warn!(
                    project = name,
                    digest = %sha256,
                    "upstream changed the digest of `{filename}`; it is left out"
                );
                changed += 1;
                continue;
            }
            // What was served once stays: a lock file may name it.
            if !pins.served(&filename) && !age.passes(name, &version, said.upload_time.as_deref()) {
                held_back += 1;
                young.insert(version);
                continue;
            }
            if files.contains_key(&filename) {
                continue;
            }
            shown.insert(version);
            let promised = [&said.core_metadata, &said.dist_info_metadata, &said.data_dist_info_metadata];
            let metadata = promised.iter().find_map(|promised| match promised {
                Some(CoreMetadata::Hashes(hashes)) => hashes.get("sha256")?.parse::<Sha256>().ok(),
                _ => None,
            });
            listed.push(page_file(&said, &sha256, metadata.as_ref()));
            files.insert(filename.clone(), UpstreamFile { filename, sha256, url, metadata });
        }
        let hidden = |text: &String| {
            text.parse().is_ok_and(|version: Version| young.contains(&version) && !shown.contains(&version))
        };
        let mut versions: Vec<String> = self.versions.into_iter().filter(|text| !hidden(text)).collect();
        if versions.is_empty() {
            // Neither HTML nor JSON before API 1.1 names them; what lists files lists versions (PEP 700).
            versions = shown.iter().map(Version::to_string).collect();
        }
        let page = ProjectPage {
            meta: Meta::default(),
            name: name.to_owned(),
            versions,
            files: listed,
            project_status: self.project_status,
        };
        let (page, source) = (Page::default(), Arc::new(page));
        UpstreamPage { page, source, files, etag: self.etag, held_back, changed }
    }
}

fn page_file(file: &DocumentFile, sha256: &Sha256, metadata: Option<&Sha256>) -> PageFile {
    let hashes = |digest: &Sha256| BTreeMap::from([("sha256".to_owned(), digest.to_hex())]);
    let core_metadata =
        metadata.map_or(CoreMetadata::Flag(false), |digest| CoreMetadata::Hashes(hashes(digest)));
    PageFile {
        filename: file.filename.clone(),
        url: format!("../../../files/{sha256}/{}", encode_segment(&file.filename)),
        hashes: hashes(sha256),
        size: file.size,
        upload_time: file.upload_time.clone(),
        requires_python: file.requires_python.clone(),
        yanked: file.yanked.clone(),
        dist_info_metadata: core_metadata.clone(),
        core_metadata,
        provenance: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(raw: RawPage, pins: &Pins) -> Result<UpstreamPage, IndexError> {
        let rules = crate::upstream::Rules::new(&crate::config::UpstreamRules::default());
        let judged = judge("demo", raw)?;
        Ok(judged.pass_on("demo", pins, &rules.at(jiff::Timestamp::UNIX_EPOCH)))
    }

    fn raw(is_json: bool, body: &str) -> RawPage {
        let url = "http://127.0.0.1:1/root/demo/".parse().unwrap();
        RawPage { url, is_json, etag: None, body: body.to_owned().into() }
    }

    #[test]
    fn html_and_json_give_the_same_files() {
        let (a, m) = (Sha256::of(b"a"), Sha256::of(b"m"));
        let html = format!(
            "<html><body><a href='../../f/demo-1.0-py3-none-any.whl#sha256={a}' data-requires-python=\"&gt;=3.8\"\n \
             data-yanked=\"a > b\" data-core-metadata=\"sha256={m}\">demo-1.0-py3-none-any.whl</a>\
             <a href=\"x.exe\">x.exe</a><a href=\"demo-1.1.tar.gz\">demo-1.1.tar.gz</a></body>"
        );
        let json = format!(
            r#"{{"files":[{{"filename":"demo-1.0-py3-none-any.whl","url":"../../f/demo-1.0-py3-none-any.whl",
            "hashes":{{"sha256":"{a}"}},"requires-python":">=3.8","yanked":"a > b","core-metadata":{{"sha256":"{m}"}}}},
            {{"filename":"other-1.0-py3-none-any.whl","url":"o","hashes":{{"sha256":"{a}"}}}}]}}"#
        );
        let none = Pins::default();
        let from_html = rewritten(raw(false, &html), &none).unwrap();
        let from_json = rewritten(raw(true, &json), &none).unwrap();
        assert_eq!(from_html.source, from_json.source);
        assert_eq!(from_html.files.len(), 1);
        assert_eq!(from_html.source.versions, ["1.0"]);
        let file = &from_json.files["demo-1.0-py3-none-any.whl"];
        assert_eq!(file.url.as_str(), "http://127.0.0.1:1/f/demo-1.0-py3-none-any.whl");
        assert_eq!(file.metadata, Some(m));
    }

    #[test]
    fn a_changed_digest_is_left_out() {
        let (a, b) = (Sha256::of(b"a"), Sha256::of(b"b"));
        let html = format!("<a href=\"demo-1.0.tar.gz#sha256={a}\">demo-1.0.tar.gz</a>");
        let pins = Pins::of([("demo-1.0.tar.gz".to_owned(), b)]);
        let page = rewritten(raw(false, &html), &pins).unwrap();
        assert_eq!((page.files.len(), page.changed), (0, 1));
    }

    #[test]
    fn links_are_relative_to_the_base_and_named_by_their_path() {
        let a = Sha256::of(b"a");
        let html = format!(
            "<BASE href='/mirror/'><A\nHREF=f/demo-1.0%2Blocal-py3-none-any.whl?x=1#sha256={a}>here</A>\
             <a href='../'>up</a><a href='f/demo-2.0.tar.gz#sha256={a}'>demo-2.0.tar.gz</a>\
             <a href='g/demo-2.0.tar.gz#sha256={a}'>demo-2.0.tar.gz</a>"
        );
        let page = rewritten(raw(false, &html), &Pins::default()).unwrap();
        assert_eq!(page.source.versions, ["1.0+local", "2.0"]);
        assert_eq!(page.source.files.len(), 2, "each once");
        let file = &page.files["demo-1.0+local-py3-none-any.whl"];
        assert_eq!(file.url.as_str(), "http://127.0.0.1:1/mirror/f/demo-1.0%2Blocal-py3-none-any.whl?x=1");
        assert_eq!(page.files["demo-2.0.tar.gz"].url.path(), "/mirror/f/demo-2.0.tar.gz");
    }

    #[test]
    fn versions_that_are_named_stay_as_they_are() {
        let a = Sha256::of(b"a");
        let file = format!(r#"{{"filename":"demo-1.0.tar.gz","url":"x","hashes":{{"sha256":"{a}"}}}}"#);
        for (versions, expected) in
            [(r#","versions":["1.00","0.9"]"#, ["1.00", "0.9"].as_slice()), ("", &["1.0"])]
        {
            let json = format!(r#"{{"files":[{file}]{versions}}}"#);
            assert_eq!(rewritten(raw(true, &json), &Pins::default()).unwrap().source.versions, expected);
        }
    }

    #[test]
    fn a_page_with_too_many_files_is_refused() {
        let json = format!(r#"{{"files":[{}]}}"#, vec![r#"{"filename":"x","url":"x"}"#; MOST + 1].join(","));
        let html = "<a href=x></a>".repeat(MOST + 1);
        for (is_json, body) in [(true, json), (false, html)] {
            let refused = rewritten(raw(is_json, &body), &Pins::default()).unwrap_err().to_string();
            assert!(refused.contains("100000"), "{refused}");
        }
    }

    #[test]
    fn malformed_pages_are_errors() {
        assert!(rewritten(raw(true, "nonsense"), &Pins::default()).is_err());
        assert!(rewritten(raw(false, "<a href=\"x"), &Pins::default()).unwrap().files.is_empty());
    }
}
