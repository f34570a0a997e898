//! Fills an index with made-up projects, to measure how the cost of things grows; not part of the interface.
//!
//! Rows are written by the store's own code, many in one transaction. Only the rows: the bytes of the files do
//! not exist, so pages, lists, look-ups and uploads are real and downloads of these files are not.

use std::time::Instant;

use pep440_rs::Version;
use serde_json::json;
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::name::ProjectName;

use crate::config::Config;
use crate::error::IndexError;
use crate::index::{Access, Index};
use crate::project::{Membership, Requires};
use crate::store::{self, Entry, NewFile, NewRelease, Write};

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The number of projects.
    pub projects: usize,
    /// The number of files of each, three a release.
    pub files: usize,
    /// The number of files of one project more, called `large`; none when zero.
    pub large: usize,
}

impl Size {
    /// The sizes by name: S a team, M a company, L more than one server is known to bear.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "S" => Some(Self { projects: 200, files: 10, large: 0 }),
            "M" => Some(Self { projects: 5_000, files: 20, large: 0 }),
            "L" => Some(Self { projects: 150_000, files: 10, large: 5_000 }),
            _ => None,
        }
    }
}

/// The files of a release.
const FILES: [&str; 3] = ["py3-none-any.whl", "cp312-cp312-manylinux_2_28_x86_64.whl", ".tar.gz"];
/// Projects in one transaction.
const BATCH: usize = 500;

/// Makes the projects `prefix-000000` and so on, all in the first channel, and says what it did so far.
///
/// # Errors
/// When the data directory cannot be used, or holds some of these files.
pub async fn generate(
    config: &Config,
    prefix: &str,
    size: Size,
    mut progress: impl FnMut(usize),
) -> Result<std::time::Duration, IndexError> {
    let began = Instant::now();
    let index = Index::open(config, Access { anonymous_read: false, ephemeral: None }).await?;
    let channels = index.cache.channels(&index.store).await?;
    let missing = || IndexError::Config { key: "channels", why: "there is none".to_owned() };
    let channel = channels.first().ok_or_else(missing)?.name.clone();
    let mut maker = Maker { at: index.clock.text(), channel };
    let mut made = 0;
    while made < size.projects {
        let mut write = index.store.write().await?;
        let until = (made + BATCH).min(size.projects);
        for number in made..until {
            maker.project(&mut write, &format!("{prefix}-{number:06}"), size.files).await?;
        }
        write.commit().await?;
        made = until;
        progress(made);
    }
    if size.large > 0 {
        let mut write = index.store.write().await?;
        maker.project(&mut write, "large", size.large).await?;
        write.commit().await?;
    }
    index.store.close().await;
    Ok(began.elapsed())
}

struct Maker {
    at: String,
    channel: ChannelName,
}

impl Maker {
    async fn project(&mut self, write: &mut Write, name: &str, files: usize) -> Result<(), IndexError> {
        let project: ProjectName =
            name.parse().map_err(|_| IndexError::bad_request(format!("`{name}` is no name of a project")))?;
        let entry = Entry {
            at: &self.at,
            actor: "synthetic",
            action: "upload",
            project: project.normalized(),
            object: name,
            detail: json!({ "channel": self.channel, "files": files }),
        };
        let (serial, record) = store::append(write, entry).await?;
        let membership = Membership { serial, record };
        let (mut left, mut minor) = (files, 0);
        while left > 0 {
            let version: Version = format!("1.{minor}.0")
                .parse()
                .map_err(|_| IndexError::Corrupt { place: "a made-up version", value: minor.to_string() })?;
            let release = NewRelease {
                name: &project,
                version: &version,
                commit: None,
                local: false,
                run: None,
                attempt: None,
                requires: &Requires::new(),
                at: &self.at,
                by: "synthetic",
            };
            store::upsert_release(write, &release).await?;
            for kind in FILES.iter().take(left) {
                self.file(write, &project, &version, kind).await?;
            }
            let of = (project.normalized(), &version);
            store::insert_membership(write, &self.channel, of, &membership, &self.at).await?;
            left = left.saturating_sub(FILES.len());
            minor += 1;
        }
        store::touch(write, project.normalized(), serial).await
    }

    async fn file(
        &self,
        write: &mut Write,
        project: &ProjectName,
        version: &Version,
        kind: &str,
    ) -> Result<(), IndexError> {
        let stem = project.normalized().replace('-', "_");
        let filename = match kind.strip_prefix('.') {
            Some(extension) => format!("{stem}-{version}.{extension}"),
            None => format!("{stem}-{version}-{kind}"),
        };
        let sha256 = Sha256::of(filename.as_bytes());
        let wheel = kind.ends_with(".whl");
        let file = NewFile {
            name: project,
            version,
            filename: &filename,
            sha256,
            size: 10_000 + filename.len() as u64,
            metadata_sha256: wheel.then_some(sha256),
            requires_python: Some(">=3.9"),
            at: &self.at,
            by: "synthetic",
        };
        store::insert_file(write, &file).await
    }
}
