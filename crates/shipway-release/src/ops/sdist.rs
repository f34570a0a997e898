//! Rewrites an sdist so that it depends on its contents alone: order, times, owners and modes are the same
//! wherever and whenever it was made.
//!
//! Backends write the time of generated members, the user's name and id, or the order of the file system into
//! the tar or gzip headers. Names, contents, links and the executable bit stay. The format is pax (POSIX.1-2001),
//! as PEP 625 wants it.

use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use tar::{Archive, Builder, EntryType, Header};

use crate::error::{Error, Result};

struct Member {
    path: String,
    kind: EntryType,
    link: Option<String>,
    executable: bool,
    contents: Vec<u8>,
}

/// Rewrites the headers of an sdist in place; `epoch` is the time of every member.
///
/// # Errors
/// When the file is no tar archive, holds anything but files, folders and links, or cannot be written.
pub fn normalize(path: &Path, epoch: i64) -> Result<()> {
    let unreadable = |error: &std::io::Error| Error::io("normalize", path, error);
    let mut members = read(path).map_err(|error| unreadable(&error))?;
    members.sort_by(|one, other| one.path.cmp(&other.path));
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let gzip = GzBuilder::new().mtime(u32::try_from(epoch).unwrap_or(0)).operating_system(255);
        let mut builder = Builder::new(gzip.write(&mut file, Compression::best()));
        for member in &members {
            append(&mut builder, member, u64::try_from(epoch).unwrap_or(0))?;
        }
        builder.into_inner()?.finish()?.flush()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| unreadable(&error))
}

fn read(path: &Path) -> std::io::Result<Vec<Member>> {
    let mut archive = Archive::new(GzDecoder::new(std::io::BufReader::new(std::fs::File::open(path)?)));
    let mut members = Vec::new();
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|_| std::io::Error::other("a member's name is not UTF-8"))
    };
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        let path = text(&entry.path_bytes())?;
        let link = entry.link_name_bytes().map(|name| text(&name)).transpose()?;
        let known = [EntryType::Regular, EntryType::Directory, EntryType::Symlink, EntryType::Link];
        if !known.contains(&kind) {
            return Err(std::io::Error::other(format!("`{path}` is no file, folder or link")));
        }
        let executable = entry.header().mode()? & 0o111 != 0;
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents)?;
        members.push(Member { path, kind, link, executable, contents });
    }
    Ok(members)
}

fn append(builder: &mut Builder<impl std::io::Write>, member: &Member, time: u64) -> std::io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(member.kind);
    header.set_mode(if member.executable || member.kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(member.contents.len() as u64);
    // What does not fit a ustar header stands in a pax record before it, which readers prefer.
    let mut records: Vec<(&str, &[u8])> = Vec::new();
    if !member.path.is_ascii() || header.set_path(&member.path).is_err() {
        header.set_path("pax")?;
        records.push(("path", member.path.as_bytes()));
    }
    if let Some(link) = &member.link
        && (!link.is_ascii() || header.set_link_name(link).is_err())
    {
        records.push(("linkpath", link.as_bytes()));
    }
    if !records.is_empty() {
        builder.append_pax_extensions(records)?;
    }
    header.set_cksum();
    builder.append(&header, member.contents.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdist(folder: &Path, order: &[&str], time: u64) -> std::path::PathBuf {
        let path = folder.join(format!("demo-{time}.tar.gz"));
        let file = std::fs::File::create(&path).unwrap();
        let gzip = GzBuilder::new().mtime(time as u32).filename("x").write(file, Compression::fast());
        let mut builder = Builder::new(gzip);
        for name in order {
            let mut header = Header::new_gnu();
            header.set_mode(if name.ends_with(".sh") { 0o775 } else { 0o600 });
            header.set_uid(time);
            header.set_mtime(time);
            header.set_size(name.len() as u64);
            builder.append_data(&mut header, name, name.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn order_times_owners_and_modes_no_longer_count() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("demo-1/{}/ünicode.py", "deep/".repeat(60));
        let one = sdist(folder.path(), &["demo-1/a.py", "demo-1/run.sh", &long], 1_000_000);
        let two = sdist(folder.path(), &[&long, "demo-1/run.sh", "demo-1/a.py"], 2_000_000);
        assert_ne!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        for path in [&one, &two] {
            normalize(path, 315_532_800).unwrap();
        }
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        let members = read(&one).unwrap();
        let names: Vec<&str> = members.iter().map(|member| member.path.as_str()).collect();
        assert_eq!(names, ["demo-1/a.py", long.as_str(), "demo-1/run.sh"]);
        assert!(members.iter().all(|member| member.contents == member.path.as_bytes()), "contents stay");
        assert_eq!(members.iter().map(|member| member.executable).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn what_is_no_archive_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo-1.tar.gz");
        std::fs::write(&path, b"no archive").unwrap();
        assert!(normalize(&path, 0).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"no archive");
    }
}
