//! Sends files of the local storage: what the system has in memory at once, the rest through a thread.
//!
//! A read is tried without waiting (`RWF_NOWAIT`), so a file that is in the page cache costs no change of
//! thread, and one that is not holds nobody up. Buffers are taken from a pool and go back to it when the
//! socket took them: memory is flat whatever the size of the files.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use shipway_dist::digest::Sha256;
use tokio::task::JoinHandle;

/// Bytes that are read at once: few enough to stay in the processor's cache until they are sent.
const CHUNK: usize = 128 * 1024;
/// Buffers that are kept for later.
const SPARE: usize = 64;
/// Files that are kept open, and for how long.
const OPEN: usize = 512;
const OPEN_FOR: Duration = Duration::from_secs(60);
/// An open file stood under its digest this short ago: it is not looked for again.
const SEEN: Duration = Duration::from_secs(1);

type Buffer = Box<[u8]>;

/// What sending files shares: spare buffers and open files.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    spare: Arc<Mutex<Vec<Buffer>>>,
    open: Mutex<HashMap<Sha256, Opened>>,
}

#[derive(Debug)]
struct Opened {
    file: Arc<File>,
    at: Instant,
    /// When it last stood under its digest.
    seen: Instant,
}

impl Sender {
    /// A file that was opened lately, if it is still what `stands` under its digest: it may have been removed
    /// since, or put aside because its bytes were altered.
    pub(super) fn opened(&self, sha256: &Sha256, stands: impl FnOnce(&File) -> bool) -> Option<Arc<File>> {
        let now = Instant::now();
        let file = self.open().get(sha256).filter(|open| open.lasts(now)).map(|open| open.file.clone());
        let file = file.filter(|file| stands(file));
        let mut open = self.open();
        match &file {
            Some(_) => {
                if let Some(open) = open.get_mut(sha256) {
                    open.seen = now;
                }
            }
            None => {
                open.remove(sha256);
            }
        }
        file
    }

    /// The same for somebody who learns in another way that a file was removed or put aside: what is done
    /// behind the index's back is noticed after a second.
    pub(super) fn opened_and_seen(
        &self,
        sha256: &Sha256,
        stands: impl FnOnce(&File) -> bool,
    ) -> Option<Arc<File>> {
        let now = Instant::now();
        let seen = |open: &&Opened| open.lasts(now) && now.duration_since(open.seen) < SEEN;
        let file = self.open().get(sha256).filter(seen).map(|open| open.file.clone());
        file.or_else(|| self.opened(sha256, stands))
    }

    /// Closes the files that were opened too long ago, or do not stand under their digest any more: what was
    /// removed takes room as long as it is open.
    pub(crate) fn close_old(&self, stands: impl Fn(&Sha256, &File) -> bool) {
        let now = Instant::now();
        let held: Vec<_> = {
            let mut open = self.open();
            open.retain(|_, open| open.lasts(now));
            open.iter().map(|(sha256, open)| (*sha256, open.file.clone())).collect()
        };
        for (sha256, _) in held.into_iter().filter(|(sha256, file)| !stands(sha256, file)) {
            self.open().remove(&sha256);
        }
    }

    /// Keeps a file open.
    pub(super) fn keep(&self, sha256: Sha256, file: &Arc<File>) {
        let now = Instant::now();
        let mut open = self.open();
        if open.len() >= OPEN {
            open.retain(|_, open| open.lasts(now));
            if open.len() >= OPEN {
                open.clear();
            }
        }
        open.insert(sha256, Opened { file: file.clone(), at: now, seen: now });
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Sha256, Opened>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a file is kept open.
    pub(super) fn is_open(&self, sha256: &Sha256) -> bool {
        self.open().contains_key(sha256)
    }

    /// A part of a file as a body.
    pub(super) fn body(&self, file: Arc<File>, start: u64, length: u64) -> FileBody {
        FileBody { file, at: start, left: length, reading: None, spare: self.spare.clone() }
    }
}

impl Opened {
    fn lasts(&self, now: Instant) -> bool {
        now.duration_since(self.at) < OPEN_FOR
    }
}

/// A part of a file on its way out.
pub(crate) struct FileBody {
    file: Arc<File>,
    at: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<(Buffer, usize)>>>,
    spare: Arc<Mutex<Vec<Buffer>>>,
}

/// A buffer that goes back when the socket took it.
struct Lent {
    buffer: Option<Buffer>,
    length: usize,
    spare: Arc<Mutex<Vec<Buffer>>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], |buffer| &buffer[..self.length])
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            give_back(&self.spare, buffer);
        }
    }
}

fn give_back(spare: &Mutex<Vec<Buffer>>, buffer: Buffer) {
    let mut spare = spare.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < SPARE {
        spare.push(buffer);
    }
}

impl FileBody {
    fn take(&self) -> Buffer {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| vec![0; CHUNK].into())
    }

    fn frame(&mut self, buffer: Buffer, length: usize) -> io::Result<Frame<Bytes>> {
        if length == 0 {
            give_back(&self.spare, buffer);
            // The client sees a broken connection and not a short file.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += length as u64;
        self.left = self.left.saturating_sub(length as u64);
        let lent = Lent { buffer: Some(buffer), length, spare: self.spare.clone() };
        Ok(Frame::data(Bytes::from_owner(lent)))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        if body.left == 0 {
            return Poll::Ready(None);
        }
        let mut reading = match body.reading.take() {
            Some(reading) => reading,
            None => {
                let wanted = usize::try_from(body.left).unwrap_or(CHUNK).min(CHUNK);
                let mut buffer = body.take();
                if let Some(length) = read_now(&body.file, &mut buffer[..wanted], body.at) {
                    return Poll::Ready(Some(body.frame(buffer, length)));
                }
                let (file, at) = (body.file.clone(), body.at);
                tokio::task::spawn_blocking(move || {
                    let length = read_at(&file, &mut buffer[..wanted], at)?;
                    Ok((buffer, length))
                })
            }
        };
        match Pin::new(&mut reading).poll(context) {
            Poll::Pending => {
                body.reading = Some(reading);
                Poll::Pending
            }
            Poll::Ready(Ok(Ok((buffer, length)))) => Poll::Ready(Some(body.frame(buffer, length))),
            Poll::Ready(Ok(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(io::Error::other(error)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads what is in memory; nothing when the system would have to wait, or cannot say.
#[cfg(target_os = "linux")]
fn read_now(file: &File, into: &mut [u8], at: u64) -> Option<usize> {
    let mut slices = [io::IoSliceMut::new(into)];
    rustix::io::preadv2(file, &mut slices, at, rustix::io::ReadWriteFlags::NOWAIT)
        .ok()
        .filter(|length| *length > 0)
}

#[cfg(not(target_os = "linux"))]
fn read_now(_file: &File, _into: &mut [u8], _at: u64) -> Option<usize> {
    None
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match std::os::unix::fs::FileExt::read_at(file, into, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(windows)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, at)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    async fn collect(mut body: FileBody) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            all.extend_from_slice(&frame?.into_data().unwrap_or_default());
        }
        Ok(all)
    }

    #[tokio::test]
    async fn every_part_of_a_file_is_sent() {
        let bytes: Vec<u8> = (0..3 * CHUNK + 17).map(|at| (at % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let (file, sender) = (Arc::new(file), Sender::default());
        for (start, length) in [(0, bytes.len()), (0, 1), (CHUNK - 1, 2), (bytes.len() - 5, 5), (7, 0)] {
            let body = sender.body(file.clone(), start as u64, length as u64);
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            assert!(collect(body).await.unwrap() == bytes[start..start + length]);
        }
        assert!(sender.spare.lock().unwrap().len() <= SPARE);
        // Shorter than promised: an error, never a short body.
        let body = sender.body(file.clone(), 0, bytes.len() as u64 + 1);
        assert_eq!(collect(body).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn open_files_are_bounded() {
        let (sender, file) = (Sender::default(), Arc::new(tempfile::tempfile().unwrap()));
        for number in 0..2 * OPEN {
            sender.keep(Sha256::of(&number.to_le_bytes()), &file);
        }
        assert!(sender.open().len() <= OPEN);
        assert!(sender.opened(&Sha256::of(b"never"), |_| true).is_none());
    }

    #[test]
    fn an_open_file_that_no_longer_stands_is_closed() {
        let (sender, file) = (Sender::default(), Arc::new(tempfile::tempfile().unwrap()));
        let sha256 = Sha256::of(b"bytes");
        sender.keep(sha256, &file);
        assert!(sender.opened(&sha256, |_| true).is_some());
        assert!(sender.opened(&sha256, |_| false).is_none());
        assert_eq!(Arc::strong_count(&file), 1);
        sender.keep(sha256, &file);
        // Just opened: it is not looked for, except by those who have to know.
        assert!(sender.opened_and_seen(&sha256, |_| false).is_some());
        sender.open().get_mut(&sha256).unwrap().seen -= SEEN;
        assert!(sender.opened_and_seen(&sha256, |_| true).is_some());
        assert!(sender.opened_and_seen(&sha256, |_| false).is_some());
        sender.open().get_mut(&sha256).unwrap().seen -= SEEN;
        assert!(sender.opened_and_seen(&sha256, |_| false).is_none());
        sender.keep(sha256, &file);
        sender.close_old(|_, _| true);
        assert_eq!(Arc::strong_count(&file), 2);
        sender.close_old(|_, _| false);
        assert_eq!(Arc::strong_count(&file), 1);
    }
}
