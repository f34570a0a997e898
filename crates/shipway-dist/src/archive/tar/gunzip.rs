//! Inflates exactly one gzip member (RFC 1952) with nothing behind it.

use flate2::{Decompress, FlushDecompress, Status};

use super::{BLOCK, Stop, broken};
use crate::archive::Limits;
use crate::archive::source::ReadAt;
use crate::rules::framing as rules;

const INPUT: usize = 128 * 1024;
const OUTPUT: usize = 256 * 1024;

pub(super) struct Gunzip<'s> {
    source: &'s dyn ReadAt,
    limits: &'s Limits,
    state: Decompress,
    crc: crc32fast::Hasher,
    input: Vec<u8>,
    input_start: usize,
    input_end: usize,
    /// How much of the source was read.
    read: u64,
    output: Vec<u8>,
    output_start: usize,
    output_end: usize,
    /// How much was handed out.
    position: u64,
    ended: bool,
}

impl<'s> Gunzip<'s> {
    pub(super) fn new(source: &'s dyn ReadAt, limits: &'s Limits) -> Result<Self, Stop> {
        let mut gunzip = Self {
            source,
            limits,
            state: Decompress::new(false),
            crc: crc32fast::Hasher::new(),
            input: vec![0; INPUT],
            input_start: 0,
            input_end: 0,
            read: 0,
            output: vec![0; OUTPUT],
            output_start: 0,
            output_end: 0,
            position: 0,
            ended: false,
        };
        gunzip.header()?;
        Ok(gunzip)
    }

    /// How many inflated bytes were handed out.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next whole block; `None` at the end.
    pub(super) fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Stop> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let piece = self.piece((BLOCK - filled) as u64)?;
            if piece.is_empty() {
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(broken(&rules::TAR_END, format!("the archive ends with {filled} bytes of a block")))
                };
            }
            block[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        }
        Ok(Some(block))
    }

    /// Some of the next bytes, at most `most`; empty at the end.
    pub(super) fn piece(&mut self, most: u64) -> Result<&[u8], Stop> {
        while self.output_start == self.output_end && !self.ended {
            self.inflate()?;
        }
        let there = self.output_end - self.output_start;
        let length = usize::try_from(most).map_or(there, |most| most.min(there));
        let start = self.output_start;
        self.output_start += length;
        self.position += length as u64;
        Ok(&self.output[start..start + length])
    }

    fn inflate(&mut self) -> Result<(), Stop> {
        self.fill()?;
        let before = (self.state.total_in(), self.state.total_out());
        let status = self
            .state
            .decompress(
                &self.input[self.input_start..self.input_end],
                &mut self.output,
                FlushDecompress::None,
            )
            .map_err(|error| broken(&rules::GZIP_FRAME, format!("deflate stream: {error}")))?;
        let consumed = (self.state.total_in() - before.0) as usize;
        let produced = (self.state.total_out() - before.1) as usize;
        self.input_start += consumed;
        self.output_start = 0;
        self.output_end = produced;
        self.crc.update(&self.output[..produced]);
        let total = self.state.total_out();
        if total > self.limits.total {
            return Err(broken(&rules::BOUND, format!("inflates to more than {} bytes", self.limits.total)));
        }
        // A file that still grows is waited for only when it matters.
        let exceeds = |size: u64| total / size.max(1) >= self.limits.ratio;
        if total > self.limits.ratio_from && exceeds(self.source.least_size()) && exceeds(self.source.size())
        {
            return Err(broken(
                &rules::RATIO,
                format!("inflates to more than {} times its size", self.limits.ratio),
            ));
        }
        if status == Status::StreamEnd {
            self.ended = true;
            return self.trailer();
        }
        if consumed == 0 && produced == 0 {
            let why = if self.at_end() { "is cut off" } else { "does not advance" };
            return Err(broken(&rules::GZIP_FRAME, format!("the deflate stream {why}")));
        }
        Ok(())
    }

    fn at_end(&self) -> bool {
        self.input_start == self.input_end && !self.source.has(self.read + 1)
    }

    fn fill(&mut self) -> Result<(), Stop> {
        if self.input_start < self.input_end {
            return Ok(());
        }
        let length = self.source.read_some_at(self.read, &mut self.input)?;
        self.read += length as u64;
        (self.input_start, self.input_end) = (0, length);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        self.fill()?;
        if self.input_start == self.input_end {
            return Err(broken(&rules::GZIP_FRAME, "the gzip member is cut off"));
        }
        self.input_start += 1;
        Ok(self.input[self.input_start - 1])
    }

    fn number(&mut self, bytes: u32) -> Result<u32, Stop> {
        (0..bytes).try_fold(0, |number, at| Ok(number | u32::from(self.byte()?) << (8 * at)))
    }

    fn header(&mut self) -> Result<(), Stop> {
        if !self.source.has(18) || self.number(2)? != 0x8b1f {
            return Err(broken(&rules::NOT_A_DISTRIBUTION, "the file is no gzip file"));
        }
        if self.byte()? != 8 {
            return Err(broken(&rules::GZIP_FRAME, "the compression method is not deflate"));
        }
        let flags = self.byte()?;
        if flags & 0xe0 != 0 {
            return Err(broken(&rules::GZIP_FRAME, format!("reserved flags are set ({flags:#04x})")));
        }
        // Modification time, extra flags, operating system.
        self.number(4)?;
        self.number(2)?;
        if flags & 4 != 0 {
            let length = self.number(2)?;
            for _ in 0..length {
                self.byte()?;
            }
        }
        for flag in [8, 16] {
            if flags & flag != 0 {
                let mut length = 0;
                while self.byte()? != 0 {
                    length += 1;
                    if length > 4096 {
                        return Err(broken(&rules::GZIP_FRAME, "the file name or comment has no end"));
                    }
                }
            }
        }
        if flags & 2 != 0 {
            // The bounds above keep the whole header within the first input.
            let found = crc32fast::hash(&self.input[..self.input_start]) & 0xffff;
            let crc = self.number(2)?;
            if crc != found {
                return Err(broken(
                    &rules::GZIP_FRAME,
                    format!("CRC {crc:04x} of the header is stated, it has {found:04x}"),
                ));
            }
        }
        Ok(())
    }

    fn trailer(&mut self) -> Result<(), Stop> {
        let crc = self.number(4)?;
        let size = self.number(4)?;
        let (found, total) = (self.crc.clone().finalize(), self.state.total_out());
        if crc != found {
            return Err(broken(
                &rules::GZIP_FRAME,
                format!("CRC {crc:08x} is stated, the content has {found:08x}"),
            ));
        }
        if size != total as u32 {
            return Err(broken(
                &rules::GZIP_FRAME,
                format!("{size} bytes (modulo 2^32) are stated, the content has {total}"),
            ));
        }
        self.fill()?;
        if !self.at_end() {
            let extra = self.source.size() - self.read + (self.input_end - self.input_start) as u64;
            let what = if self.input[self.input_start..self.input_end].starts_with(b"\x1f\x8b") {
                "another gzip member follows"
            } else {
                "bytes follow"
            };
            return Err(broken(&rules::GZIP_FRAME, format!("{what} the gzip member ({extra} bytes)")));
        }
        Ok(())
    }
}
