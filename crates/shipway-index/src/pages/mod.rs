//! The simple pages: each form built once after a change, served from memory.
//!
//! [`render`] turns a project into bytes, [`list`] the names of a channel, [`cache`] keeps both until a
//! commit makes them old. A page is the same for every reader who may read it; who may is decided before.
//! See docs/design/index-pages.md.

mod cache;
mod list;
mod loads;
mod parts;
mod render;
mod warm;

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::HeaderValue;
use shipway_dist::simple::ProjectPage;
use tokio::sync::OnceCell;

use crate::error::IndexError;

pub(crate) use cache::{Cache, Entry};
pub(crate) use list::{List, ListBody};
use parts::Part;
pub(crate) use parts::{Former, Text, text};
pub(crate) use render::project_page;
pub(crate) use warm::{Content, WarmFile};

/// A format of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    /// HTML under its versioned type.
    SimpleHtml,
    /// HTML as browsers and old clients know it.
    Html,
}

/// A coding of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// What tells its ETag from those of the other codings (RFC 9110, 8.8.3).
    fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "-g",
            Self::Zstd => "-z",
        }
    }
}

/// A page; each of its forms is built when it is first asked for, and kept.
#[derive(Debug, Default)]
pub(crate) struct Page {
    html: Variants,
    json: Variants,
    /// What the page before it had of the same.
    former: Option<Former>,
}

/// One format in every coding.
#[derive(Debug, Default)]
struct Variants {
    identity: OnceCell<Body>,
    gzip: OnceCell<Body>,
    zstd: OnceCell<Body>,
    parts: OnceLock<Arc<Vec<Part>>>,
}

/// Bytes and their strong ETag; every representation has its own.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) etag: HeaderValue,
    /// The number of bytes, as it is sent.
    pub(crate) length: HeaderValue,
}

impl Body {
    fn new(bytes: Vec<u8>, digest: &str, coding: Coding) -> Self {
        // Without the slack that growing left behind: there are many pages.
        let bytes: Bytes = bytes.into_boxed_slice().into();
        Self { etag: etag(digest, coding), length: HeaderValue::from(bytes.len()), bytes }
    }
}

/// A strong ETag of the identity's digest and the coding.
fn etag(digest: &str, coding: Coding) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}{}\"", &digest[..32], coding.suffix()))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

impl Variants {
    fn cell(&self, coding: Coding) -> &OnceCell<Body> {
        match coding {
            Coding::Identity => &self.identity,
            Coding::Gzip => &self.gzip,
            Coding::Zstd => &self.zstd,
        }
    }
}

impl Page {
    fn variants(&self, format: Format) -> &Variants {
        match format {
            Format::Json => &self.json,
            Format::SimpleHtml | Format::Html => &self.html,
        }
    }

    /// The form, if it was built.
    pub(crate) fn ready(&self, format: Format, coding: Coding) -> Option<&Body> {
        self.variants(format).cell(coding).get()
    }

    /// A page that takes over what it has in common with the one before.
    pub(crate) fn after(former: Option<Former>) -> Self {
        Self { former, ..Self::default() }
    }

    /// What the next page can take over; nothing of a small one.
    pub(crate) fn former(&self) -> Option<Former> {
        let mut former = Former::default();
        let built = [&self.html, &self.json].map(|variants| variants.parts.get());
        if built.iter().any(Option::is_none)
            && let Some(before) = &self.former
        {
            // A form that nobody asked for since: the next one may still have its parts.
            former = before.clone();
        }
        built.into_iter().flatten().for_each(|parts| former.add(parts));
        Some(former).filter(|former| !former.is_empty())
    }

    /// The form, built by whoever comes first, and how many bytes were added to memory.
    pub(crate) async fn form(
        &self,
        format: Format,
        coding: Coding,
        render: impl FnOnce(Format) -> Result<Text, IndexError> + Send + 'static,
    ) -> Result<(Body, usize), IndexError> {
        let variants = self.variants(format);
        let mut added = 0;
        let identity = async {
            let former = self.former.clone();
            let build = move || {
                let text = render(format)?;
                let (parts, digest) = text.parts(former.as_ref());
                let body = Body::new(text.bytes, &digest.to_hex(), Coding::Identity);
                Ok::<_, IndexError>((body, parts))
            };
            let (body, parts) = tokio::task::spawn_blocking(build).await??;
            added += body.bytes.len();
            if !parts.is_empty() {
                let _ = variants.parts.set(Arc::new(parts));
            }
            Ok::<_, IndexError>(body)
        };
        let identity = variants.identity.get_or_try_init(|| identity).await?.clone();
        if coding == Coding::Identity {
            return Ok((identity, added));
        }
        let compressed = async {
            let parts = variants.parts.get().cloned();
            let build = move || {
                let digest = identity.etag.to_str().unwrap_or_default().trim_matches('"').to_owned();
                let (bytes, kept) = match parts.filter(|_| coding == Coding::Gzip) {
                    Some(parts) => {
                        parts::gzip(&identity.bytes, &parts).map_err(IndexError::io("compress", "a page"))?
                    }
                    None => (compress(&identity.bytes, coding)?, 0),
                };
                Ok::<_, IndexError>((Body::new(bytes, &digest, coding), kept))
            };
            let (body, kept) = tokio::task::spawn_blocking(build).await??;
            added += body.bytes.len() + kept;
            Ok::<_, IndexError>(body)
        };
        let body = variants.cell(coding).get_or_try_init(|| compressed).await?.clone();
        Ok((body, added))
    }
}

fn compress(identity: &[u8], coding: Coding) -> Result<Vec<u8>, IndexError> {
    let compressed = match coding {
        Coding::Identity => Ok(identity.to_vec()),
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
            encoder.write_all(identity).and_then(|()| encoder.finish())
        }
        Coding::Zstd => zstd::bulk::compress(identity, 3),
    };
    compressed.map_err(IndexError::io("compress", "a page"))
}

/// A project page in a format, in one piece.
fn rendered(page: &ProjectPage, format: Format) -> Result<Vec<u8>, IndexError> {
    match format {
        Format::Json => Ok(serde_json::to_vec(page)?),
        Format::SimpleHtml | Format::Html => Ok(render::project_html(page).into_string().into_bytes()),
    }
}
