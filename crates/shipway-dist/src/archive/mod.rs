//! Reads wheels and sdists: members listed, chosen ones read in one pass, safe on hostile input.
//!
//! This is the reader for whoever needs contents ([`list_members`], [`read_members`]); it refuses what
//! cannot be read safely and leaves the judgement of everything else to [`crate::check`]. Nothing is
//! ever written or unpacked to disk.

pub(crate) mod growing;
pub(crate) mod inflate;
mod members;
pub(crate) mod path;
pub(crate) mod source;
pub(crate) mod tar;
pub(crate) mod zip;

use std::io;

pub use members::{Member, list_members, read_members};

/// Bounds on what is read from one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The number of members.
    pub members: u64,
    /// The inflated size of one member, in bytes.
    pub member: u64,
    /// The inflated size of all members together, in bytes.
    pub total: u64,
    /// The size of a zip's central directory, in bytes.
    pub directory: u64,
    /// The length of a member's name, in bytes.
    pub name: usize,
    /// The number of directories in a member's name.
    pub depth: usize,
    /// From this inflated size on, [`Limits::ratio`] holds.
    pub ratio_from: u64,
    /// How many times larger than the file the inflated members may be.
    pub ratio: u64,
    /// The size of all members that [`read_members`] returns together, in bytes.
    pub wanted: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: 250_000,
            member: 4 << 30,
            total: 16 << 30,
            directory: 40 << 20,
            name: 1024,
            depth: 100,
            ratio_from: 64 << 20,
            ratio: 50,
            wanted: 1 << 30,
        }
    }
}

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file could not be read.
    #[error("cannot read the archive")]
    Io(#[from] io::Error),
    /// The archive is damaged, hostile or of another kind.
    #[error("the archive cannot be read safely: {why}")]
    Malformed {
        /// Why.
        why: String,
    },
    /// A bound of [`Limits`] is exceeded.
    #[error("the archive exceeds a bound: {why}")]
    TooLarge {
        /// Which bound.
        why: String,
    },
}
