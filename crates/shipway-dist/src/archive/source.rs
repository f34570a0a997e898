//! Positional reading of a file or of bytes in memory.
//!
//! A mapping would be shorter, but a file that is truncated while it is mapped kills the process and
//! its pages count as the process's memory; a read that comes back short is an ordinary error.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// Bytes that can be read from any position by many threads at once.
pub(crate) trait ReadAt: Sync {
    /// The number of bytes there are.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset`.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// The number of bytes that there are at least, as far as it is known by now.
    fn least_size(&self) -> u64 {
        self.size()
    }

    /// Whether there are at least so many bytes.
    fn has(&self, bytes: u64) -> bool {
        self.size() >= bytes
    }

    /// Reads some of the bytes from `offset`; none only at the end.
    fn read_some_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.size().saturating_sub(offset).min(buffer.len() as u64) as usize;
        self.read_exact_at(offset, &mut buffer[..length])?;
        Ok(length)
    }
}

/// Bytes in memory.
pub(crate) struct Bytes<'b>(pub(crate) &'b [u8]);

impl ReadAt for Bytes<'_> {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.0.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// An open regular file together with what it looked like when it was opened.
pub(crate) struct FileSource {
    file: File,
    opened: Metadata,
}

impl FileSource {
    /// Opens a regular file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Opening a FIFO would block for ever, so the kind is asked before and again after.
        if !std::fs::metadata(path)?.is_file() {
            return Err(not_a_file());
        }
        let file = File::open(path)?;
        let opened = file.metadata()?;
        if opened.is_file() { Ok(Self { file, opened }) } else { Err(not_a_file()) }
    }

    /// Refuses when the file has another size or time of change than when it was opened.
    pub(crate) fn refuse_if_changed(&self) -> io::Result<()> {
        let now = self.file.metadata()?;
        if now.len() == self.opened.len() && now.modified().ok() == self.opened.modified().ok() {
            Ok(())
        } else {
            Err(io::Error::other("the file changed while it was read"))
        }
    }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

impl ReadAt for FileSource {
    fn size(&self) -> u64 {
        self.opened.len()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        read_file_exact_at(&self.file, offset, buffer)
    }
}

/// Fills `buffer` from a position of a file.
#[cfg(unix)]
pub(crate) fn read_file_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

/// Fills `buffer` from a position of a file.
#[cfg(windows)]
pub(crate) fn read_file_exact_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    use std::os::windows::fs::FileExt as _;
    while !buffer.is_empty() {
        let read = file.seek_read(buffer, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        offset += read as u64;
        buffer = &mut buffer[read..];
    }
    Ok(())
}

/// Reads a range into a new vector; the caller has bounded `length`.
pub(crate) fn read_vec(source: &dyn ReadAt, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut buffer = vec![0; length];
    source.read_exact_at(offset, &mut buffer)?;
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, b"before").unwrap();
        let source = FileSource::open(&path).unwrap();
        source.refuse_if_changed().unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        assert!(source.refuse_if_changed().is_err());
        // What was cut off while it was read comes back short, never as other bytes.
        std::fs::write(&path, b"b").unwrap();
        let error = read_vec(&source, 0, source.size()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        assert!(FileSource::open(Path::new("/dev/zero")).is_err());
        assert!(FileSource::open(Path::new("/")).is_err());
    }
}
