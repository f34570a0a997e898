//! Inflates members into one reused buffer, so that memory does not depend on their size.

use std::cell::RefCell;
use std::io;
use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

use crate::archive::source::ReadAt;

const INPUT: usize = 128 * 1024;
const OUTPUT: usize = 128 * 1024;

thread_local! {
    static INFLATER: RefCell<Inflater> = RefCell::new(Inflater::new());
}

/// Runs `work` with this thread's inflater; `work` must not come back here.
pub(crate) fn with_inflater<T>(work: impl FnOnce(&mut Inflater) -> T) -> T {
    INFLATER.with(|inflater| match inflater.try_borrow_mut() {
        Ok(mut inflater) => work(&mut inflater),
        Err(_) => work(&mut Inflater::new()),
    })
}

/// The state and buffers to inflate one member after another.
pub(crate) struct Inflater {
    state: Decompress,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// One member's data as it lies in the archive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed {
    pub(crate) at: u64,
    pub(crate) compressed: u64,
    pub(crate) size: u64,
    pub(crate) crc: u32,
    pub(crate) deflated: bool,
}

/// Why a member could not be read.
#[derive(Debug)]
pub(crate) enum InflateError {
    /// The file could not be read.
    Io(io::Error),
    /// The data is damaged or is not what the header says.
    Damaged(String),
}

impl From<io::Error> for InflateError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Inflater {
    fn new() -> Self {
        Self { state: Decompress::new(false), input: vec![0; INPUT], output: vec![0; OUTPUT] }
    }

    /// Reads the beginning of a member, header and all, as far as it fits into the buffer.
    pub(crate) fn load(&mut self, source: &dyn ReadAt, at: u64, length: u64) -> io::Result<&[u8]> {
        let length = length.min(INPUT as u64) as usize;
        source.read_exact_at(at, &mut self.input[..length])?;
        Ok(&self.input[..length])
    }

    /// Hands the content of a member to `sink` piece by piece and compares size and CRC.
    ///
    /// Stops as soon as more comes out than the header states.
    pub(crate) fn run(
        &mut self,
        source: &dyn ReadAt,
        packed: &Packed,
        sink: impl FnMut(&[u8]),
    ) -> Result<(), InflateError> {
        self.run_loaded(source, packed, 0..0, sink)
    }

    /// Like [`Inflater::run`], with the first bytes of the data already in a range of the buffer.
    pub(crate) fn run_loaded(
        &mut self,
        source: &dyn ReadAt,
        packed: &Packed,
        loaded: Range<usize>,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), InflateError> {
        let end = loaded.end.min(INPUT);
        let length = usize::try_from(packed.compressed).unwrap_or(usize::MAX);
        let loaded = loaded.start.min(end)..end.min(loaded.start.saturating_add(length));
        let mut crc = crc32fast::Hasher::new();
        let mut sink = |bytes: &[u8]| {
            crc.update(bytes);
            sink(bytes);
        };
        if packed.deflated {
            self.inflate(source, packed, loaded, &mut sink)?;
        } else {
            self.copy(source, packed, loaded, &mut sink)?;
        }
        let found = crc.finalize();
        if found == packed.crc {
            Ok(())
        } else {
            Err(InflateError::Damaged(format!(
                "CRC {:08x} is stated, the content has {found:08x}",
                packed.crc
            )))
        }
    }

    fn copy(
        &mut self,
        source: &dyn ReadAt,
        packed: &Packed,
        loaded: Range<usize>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Result<(), InflateError> {
        if packed.size != packed.compressed {
            return Err(InflateError::Damaged(format!(
                "stored, but its sizes differ: {} and {}",
                packed.compressed, packed.size
            )));
        }
        let mut done = loaded.len() as u64;
        sink(&self.input[loaded]);
        while done < packed.size {
            let length = (packed.size - done).min(INPUT as u64) as usize;
            let input = &mut self.input[..length];
            source.read_exact_at(packed.at + done, input)?;
            sink(input);
            done += length as u64;
        }
        Ok(())
    }

    fn inflate(
        &mut self,
        source: &dyn ReadAt,
        packed: &Packed,
        loaded: Range<usize>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Result<(), InflateError> {
        self.state.reset(false);
        let (mut read, mut start, mut end) = (loaded.len() as u64, loaded.start, loaded.end);
        loop {
            if start == end && read < packed.compressed {
                end = (packed.compressed - read).min(INPUT as u64) as usize;
                source.read_exact_at(packed.at + read, &mut self.input[..end])?;
                read += end as u64;
                start = 0;
            }
            let before = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(&self.input[start..end], &mut self.output, FlushDecompress::None)
                .map_err(|error| InflateError::Damaged(format!("deflate stream: {error}")))?;
            let consumed = (self.state.total_in() - before.0) as usize;
            let produced = (self.state.total_out() - before.1) as usize;
            start += consumed;
            if self.state.total_out() > packed.size {
                return Err(InflateError::Damaged(format!(
                    "inflates to more than the {} bytes that are stated",
                    packed.size
                )));
            }
            sink(&self.output[..produced]);
            match status {
                Status::StreamEnd => break,
                _ if consumed == 0 && produced == 0 && start == end && read == packed.compressed => {
                    return Err(InflateError::Damaged("the deflate stream is cut off".to_owned()));
                }
                Status::BufError if consumed == 0 && produced == 0 && start < end => {
                    return Err(InflateError::Damaged("the deflate stream does not advance".to_owned()));
                }
                _ => {}
            }
        }
        let unused = packed.compressed - self.state.total_in();
        if unused != 0 {
            return Err(InflateError::Damaged(format!(
                "{unused} bytes follow the end of the deflate stream"
            )));
        }
        if self.state.total_out() != packed.size {
            return Err(InflateError::Damaged(format!(
                "inflates to {} bytes, {} are stated",
                self.state.total_out(),
                packed.size
            )));
        }
        Ok(())
    }
}
