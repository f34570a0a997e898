//! Whole files that were asked for lately: what is sent of them, until a commit changes their project.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::HeaderMap;
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;

use super::cache::Entry;

/// More files than this, or more bytes of metadata, and all of them are forgotten.
const FILES: usize = 10_000;
const BYTES: usize = 16 * 1024 * 1024;

/// The bytes of a file, or where they are.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// A blob.
    Blob(Sha256),
    /// All of them.
    Memory(Bytes),
}

/// What answers a plain request for a file.
#[derive(Debug)]
pub(crate) struct WarmFile {
    /// The normalized name of its project.
    pub(crate) project: String,
    /// Whoever may read one of these channels may have the file.
    pub(crate) channels: Vec<ChannelName>,
    pub(crate) content: Content,
    /// In bytes.
    pub(crate) size: u64,
    /// The fields of the answer.
    pub(crate) head: HeaderMap,
}

/// A file, and the state of its project that it is from.
#[derive(Debug)]
pub(super) struct Warm {
    entry: Weak<Entry>,
    pub(super) file: Arc<WarmFile>,
}

impl Warm {
    /// Whether the file is from this state of its project.
    pub(super) fn is_of(&self, held: &Arc<Entry>) -> bool {
        // The address is not given to another entry while somebody points at it.
        std::ptr::eq(self.entry.as_ptr(), Arc::as_ptr(held))
    }
}

/// Files by the path that asks for them.
#[derive(Debug, Default)]
pub(super) struct WarmFiles {
    files: HashMap<String, Warm>,
    bytes: usize,
}

impl WarmFiles {
    pub(super) fn keep(&mut self, path: &str, entry: &Arc<Entry>, file: WarmFile) {
        let size = match &file.content {
            Content::Blob(_) => 0,
            Content::Memory(bytes) => bytes.len(),
        };
        if self.files.len() >= FILES || self.bytes + size > BYTES {
            *self = Self::default();
        }
        self.bytes += size;
        self.files.insert(path.to_owned(), Warm { entry: Arc::downgrade(entry), file: Arc::new(file) });
    }

    pub(super) fn get(&self, path: &str) -> Option<&Warm> {
        self.files.get(path)
    }
}
