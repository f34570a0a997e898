//! What the artifacts hold: distribution files at the top and nothing else, as the manifest says (rows E11 to E13).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;

use shipway_dist::check::{Options, check_file};
use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::{Manifest, Severity, Sha256, Version, manifest};

use super::artifacts::{Downloaded, is_distribution};
use super::layout;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::forge::Run;
use crate::ops::forge::github::plain;
use crate::steps::forge::source::prefix_of;
use crate::steps::forge::{Making, short};

/// Largest manifest that is read.
const LARGEST_MANIFEST: u64 = 4 << 20;
/// Most members of an artifact.
const MOST_MEMBERS: usize = 2000;
/// Most bytes that an artifact may unfold to.
pub(super) const MOST_BYTES: u64 = 8 << 30;

/// What the contents are compared with.
pub(super) struct Expected<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) run: &'a Run,
    pub(super) version: &'a Version,
    pub(super) manifest_sha256: Option<Sha256>,
}

/// What was taken out of the artifacts.
pub(super) struct Taken {
    pub(super) manifest: Manifest,
    pub(super) manifest_sha256: Sha256,
    /// The signed build statement that lay beside the manifest.
    pub(super) statement: Option<Vec<u8>>,
}

/// A member that was written while hashing.
pub(super) struct Written {
    filename: String,
    size: u64,
    sha256: Sha256,
}

/// Takes the files out of the artifacts into `folder` and compares them with the manifest and with their metadata.
pub(super) fn take(
    expected: &Expected<'_>,
    making: &mut Making,
    downloaded: &[Downloaded],
    folder: &Path,
) -> Result<Option<Taken>> {
    let settings = &expected.context.config.forge;
    let mut written = Vec::new();
    let mut found = Records::default();
    let is_combined = settings.artifact == settings.manifest_artifact;
    let layout =
        layout::Layout { version: expected.version.to_string(), prefix: prefix_of(expected.context)? };
    let mut problems = Vec::new();
    for one in downloaded {
        let is_manifest =
            one.artifact.name == settings.manifest_artifact || one.artifact.name == "manifest.json";
        let result = if is_manifest && is_combined && one.artifact.name == settings.artifact {
            layout::unfold_both(one, &layout, folder, &mut written, &mut found)
        } else if is_manifest {
            layout::read_records(one, &layout, &mut found)
        } else {
            unfold(one, folder, &mut written)
        };
        match result {
            Ok(()) => {}
            Err(Unfit::Because(why)) => problems.push(format!("`{}`: {why}", plain(&one.artifact.name))),
            Err(Unfit::Failed(error)) => return Err(error),
        }
    }
    let ok = problems.is_empty();
    let detail = if ok { format!("{} distribution files", written.len()) } else { problems.join("; ") };
    let (true, Some(bytes)) = (making.check("artifact-members", ok, detail), found.manifest) else {
        return Ok(None);
    };
    let Some(mut taken) = compare(expected, making, &bytes, &written) else { return Ok(None) };
    taken.statement = found.statement;
    metadata(expected, making, folder, &written)?;
    Ok(making.holds().then_some(taken))
}

/// What shipway wrote about the build.
#[derive(Default)]
pub(super) struct Records {
    pub(super) manifest: Option<Vec<u8>>,
    pub(super) statement: Option<Vec<u8>>,
}

/// Why an artifact cannot be taken apart.
pub(super) enum Unfit {
    /// What it holds refuses it.
    Because(String),
    /// The disk failed.
    Failed(Error),
}

impl From<String> for Unfit {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

/// Whether an artifact is the file itself and not a zip of it: by the type that the server gave, then by content.
pub(super) fn is_raw(one: &Downloaded) -> std::result::Result<bool, Unfit> {
    let mut magic = [0; 4];
    let mut file =
        File::open(&one.path).map_err(|error| Unfit::Failed(Error::io("read", &one.path, &error)))?;
    let read = file.read(&mut magic).map_err(|error| Unfit::Failed(Error::io("read", &one.path, &error)))?;
    let is_zip = magic[..read].starts_with(b"PK");
    if !is_zip {
        return Ok(true);
    }
    if !one.artifact.name.ends_with(".whl") {
        return Ok(false);
    }
    // A wheel is a zip too: one that was wrapped holds exactly itself.
    let wrapped = names(&open(&one.path)?).iter().all(|name| *name == one.artifact.name);
    Ok(!wrapped)
}

pub(super) fn open(path: &Path) -> std::result::Result<zip::ZipArchive<File>, Unfit> {
    let file = File::open(path).map_err(|error| Unfit::Failed(Error::io("read", path, &error)))?;
    zip::ZipArchive::new(file).map_err(|error| Unfit::Because(format!("it is no zip file ({error})")))
}

/// The names of the members; what cannot be decoded is no name that anything is looked for by.
fn names(archive: &zip::ZipArchive<File>) -> Vec<String> {
    archive.file_names().map(|name| name.map_or_else(|_| "?".to_owned(), Into::into)).collect()
}

/// The members of a zip, each a plain file at the top, each name once; nothing is inflated.
fn members(one: &Downloaded) -> std::result::Result<zip::ZipArchive<File>, Unfit> {
    members_of(one, false)
}

/// As [`members`]; with `folders`, files may lie in folders, and folders are members too.
pub(super) fn members_of(
    one: &Downloaded,
    folders: bool,
) -> std::result::Result<zip::ZipArchive<File>, Unfit> {
    // The strict reader sees what a lenient one would unfold twice, or elsewhere.
    let limits = shipway_dist::archive::Limits { members: MOST_MEMBERS as u64, ..Default::default() };
    let listed = shipway_dist::archive::list_members(&one.path, "artifact.whl", &limits)
        .map_err(|error| Unfit::Because(error.to_string()))?;
    let mut names = BTreeSet::new();
    for member in &listed {
        if member.name.contains('/') && !folders {
            return Err(Unfit::Because(format!("`{}` lies in a folder", plain(&member.name))));
        }
        if !names.insert(member.name.to_lowercase()) {
            return Err(Unfit::Because(format!("two members are called `{}`", plain(&member.name))));
        }
    }
    let mut archive = open(&one.path)?;
    let is_folder = |name: &String| folders && name.ends_with('/');
    let files = self::names(&archive).iter().filter(|name| !is_folder(name)).count();
    if files != listed.len() {
        return Err(Unfit::Because(format!("{} members are files, {files} are listed", listed.len())));
    }
    for at in 0..archive.len() {
        let member = archive.by_index_raw(at).map_err(|error| error.to_string())?;
        let name = plain(&member.name().map_err(|error| error.to_string())?);
        let kind = member.unix_mode().map_or(0, |mode| mode & 0o170_000);
        if folders && member.is_dir() && matches!(kind, 0 | 0o040_000) {
            continue;
        }
        if member.is_dir() || !matches!(kind, 0 | 0o100_000) {
            return Err(Unfit::Because(format!("`{name}` is a link or no plain file")));
        }
        if member.encrypted() {
            return Err(Unfit::Because(format!("`{name}` is encrypted")));
        }
    }
    Ok(archive)
}

/// Writes the distribution files of an artifact into the folder.
fn unfold(one: &Downloaded, folder: &Path, written: &mut Vec<Written>) -> std::result::Result<(), Unfit> {
    if is_distribution(&one.artifact.name) && is_raw(one)? {
        let filename = plain_filename(&one.artifact.name)?;
        let mut file =
            File::open(&one.path).map_err(|error| Unfit::Failed(Error::io("read", &one.path, &error)))?;
        return write(&mut file, &filename, folder, written, MOST_BYTES);
    }
    let mut archive = members(one)?;
    if archive.is_empty() {
        return Err(Unfit::Because("it is empty".to_owned()));
    }
    let mut left = MOST_BYTES;
    for at in 0..archive.len() {
        let mut member = archive.by_index(at).map_err(|error| error.to_string())?;
        let filename = plain_filename(&member.name().map_err(|error| error.to_string())?)?;
        write(&mut member, &filename, folder, written, left)?;
        left = left.saturating_sub(written.last().map_or(0, |one| one.size));
    }
    Ok(())
}

/// The name, when it is that of a distribution file and no path.
pub(super) fn plain_filename(name: &str) -> std::result::Result<String, Unfit> {
    if !is_distribution(name) {
        return Err(Unfit::Because(format!("`{}` is no distribution file", plain(name))));
    }
    if name.contains(['/', '\\']) || name.starts_with('.') || name.chars().any(char::is_control) {
        return Err(Unfit::Because(format!("`{}` is no plain file name", plain(name))));
    }
    name.parse::<DistributionFilename>().map_err(|error| error.to_string())?;
    Ok(name.to_owned())
}

pub(super) fn write(
    from: &mut dyn Read,
    filename: &str,
    folder: &Path,
    written: &mut Vec<Written>,
    limit: u64,
) -> std::result::Result<(), Unfit> {
    let path = folder.join(filename);
    let failed = |error: &std::io::Error| Unfit::Failed(Error::io("write", &path, error));
    let mut file = match File::create_new(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Unfit::Because(format!("two artifacts hold `{filename}`")));
        }
        Err(error) => return Err(failed(&error)),
    };
    let mut hasher = shipway_dist::digest::Hasher::default();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0_u64;
    loop {
        // What breaks off or does not fit its checksum is the artifact's fault, not the disk's.
        let read = from.read(&mut buffer).map_err(|error| format!("`{filename}` is damaged ({error})"))?;
        if read == 0 {
            break;
        }
        size += read as u64;
        if size > limit {
            return Err(Unfit::Because(format!("it unfolds to more than {MOST_BYTES} bytes")));
        }
        hasher.update(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(|error| failed(&error))?;
    }
    let (sha256, size) = hasher.finish();
    written.push(Written { filename: filename.to_owned(), size, sha256 });
    Ok(())
}

/// Reads a record, which is small.
pub(super) fn read_small(from: &mut dyn Read) -> std::result::Result<Vec<u8>, Unfit> {
    let mut bytes = Vec::new();
    from.take(LARGEST_MANIFEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST_MANIFEST {
        return Err(Unfit::Because(format!("it is larger than {LARGEST_MANIFEST} bytes")));
    }
    Ok(bytes)
}

/// The manifest is of this run, version and project, and of exactly these bytes; notes the check `manifest`.
fn compare(expected: &Expected<'_>, making: &mut Making, bytes: &[u8], written: &[Written]) -> Option<Taken> {
    let manifest_sha256 = Sha256::of(bytes);
    let manifest: Manifest = match serde_json::from_slice(bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            making.check("manifest", false, format!("it cannot be read: {error}"));
            return None;
        }
    };
    let mut problems = Vec::new();
    let mut differ = |what: &str, found: String, wanted: String| {
        if found != wanted {
            problems.push(format!("{what} is `{}`, expected `{}`", plain(&found), plain(&wanted)));
        }
    };
    let run = expected.run;
    differ("schema", manifest.schema.clone(), manifest::SCHEMA.to_owned());
    differ(
        "project",
        manifest.project.normalized().to_owned(),
        expected.context.config.name.normalized().to_owned(),
    );
    differ("version", manifest.version.to_string(), expected.version.to_string());
    differ("commit", manifest.commit.clone(), run.head_sha.clone());
    differ("run", manifest.run.clone().unwrap_or_default(), run.id.to_string());
    if let (Some(attempt), Some(last)) = (manifest.attempt, run.run_attempt) {
        // A job that was not run again keeps its artifact from an earlier attempt.
        if attempt > last {
            differ("attempt", attempt.to_string(), last.to_string());
        }
    }
    if let Some(pinned) = expected.manifest_sha256 {
        differ("its sha256", manifest_sha256.to_string(), pinned.to_string());
    }
    for file in &manifest.files {
        match written.iter().find(|one| one.filename == file.filename) {
            None => problems.push(format!("`{}` is not among the artifacts", plain(&file.filename))),
            Some(one) if one.sha256 != file.sha256 || one.size != file.size => problems.push(format!(
                "`{}` has sha256 `{}`, the manifest says `{}`",
                file.filename, one.sha256, file.sha256
            )),
            Some(_) => {}
        }
    }
    for one in written {
        let count = manifest.files.iter().filter(|file| file.filename == one.filename).count();
        if count != 1 {
            problems.push(format!("`{}` stands {count} times in the manifest", one.filename));
        }
    }
    let ok = problems.is_empty();
    let detail = if ok {
        format!("{} files of `{}`", manifest.files.len(), short(&manifest.commit))
    } else {
        problems.join("; ")
    };
    making.check("manifest", ok, detail).then_some(Taken { manifest, manifest_sha256, statement: None })
}

/// Name and version in the metadata of each file (row E11); notes the check `distribution-metadata`.
fn metadata(expected: &Expected<'_>, making: &mut Making, folder: &Path, written: &[Written]) -> Result<()> {
    let config = &expected.context.config;
    let mut problems = Vec::new();
    let (mut wheels, mut sdists) = (0, 0);
    for one in written {
        let path = folder.join(&one.filename);
        let report = check_file(&path, &one.filename, &Options::default())
            .map_err(|error| Error::io("read", &path, &error))?;
        let mut findings = report.findings.clone();
        crate::config::weigh(&config.levels, &mut findings);
        problems.extend(
            findings
                .iter()
                .filter(|finding| finding.severity == Severity::Error)
                .take(3)
                .map(|finding| format!("`{}`: {}", one.filename, plain(&finding.message))),
        );
        if let Some(parsed) = &report.parsed {
            match parsed.kind {
                Kind::Wheel => wheels += 1,
                Kind::Sdist => sdists += 1,
            }
        }
        let Some(metadata) = &report.metadata else {
            problems.push(format!("`{}` has no metadata", one.filename));
            continue;
        };
        let name = shipway_dist::name::normalize(&metadata.name);
        if name != config.name.normalized() {
            problems.push(format!(
                "`{}` is of `{}`, not of `{}`",
                one.filename,
                plain(&metadata.name),
                config.name
            ));
        }
        if metadata.version.parse::<Version>().ok().as_ref() != Some(expected.version) {
            problems.push(format!(
                "`{}` has version `{}`, not `{}`",
                one.filename,
                plain(&metadata.version),
                expected.version
            ));
        }
    }
    if wheels == 0 || sdists != 1 {
        problems.push(format!("expected one sdist and a wheel, found {sdists} and {wheels}"));
    }
    let ok = problems.is_empty();
    let detail =
        if ok { format!("all are of {} {}", config.name, expected.version) } else { problems.join("; ") };
    making.check("distribution-metadata", ok, detail);
    Ok(())
}
