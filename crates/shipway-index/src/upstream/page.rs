//! Turns a page of upstream into a page of this index.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use pep440_rs::Version;
use serde::Deserialize;
use shipway_dist::digest::Sha256;
use shipway_dist::filename::DistributionFilename;
use shipway_dist::simple::{CoreMetadata, Meta, PageFile, ProjectPage, ProjectStatus, Yanked};
use url::Url;

use super::client::RawPage;
use super::rules::CoolDown;
use crate::error::IndexError;
use crate::pages::{Body, Coding, Format, Page, text};
use crate::project::encode_segment;

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
    source: Arc<ProjectPage>,
    pub(crate) files: HashMap<String, UpstreamFile>,
    pub(super) etag: Option<String>,
    /// How many files are too young to be listed.
    pub(super) held_back: usize,
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

/// Reads a page as another index wrote it.
pub(crate) fn read(name: &str, is_json: bool, body: &[u8]) -> Result<Document, IndexError> {
    let malformed =
        |why: String| IndexError::Upstream { why: format!("the page of `{name}` cannot be read: {why}") };
    if is_json {
        return serde_json::from_slice(body).map_err(|error| malformed(error.to_string()));
    }
    let text = std::str::from_utf8(body).map_err(|error| malformed(error.to_string()))?;
    Ok(Document { files: anchors(text), versions: Vec::new(), project_status: None })
}

/// What is read of a JSON page; indexes differ in what they leave out.
#[derive(Deserialize)]
pub(crate) struct Document {
    #[serde(default)]
    pub(crate) files: Vec<DocumentFile>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default, rename = "project-status")]
    project_status: Option<ProjectStatus>,
}

#[derive(Deserialize)]
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

/// Rewrites a page: links lead here, and only files whose digest is known are listed.
///
/// A file whose name is not one of a wheel or sdist of this project is left out, as is one whose digest
/// differs from the pinned one, and one that is too young.
pub(super) fn rewrite(
    name: &str,
    raw: RawPage,
    pins: &HashMap<String, Sha256>,
    age: &CoolDown,
) -> Result<UpstreamPage, IndexError> {
    let document = read(name, raw.is_json, &raw.body)?;
    let (mut listed, mut files) = (Vec::new(), HashMap::new());
    let (mut shown, mut young) = (BTreeSet::new(), BTreeSet::new());
    let mut held_back = 0;
    for file in document.files {
        let Ok(parsed) = file.filename.parse::<DistributionFilename>() else { continue };
        let Some(sha256) = file.hashes.get("sha256").and_then(|text| text.parse::<Sha256>().ok()) else {
            continue;
        };
        let Ok(mut url) = raw.url.join(&file.url) else { continue };
        url.set_fragment(None);
        if parsed.name.normalized() != name {
            continue;
        }
        if pins.get(&file.filename).is_some_and(|pinned| *pinned != sha256) {
            tracing::warn!(
                project = name,
                "upstream changed the digest of `{}`; it is left out",
                file.filename
            );
            continue;
        }
        // What was served once stays: a lock file may name it.
        let known = pins.contains_key(&file.filename);
        if !known && !age.passes(name, &parsed.version, file.upload_time.as_deref()) {
            held_back += 1;
            young.insert(parsed.version);
            continue;
        }
        shown.insert(parsed.version);
        let promised = [&file.core_metadata, &file.dist_info_metadata, &file.data_dist_info_metadata];
        let metadata = promised.iter().find_map(|promised| match promised {
            Some(CoreMetadata::Hashes(hashes)) => hashes.get("sha256")?.parse::<Sha256>().ok(),
            _ => None,
        });
        listed.push(page_file(&file, &sha256, metadata.as_ref()));
        let filename = file.filename;
        files.insert(filename.clone(), UpstreamFile { filename, sha256, url, metadata });
    }
    let hidden = |text: &String| {
        text.parse().is_ok_and(|version: Version| young.contains(&version) && !shown.contains(&version))
    };
    let versions = document.versions.into_iter().filter(|text| !hidden(text)).collect();
    let page = ProjectPage {
        meta: Meta::default(),
        name: name.to_owned(),
        versions,
        files: listed,
        project_status: document.project_status,
    };
    Ok(UpstreamPage { page: Page::default(), source: Arc::new(page), files, etag: raw.etag, held_back })
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

/// The anchors of an HTML page (PEP 503). Attributes are read as every index writes them: quoted.
pub(crate) fn anchors(html: &str) -> Vec<DocumentFile> {
    let mut files = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find("<a ").or_else(|| rest.find("<a\n")) {
        rest = &rest[at + 2..];
        let Some(end) = end_of_tag(rest) else { break };
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let Some(close) = after.find("</a>") else { break };
        let filename = unescape(after[..close].trim());
        let Some(href) = attribute(tag, "href") else { continue };
        let fragment = href.rsplit_once('#').map(|(_, fragment)| fragment).unwrap_or_default();
        let digest = |text: &str| {
            let (algorithm, hex) = text.split_once('=')?;
            Some((algorithm.to_ascii_lowercase(), hex.to_owned()))
        };
        let metadata =
            attribute(tag, "data-core-metadata").or_else(|| attribute(tag, "data-dist-info-metadata"));
        files.push(DocumentFile {
            filename,
            hashes: digest(fragment).into_iter().collect(),
            url: href,
            size: None,
            upload_time: None,
            requires_python: attribute(tag, "data-requires-python"),
            yanked: match attribute(tag, "data-yanked") {
                None => Yanked::Flag(false),
                Some(reason) if reason.is_empty() => Yanked::Flag(true),
                Some(reason) => Yanked::Reason(reason),
            },
            core_metadata: metadata
                .and_then(|text| digest(&text))
                .map(|pair| CoreMetadata::Hashes([pair].into())),
            dist_info_metadata: None,
            data_dist_info_metadata: None,
        });
    }
    files
}

/// Where a tag ends, quoted `>` left aside.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let at = rest.find(name)?;
        let before = rest[..at].chars().next_back();
        let after = rest[at + name.len()..].trim_start();
        rest = &rest[at + name.len()..];
        if before.is_some_and(|c| !c.is_whitespace()) {
            continue;
        }
        let Some(value) = after.strip_prefix('=') else { continue };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        return value[1..].split(quote).next().map(unescape);
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(raw: RawPage, pins: &HashMap<String, Sha256>) -> Result<UpstreamPage, IndexError> {
        let rules = crate::upstream::Rules::new(&crate::config::UpstreamRules::default());
        rewrite("demo", raw, pins, &rules.at(jiff::Timestamp::UNIX_EPOCH))
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
        let none = HashMap::new();
        let from_html = rewritten(raw(false, &html), &none).unwrap();
        let from_json = rewritten(raw(true, &json), &none).unwrap();
        assert_eq!(from_html.source, from_json.source);
        assert_eq!(from_html.files.len(), 1);
        let file = &from_json.files["demo-1.0-py3-none-any.whl"];
        assert_eq!(file.url.as_str(), "http://127.0.0.1:1/f/demo-1.0-py3-none-any.whl");
        assert_eq!(file.metadata, Some(m));
    }

    #[test]
    fn a_changed_digest_is_left_out() {
        let (a, b) = (Sha256::of(b"a"), Sha256::of(b"b"));
        let html = format!("<a href=\"demo-1.0.tar.gz#sha256={a}\">demo-1.0.tar.gz</a>");
        let pins = HashMap::from([("demo-1.0.tar.gz".to_owned(), b)]);
        assert!(rewritten(raw(false, &html), &pins).unwrap().files.is_empty());
    }

    #[test]
    fn malformed_pages_are_errors() {
        assert!(rewritten(raw(true, "nonsense"), &HashMap::new()).is_err());
        assert!(rewritten(raw(false, "<a href=\"x"), &HashMap::new()).unwrap().files.is_empty());
    }
}
