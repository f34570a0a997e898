//! An sdist: one pass over the tar, then what it contains.

use std::collections::HashMap;
use std::io;

use crate::archive::Limits;
use crate::archive::path::{Clash, Names, check_name};
use crate::archive::source::ReadAt;
use crate::archive::tar::{self, Header, Kind, Reader};
use crate::check::Judged;
use crate::check::metadata::{self, fields};
use crate::filename::DistributionFilename;
use crate::finding::{Findings, shown};
use crate::metadata::Metadata;
use crate::rules::{framing, sdist as rules};

/// The largest `PKG-INFO`.
const MOST_CAPTURED: u64 = 8 << 20;
/// The largest `pyproject.toml`; a parsed document takes many times its size.
const MOST_PYPROJECT: u64 = 256 << 10;

/// What was read of an sdist.
#[derive(Default)]
struct Contents {
    /// `PKG-INFO` and `pyproject.toml` of each top directory, by their whole name.
    captured: HashMap<String, Vec<u8>>,
    /// The names of all members; directories end in `/`.
    names: Vec<Box<str>>,
    /// The top directory.
    top: Option<String>,
}

struct Link {
    at: u32,
    target: String,
    hard: bool,
}

/// Judges an sdist.
pub(super) fn judge(
    source: &dyn ReadAt,
    parsed: Option<&DistributionFilename>,
    limits: &Limits,
    findings: &mut Findings,
) -> io::Result<Judged> {
    let mut contents = Contents::default();
    let mut links = Vec::new();
    let complete = match pass(source, limits, &mut contents, &mut links, findings) {
        Ok(()) => true,
        Err(stop) => {
            tar::note(stop, findings)?;
            false
        }
    };
    if complete {
        check_top(&mut contents, parsed, findings);
        check_names(&contents.names, &links, findings);
    } else {
        contents.top = parsed.map(|parsed| format!("{}-{}", parsed.name_part, parsed.version_part));
    }
    Ok(contents.judge(complete, findings))
}

impl Contents {
    /// Judges `PKG-INFO` and `pyproject.toml`; what is missing counts only in a complete reading.
    fn judge(mut self, complete: bool, findings: &mut Findings) -> Judged {
        let mut judged = Judged::default();
        let Some(top) = self.top.take() else { return judged };
        let name = format!("{top}/PKG-INFO");
        match self.captured.remove(&name) {
            Some(bytes) => {
                judged.metadata = metadata::judge(&bytes, "PKG-INFO", findings);
                judged.metadata_bytes = Some(bytes);
            }
            None if complete => {
                findings.push(&rules::PKG_INFO, format!("`{}` is not there or too large", shown(&name)));
            }
            None => {}
        }
        if let Some(metadata) = &judged.metadata {
            self.check_metadata(metadata, &top, complete, findings);
        }
        let name = format!("{top}/pyproject.toml");
        match self.captured.get(&name) {
            Some(bytes) => check_pyproject(bytes, &name, findings),
            None if complete => {
                findings.push(&rules::PYPROJECT_MISSING, format!("there is no `{}`", shown(&name)));
            }
            None => {}
        }
        judged
    }

    fn check_metadata(&self, metadata: &Metadata, top: &str, complete: bool, findings: &mut Findings) {
        if !metadata.metadata_version.is_empty() && !fields::is_at_least(metadata, "2.2") {
            findings.field(
                &rules::PKG_INFO_OLD,
                "Metadata-Version",
                format!("`{}`, expected 2.2 or later", shown(&metadata.metadata_version)),
            );
        }
        if !complete || !fields::is_at_least(metadata, "2.4") {
            return;
        }
        for path in metadata.all("License-File") {
            let member = format!("{top}/{path}");
            if !self.names.iter().any(|name| **name == *member) {
                findings.field(
                    &rules::LICENSE_FILE,
                    "License-File",
                    format!("`{}` is not there", shown(&member)),
                );
            }
        }
    }
}

fn check_pyproject(bytes: &[u8], name: &str, findings: &mut Findings) {
    let parsed = std::str::from_utf8(bytes)
        .map_err(|error| format!("it is not UTF-8 at byte {}", error.valid_up_to()))
        .and_then(|text| text.parse::<toml_edit::DocumentMut>().map_err(|error| error.message().to_owned()));
    if let Err(why) = parsed {
        findings.member(&rules::PYPROJECT, name, shown(&why));
    }
}

fn pass(
    source: &dyn ReadAt,
    limits: &Limits,
    contents: &mut Contents,
    links: &mut Vec<Link>,
    findings: &mut Findings,
) -> Result<(), tar::Stop> {
    let mut reader = Reader::new(source, limits)?;
    let mut names_length = 0_u64;
    while let Some(header) = reader.next()? {
        check_name(&header.name, limits, findings);
        check_kind(&header, findings);
        let name = String::from_utf8_lossy(&header.name).into_owned();
        names_length += (name.len() + header.link.len()) as u64;
        if names_length > limits.directory {
            return Err(tar::Stop::Broken(
                &framing::BOUND,
                format!("names of more than {} bytes together", limits.directory),
            ));
        }
        let at = contents.names.len() as u32;
        if matches!(header.kind, Kind::SymbolicLink | Kind::HardLink) {
            let target = String::from_utf8_lossy(&header.link).into_owned();
            links.push(Link { at, target, hard: header.kind == Kind::HardLink });
        }
        let wanted =
            name.split_once('/').is_some_and(|(_, rest)| matches!(rest, "PKG-INFO" | "pyproject.toml"));
        // Several top directories are refused anyway, so there is no need to hold all of their files.
        let wanted = wanted && header.kind == Kind::File && contents.captured.len() < 4;
        let most = if name.ends_with(".toml") { MOST_PYPROJECT } else { MOST_CAPTURED };
        if wanted && header.size > most {
            findings.member(&framing::BOUND, &name, format!("larger than {most} bytes"));
        } else if wanted {
            let mut bytes = Vec::new();
            reader.data(|piece| bytes.extend_from_slice(piece))?;
            contents.captured.insert(name.clone(), bytes);
        }
        let directory = header.kind == Kind::Directory && !name.ends_with('/');
        contents.names.push(if directory { format!("{name}/").into() } else { name.into() });
    }
    if let Some((format, member)) = &reader.old_format {
        findings.member(
            &framing::TAR_FORMAT,
            member,
            format!("the archive is in {format} format, expected pax"),
        );
    }
    Ok(())
}

fn check_kind(header: &Header, findings: &mut Findings) {
    let name = String::from_utf8_lossy(&header.name);
    if let Kind::Other(kind) = header.kind {
        let what = match kind {
            b'3' | b'4' => "a device".to_owned(),
            b'6' => "a FIFO".to_owned(),
            other => format!("of unknown type `{}`", char::from(other).escape_default()),
        };
        findings.member(&framing::TAR_KIND, &name, format!("is {what}"));
    }
    if header.mode & 0o7000 != 0 {
        findings.member(
            &framing::TAR_MODE,
            &name,
            format!("mode {:o} sets the user, the group or the sticky bit", header.mode),
        );
    }
}

fn check_top(contents: &mut Contents, parsed: Option<&DistributionFilename>, findings: &mut Findings) {
    let mut tops: Vec<&str> = contents.names.iter().filter_map(|name| name.split('/').next()).collect();
    tops.sort_unstable();
    tops.dedup();
    let expected = parsed.map(|parsed| format!("{}-{}", parsed.name_part, parsed.version_part));
    match tops[..] {
        [] => findings.push(&rules::TOP_DIRECTORY, "the sdist is empty"),
        [only] => {
            if let Some(expected) = expected.as_ref().filter(|expected| *expected != only) {
                let only = only.to_owned();
                findings.add(&rules::TOP_DIRECTORY, || {
                    rules::TOP_DIRECTORY
                        .finding(format!("the directory is `{}`, expected `{expected}`", shown(&only)))
                        .differ(expected.as_str(), only.as_str())
                });
            }
            contents.top = Some(only.to_owned());
        }
        _ => findings.push(
            &rules::TOP_DIRECTORY,
            format!(
                "{} members at the top: `{}`",
                tops.len(),
                shown(&tops[..tops.len().min(5)].join("`, `"))
            ),
        ),
    }
    if contents.top.is_none() {
        contents.top = expected;
    }
}

fn check_names(all: &[Box<str>], links: &[Link], findings: &mut Findings) {
    let mut names = Names::default();
    let name_of = |at: u32| all.get(at as usize).map_or("", |name| &**name);
    for (at, name) in all.iter().enumerate() {
        match names.add(at as u32, name, name_of) {
            None => {}
            // A directory that is listed twice is the same directory to every reader.
            Some(Clash::Same(other)) if name.ends_with('/') && name_of(other).ends_with('/') => {}
            Some(Clash::Same(_)) => {
                findings.member(&framing::TAR_DUPLICATE, name, "two members have this name");
            }
            Some(Clash::Folded(other)) => findings.member(
                &framing::PATH_EQUAL,
                name,
                format!("is the same name as `{}` to some file systems", shown(name_of(other))),
            ),
        }
    }
    for name in all {
        let clash = names.ancestors(name).find(|&(at, _)| !name_of(at).ends_with('/'));
        if let Some((_, file)) = clash {
            findings.member(
                &framing::PATH_PREFIX,
                name,
                format!("lies in `{}`, which is no directory", shown(file)),
            );
        }
    }
    if links.is_empty() {
        return;
    }
    let mut targets: HashMap<String, Option<u32>> = HashMap::new();
    for link in links {
        if let Ok(target) = resolve(link, name_of(link.at)) {
            targets.insert(target, None);
        }
    }
    for (at, name) in all.iter().enumerate() {
        // A directory is there when something lies in it, too.
        let plain = name.strip_suffix('/').unwrap_or(name);
        let ends = plain.match_indices('/').map(|(end, _)| end).chain([plain.len()]);
        for end in ends {
            if let Some(first) = targets.get_mut(&plain[..end]) {
                first.get_or_insert(at as u32);
            }
        }
    }
    for link in links {
        check_link(link, name_of(link.at), &targets, findings);
    }
}

/// The member that a link refers to, by its plain name; the error says why it cannot be one.
fn resolve(link: &Link, name: &str) -> Result<String, &'static str> {
    if link.target.starts_with('/') || link.target.contains(['\\', ':', '\0']) || link.target.is_empty() {
        return Err("is no relative path");
    }
    // A hard link names a member; a symbolic link is relative to the directory it lies in.
    let mut parts: Vec<&str> = if link.hard { Vec::new() } else { name.split('/').collect() };
    parts.pop();
    for part in link.target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() || parts.is_empty() {
                    return Err("leads out of the tree");
                }
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

fn check_link(link: &Link, name: &str, targets: &HashMap<String, Option<u32>>, findings: &mut Findings) {
    let target = shown(&link.target);
    let mut refuse = |rule, why: &str| {
        findings.member(rule, name, format!("a link to `{target}`, which {why}"));
    };
    match resolve(link, name) {
        Err(why) => refuse(&framing::TAR_LINK, why),
        Ok(resolved) => {
            let there = targets.get(&resolved).copied().flatten();
            if link.hard && there.is_none_or(|at| at >= link.at) {
                refuse(&framing::TAR_LINK, "is no earlier member");
            } else if there.is_none() {
                refuse(&framing::TAR_LINK_MISSING, "is no member");
            }
        }
    }
}
