//! The simple pages: built once after a change, served from memory.
//!
//! [`render`] turns a project into bytes, [`cache`] keeps them until a commit makes them old. A page is the
//! same for every reader who may read it; who may is decided before. See docs/design/index-pages.md.

mod cache;
mod render;

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::HeaderValue;
use shipway_dist::digest::Sha256;

use crate::error::IndexError;

pub(crate) use cache::Cache;
pub(crate) use render::{project_list, project_page, rendered};

/// A page in both formats.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) html: Variants,
    pub(crate) json: Variants,
}

/// One format in every coding.
#[derive(Debug)]
pub(crate) struct Variants {
    pub(crate) identity: Body,
    pub(crate) gzip: Body,
    pub(crate) zstd: Body,
}

/// Bytes and their strong ETag; every representation has its own (RFC 9110, 8.8.3).
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) etag: HeaderValue,
}

impl Page {
    /// Compresses both formats.
    pub(crate) fn new(html: String, json: Vec<u8>) -> Result<Self, IndexError> {
        Ok(Self { html: Variants::new(html.into_bytes())?, json: Variants::new(json)? })
    }

    /// The number of bytes it takes in memory.
    pub(crate) fn weight(&self) -> usize {
        self.html.weight() + self.json.weight()
    }
}

impl Variants {
    fn new(identity: Vec<u8>) -> Result<Self, IndexError> {
        let failed = IndexError::io("compress", "a page");
        let gzip = || {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
            encoder.write_all(&identity)?;
            encoder.finish()
        };
        let both = gzip().and_then(|gzip| Ok((gzip, zstd::bulk::compress(&identity, 3)?)));
        let (gzip, zstd) = both.map_err(failed)?;
        let digest = &Sha256::of(&identity).to_hex()[..32];
        let body = |bytes: Vec<u8>, coding: &str| Body {
            // Without the slack that growing left behind: there are many pages.
            bytes: bytes.into_boxed_slice().into(),
            etag: HeaderValue::try_from(format!("\"{digest}{coding}\""))
                .unwrap_or_else(|_| HeaderValue::from_static("\"\"")),
        };
        Ok(Self { gzip: body(gzip, "-g"), zstd: body(zstd, "-z"), identity: body(identity, "") })
    }

    fn weight(&self) -> usize {
        self.identity.bytes.len() + self.gzip.bytes.len() + self.zstd.bytes.len()
    }
}
