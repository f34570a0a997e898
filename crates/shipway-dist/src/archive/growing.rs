//! A file that is still being written, read from its beginning while it grows.
//!
//! A read waits until its bytes are there or the file has ended, so that every reader of [`ReadAt`] works
//! on a file that arrives as it does on one that is there.

use std::fs::File;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::archive::source::{ReadAt, read_file_exact_at};

/// A read that may come back short waits for this many bytes, so that a slow sender costs few calls.
const WORTHWHILE: u64 = 64 * 1024;

/// A growing file.
pub(crate) struct Growing {
    file: File,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    size: u64,
    ended: bool,
    abandoned: bool,
}

impl Growing {
    pub(crate) fn new(file: File) -> Self {
        Self { file, state: Mutex::default(), moved: Condvar::new() }
    }

    /// Says that the first `size` bytes are written.
    pub(crate) fn grow(&self, size: u64) {
        let mut state = self.lock();
        state.size = state.size.max(size);
        drop(state);
        self.moved.notify_all();
    }

    /// Says that no more bytes come.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.moved.notify_all();
    }

    /// Says that nobody wants to know any more; what reads fails.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        (state.ended, state.abandoned) = (true, true);
        drop(state);
        self.moved.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, until: impl Fn(&State) -> bool) -> State {
        let waiting = |state: &mut State| !state.ended && !until(state);
        *self.moved.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for Growing {
    fn size(&self) -> u64 {
        self.wait(|_| false).size
    }

    fn least_size(&self) -> u64 {
        self.lock().size
    }

    fn has(&self, bytes: u64) -> bool {
        self.wait(|state| state.size >= bytes).size >= bytes
    }

    fn read_some_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = offset.saturating_add((buffer.len() as u64).min(WORTHWHILE));
        let state = self.wait(|state| state.size >= wanted);
        if state.abandoned {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = state.size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        read_file_exact_at(&self.file, offset, &mut buffer[..length])?;
        Ok(length)
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        let state = self.wait(|state| state.size >= end);
        if state.abandoned || state.size < end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read_file_exact_at(&self.file, offset, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn reads_wait_for_their_bytes_or_the_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let growing = Growing::new(file.reopen().unwrap());
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut four = [0; 4];
                growing.read_exact_at(1, &mut four).unwrap();
                let mut many = [0; 100];
                let read = growing.read_some_at(5, &mut many).unwrap();
                assert!(growing.has(7) && !growing.has(8));
                assert!(growing.read_exact_at(5, &mut four).is_err());
                (four, many[..read].to_vec(), growing.size())
            });
            for byte in b"abcdefg" {
                file.write_all(&[*byte]).unwrap();
                growing.grow(growing.least_size() + 1);
            }
            growing.end();
            assert_eq!(reader.join().unwrap(), (*b"bcde", b"fg".to_vec(), 7));
        });
        growing.abandon();
        assert!(growing.read_exact_at(0, &mut [0]).is_err());
    }
}
