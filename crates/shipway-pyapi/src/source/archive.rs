//! Reads members of wheels and sdists, bounded in count and size.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use zip::ZipArchive;

/// The largest member that is read.
const MAX_MEMBER: u64 = 64 * 1024 * 1024;
/// All members together.
const MAX_TOTAL: u64 = 1024 * 1024 * 1024;
const MAX_MEMBERS: usize = 200_000;

/// A wheel whose members can be read from several threads.
#[derive(Clone)]
pub(crate) struct Wheel {
    archive: ZipArchive<Window>,
}

impl Wheel {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let archive =
            ZipArchive::new(Window { file: Arc::new(file), at: 0, length }).map_err(io::Error::other)?;
        if archive.len() > MAX_MEMBERS {
            return Err(io::Error::other(format!("{} members, the limit is {MAX_MEMBERS}", archive.len())));
        }
        Ok(Self { archive })
    }

    /// The paths of all members, in order, folders excepted.
    pub(crate) fn paths(&self) -> Vec<(usize, String)> {
        let names = (0..self.archive.len()).filter_map(|at| {
            let name = self.archive.name_for_index(at)?.ok()?;
            Some((at, name.into_owned()))
        });
        names.filter(|(_, name)| !name.ends_with('/')).collect()
    }

    /// Reads one member.
    pub(crate) fn read(&mut self, index: usize) -> io::Result<Vec<u8>> {
        let member = self.archive.by_index(index).map_err(io::Error::other)?;
        let claimed = member.size();
        read_bounded(member, claimed)
    }
}

fn read_bounded(reader: impl Read, claimed: u64) -> io::Result<Vec<u8>> {
    if claimed > MAX_MEMBER {
        return Err(io::Error::other(format!("{claimed} bytes, the limit is {MAX_MEMBER}")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(claimed.min(1 << 20)).unwrap_or(0));
    reader.take(MAX_MEMBER + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_MEMBER {
        return Err(io::Error::other(format!("more than {MAX_MEMBER} bytes")));
    }
    Ok(bytes)
}

/// What is read of an sdist: every path, and the bytes of the wanted members.
pub(crate) struct SdistContents {
    pub(crate) paths: Vec<String>,
    pub(crate) members: Vec<(String, Vec<u8>)>,
}

/// Reads the wanted members of a `.tar.gz`.
pub(crate) fn read_sdist(path: &Path, wanted: &dyn Fn(&str) -> bool) -> io::Result<SdistContents> {
    let reader = flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(1 << 16, File::open(path)?));
    let mut archive = tar::Archive::new(io::BufReader::with_capacity(1 << 16, reader.take(4 * MAX_TOTAL)));
    let mut contents = SdistContents { paths: Vec::new(), members: Vec::new() };
    let mut total = 0;
    for entry in archive.entries()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if contents.paths.len() >= MAX_MEMBERS {
            return Err(io::Error::other(format!("more than {MAX_MEMBERS} members")));
        }
        if wanted(&path) {
            let claimed = entry.size();
            total += claimed;
            if total > MAX_TOTAL {
                return Err(io::Error::other(format!("more than {MAX_TOTAL} bytes of source")));
            }
            let bytes = read_bounded(entry, claimed)?;
            contents.members.push((path.clone(), bytes));
        }
        contents.paths.push(path);
    }
    Ok(contents)
}

/// A cheaply cloned reader over a shared file.
#[derive(Clone)]
struct Window {
    file: Arc<File>,
    at: u64,
    length: u64,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let count = std::os::unix::fs::FileExt::read_at(&*self.file, buffer, self.at)?;
        #[cfg(windows)]
        let count = std::os::windows::fs::FileExt::seek_read(&*self.file, buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(delta) => self.length.checked_add_signed(delta),
            SeekFrom::Current(delta) => self.at.checked_add_signed(delta),
        };
        self.at =
            target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.at)
    }
}
