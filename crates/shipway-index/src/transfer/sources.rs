//! Where distribution files come from that another index, or nobody, held: a folder, an export of devpi-server, a
//! simple index in JSON or HTML.
//!
//! A source lists files with what is known of each: digests, upload time, yank. It refuses to judge them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use shipway_dist::digest::Sha256;
use shipway_dist::name::ProjectName;
use shipway_dist::simple::html::{Element, elements};
use shipway_dist::simple::{ProjectList, Yanked};
use url::Url;

use crate::accept::Known;
use crate::config::{Upstream, time_text};
use crate::error::IndexError;
use crate::upstream::client::{Answer, Client};
use crate::upstream::page;

/// Names that end so are distribution files, or were once.
const DISTRIBUTIONS: [&str; 10] =
    [".whl", ".tar.gz", ".zip", ".egg", ".exe", ".msi", ".rpm", ".tar.bz2", ".tar.xz", ".tgz"];

/// How long an answer of an index may stand still.
const STALL: Duration = Duration::from_secs(60);

/// Another place of distribution files.
#[derive(Debug, Clone)]
pub enum Source {
    /// A folder and those below it; also an export of devpi-server, whose `dataindex.json` says more of the files.
    Folder(PathBuf),
    /// A simple index; user and password may stand in the URL.
    Simple(String),
}

/// A file of a source.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) filename: String,
    pub(super) place: Place,
    /// Digests by algorithm, in hex.
    pub(super) hashes: BTreeMap<String, String>,
    pub(super) known: Known,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Path(PathBuf),
    Url(Url),
}

impl Item {
    /// The digest that the source promises, when it is the one that the index uses.
    pub(super) fn sha256(&self) -> Option<Sha256> {
        self.hashes.get("sha256")?.parse().ok()
    }
}

/// A source that was found.
pub(super) struct Opened {
    pub(super) items: Vec<Item>,
    pub(super) client: Option<Client>,
}

impl Source {
    /// Lists all files, or those of some projects.
    pub(super) async fn open(&self, projects: &[ProjectName]) -> Result<Opened, IndexError> {
        let mut opened = match self {
            Self::Folder(folder) => {
                let folder = folder.clone();
                let items = tokio::task::spawn_blocking(move || folder_items(&folder)).await??;
                Opened { items, client: None }
            }
            Self::Simple(url) => {
                let client = Client::connect(&Upstream::Url(url.clone()), STALL).await?;
                let items = simple_items(&client, projects).await?;
                Opened { items, client: Some(client) }
            }
        };
        if !projects.is_empty() {
            opened.items.retain(|item| {
                let parsed = item.filename.parse::<shipway_dist::filename::DistributionFilename>();
                parsed.is_ok_and(|parsed| projects.contains(&parsed.name))
            });
        }
        opened.items.sort_by(|one, other| one.filename.cmp(&other.filename));
        opened.items.dedup_by(|one, other| one.filename == other.filename && one.hashes == other.hashes);
        Ok(opened)
    }
}

/// What devpi-server writes beside the files that it exports; much more stands there.
#[derive(Deserialize)]
struct DataIndex {
    indexes: BTreeMap<String, DataOfIndex>,
}

#[derive(Deserialize)]
struct DataOfIndex {
    #[serde(default)]
    files: Vec<DataOfFile>,
}

/// What is said of each file.
fn files_of_devpi(text: &[u8]) -> Result<Vec<DataOfFile>, serde_json::Error> {
    let data: DataIndex = serde_json::from_slice(text)?;
    Ok(data.indexes.into_values().flat_map(|index| index.files).collect())
}

/// What an export of devpi-server says of digests and times, for the fuzz target.
pub(super) fn said_by_devpi(text: &[u8]) -> Vec<(BTreeMap<String, String>, Option<String>)> {
    let files = files_of_devpi(text).unwrap_or_default();
    files.iter().map(|file| (file.hashes(), file.uploaded_at())).collect()
}

#[derive(Deserialize)]
struct DataOfFile {
    relpath: String,
    #[serde(default)]
    entrymapping: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    log: Vec<DataOfLog>,
}

#[derive(Deserialize)]
struct DataOfLog {
    #[serde(default)]
    what: String,
    /// Year, month, day, hour, minute, second, in UTC.
    #[serde(default)]
    when: Vec<i64>,
}

impl DataOfFile {
    fn hashes(&self) -> BTreeMap<String, String> {
        let text = |key: &str| self.entrymapping.get(key).and_then(serde_json::Value::as_str);
        let mut hashes = BTreeMap::new();
        // Servers before 2.1 wrote this one.
        hashes.extend(text("md5").map(|hex| ("md5".to_owned(), hex.to_owned())));
        if let Some((algorithm, hex)) = text("hash_spec").and_then(|spec| spec.split_once('=')) {
            hashes.insert(algorithm.to_owned(), hex.to_owned());
        }
        if let Some(all) = self.entrymapping.get("hashes").and_then(serde_json::Value::as_object) {
            let pair =
                |(name, hex): (&String, &serde_json::Value)| Some((name.clone(), hex.as_str()?.to_owned()));
            hashes.extend(all.iter().filter_map(pair));
        }
        hashes
    }

    fn uploaded_at(&self) -> Option<String> {
        let when = &self.log.iter().find(|entry| entry.what == "upload")?.when;
        let [year, month, day, hour, minute, second] = when.get(..6)?.try_into().ok()?;
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        text.parse::<Timestamp>().ok().map(time_text)
    }
}

fn folder_items(root: &Path) -> Result<Vec<Item>, IndexError> {
    let mut paths = Vec::new();
    walk(root, &mut paths)?;
    let said = root.join("dataindex.json");
    let mut known: BTreeMap<PathBuf, DataOfFile> = BTreeMap::new();
    if said.exists() {
        let text = std::fs::read(&said).map_err(IndexError::io("read", &said))?;
        let files = files_of_devpi(&text).map_err(|error| IndexError::Export {
            why: format!("`{}` is not what devpi-server writes: {error}", said.display()),
        })?;
        known.extend(files.into_iter().map(|file| (root.join(&file.relpath), file)));
    }
    let item = |path: PathBuf| {
        let filename = path.file_name()?.to_str()?.to_owned();
        let is_one = DISTRIBUTIONS.iter().any(|end| filename.to_lowercase().ends_with(end));
        let said = known.get(&path);
        is_one.then(|| Item {
            filename,
            hashes: said.map(DataOfFile::hashes).unwrap_or_default(),
            known: Known {
                source: Some("a folder".to_owned()),
                uploaded_at: said.and_then(DataOfFile::uploaded_at),
                yanked: None,
            },
            place: Place::Path(path),
        })
    };
    Ok(paths.into_iter().filter_map(item).collect())
}

/// Every file below a folder; links are not followed.
fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), IndexError> {
    for entry in std::fs::read_dir(folder).map_err(IndexError::io("read", folder))? {
        let entry = entry.map_err(IndexError::io("read", folder))?;
        let kind = entry.file_type().map_err(IndexError::io("read", entry.path()))?;
        if kind.is_dir() {
            walk(&entry.path(), paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}

async fn simple_items(client: &Client, projects: &[ProjectName]) -> Result<Vec<Item>, IndexError> {
    let names = match projects {
        [] => listed_projects(client).await?,
        some => some.iter().map(|name| name.normalized().to_owned()).collect(),
    };
    let mut items = Vec::new();
    for name in names {
        let raw = match client.page(&name, None).await? {
            Answer::Page(raw) => raw,
            // It was removed since the list was made, or is not there.
            Answer::Absent | Answer::Unchanged => continue,
        };
        for file in page::read(&name, &raw)?.files {
            let Ok(mut url) = raw.url.join(&file.url) else { continue };
            url.set_fragment(None);
            let uploaded_at = file.upload_time.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
            items.push(Item {
                filename: file.filename,
                place: Place::Url(url),
                hashes: file.hashes,
                known: Known {
                    source: Some(client.base().to_string()),
                    uploaded_at: uploaded_at.map(time_text),
                    yanked: match file.yanked {
                        Yanked::Flag(false) => None,
                        Yanked::Flag(true) => Some(String::new()),
                        Yanked::Reason(reason) => Some(reason),
                    },
                },
            });
        }
    }
    Ok(items)
}

async fn listed_projects(client: &Client) -> Result<Vec<String>, IndexError> {
    let nothing = || IndexError::Upstream { why: format!("`{}` is no simple index", client.base()) };
    let Answer::Page(raw) = client.list().await? else { return Err(nothing()) };
    let names: Vec<String> = if raw.is_json {
        let list: ProjectList = serde_json::from_slice(&raw.body).map_err(|_| nothing())?;
        list.projects.into_iter().map(|entry| entry.name).collect()
    } else {
        // The text of a link is the name of the project (PEP 503).
        let name = |element| match element {
            Element::Anchor(anchor) => Some(anchor.text.trim_end_matches('/').to_owned()),
            Element::Base(_) => None,
        };
        elements(&raw.body).filter_map(name).collect()
    };
    // What is no name of a project is a link to something else.
    let mut names: Vec<String> = names
        .iter()
        .filter_map(|name| name.parse::<ProjectName>().ok())
        .map(|name| name.normalized().to_owned())
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i15_an_export_of_devpi_says_digest_and_time() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("team/dev/demo")).unwrap();
        std::fs::write(folder.path().join("team/dev/demo/demo-1.0-py3-none-any.whl"), b"x").unwrap();
        std::fs::write(folder.path().join("notes.txt"), b"x").unwrap();
        let data = r#"{"indexes": {"team/dev": {"files": [{"type": "releasefile",
            "relpath": "team/dev/demo/demo-1.0-py3-none-any.whl",
            "entrymapping": {"hash_spec": "sha256=ab"}, "log": [{"what": "upload", "when": [2020, 2, 3, 4, 5, 6]}]}]}}}"#;
        std::fs::write(folder.path().join("dataindex.json"), data).unwrap();
        let items = folder_items(folder.path()).unwrap();
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].hashes["sha256"], "ab");
        assert_eq!(items[0].known.uploaded_at.as_deref(), Some("2020-02-03T04:05:06.000000Z"));
    }

    #[test]
    fn i15_a_data_index_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dataindex.json"), b"[]").unwrap();
        assert!(matches!(folder_items(folder.path()), Err(IndexError::Export { .. })));
    }
}
