//! Entry points for fuzzing what the index reads of others: uploads, requests, upstream's pages, policies, exports; not
//! part of the interface.
//!
//! The targets under `fuzz/` and the short runs in the tests call the same functions, so that an input which
//! one of them finds is a test of the other. They panic when a property does not hold.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use shipway_dist::channel::{self, ChannelName};
use shipway_dist::filename::DistributionFilename;
use tokio::runtime::Runtime;

use crate::accept::form::Form;
use crate::admin::{policy_text, read_policy};
use crate::blobs::{self, Blobs, Staged};
use crate::config::{Config, Faults};
use crate::error::IndexError;
use crate::http::upload::read_form;
use crate::pages::{Format, text};
use crate::project::encode_segment;
use crate::store::Store;
use crate::transfer::{TABLES, fuzz_data_index, fuzz_rows};
use crate::upstream::client::RawPage;
use crate::upstream::page::UpstreamPage;
use crate::upstream::passed_on;

/// Above most inputs, so that both sides of the limit are reached.
const LIMIT: u64 = 4096;

struct Place {
    _folder: tempfile::TempDir,
    blobs: Blobs,
    runtime: Runtime,
}

thread_local! {
    static PLACE: OnceCell<Place> = const { OnceCell::new() };
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = blobs::Place::Folder(folder.path().to_owned());
        let blobs = Blobs::open(&place, folder.path(), Faults::default()).expect("an empty storage");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self { _folder: folder, blobs, runtime }
    }

    /// The form and the file that are read when the body comes in pieces of a size.
    fn read(&self, content_type: &str, body: &[u8], piece: usize) -> Result<Read, IndexError> {
        let pieces: Vec<Result<Bytes, IndexError>> =
            body.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let stream = futures_util::stream::iter(pieces);
        self.runtime.block_on(read_form(&self.blobs, LIMIT, None, content_type, stream))
    }

    /// Whether no temporary file is left. The thread that writes one removes it when nobody waits for it
    /// any more, which is not at once.
    fn is_empty(&self) -> bool {
        let unfinished = self.blobs.unfinished();
        let empty = || std::fs::read_dir(unfinished).is_ok_and(|mut entries| entries.next().is_none());
        (0..10_000).any(|round| {
            if round > 0 {
                std::thread::sleep(std::time::Duration::from_micros(500));
            }
            empty()
        })
    }
}

type Read = (Form, Option<(String, Staged)>);

/// The form of an upload: the first line is the `Content-Type`, the rest is the body.
///
/// What is read does not depend on how the body was cut into pieces, no input is the server's fault, and
/// nothing stays behind.
pub fn multipart(bytes: &[u8]) {
    let at = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let content_type = String::from_utf8_lossy(&bytes[..at]);
    let body = bytes.get(at + 1..).unwrap_or_default();
    // Sizes that differ from input to input, and do not change when it is tried again.
    let piece = 1 + body.iter().fold(body.len(), |sum, &byte| sum.wrapping_mul(31) + usize::from(byte)) % 61;
    PLACE.with(|place| {
        let place = place.get_or_init(Place::new);
        let whole = place.read(&content_type, body, body.len().max(1));
        let pieces = place.read(&content_type, body, piece);
        match (&whole, &pieces) {
            (Ok((form, file)), Ok((other, other_file))) => {
                assert_eq!(form, other, "pieces of {piece}");
                let facts = |file: &Option<(String, Staged)>| {
                    file.as_ref().map(|(name, staged)| (name.clone(), staged.sha256, staged.size))
                };
                assert_eq!(facts(file), facts(other_file), "pieces of {piece}");
                judge(form, file.as_ref().map(|(_, staged)| staged));
            }
            (Err(error), Err(_)) => refused(error),
            (one, other) => panic!("whole: {one:?}, in pieces of {piece}: {other:?}"),
        }
        drop((whole, pieces));
        assert!(place.is_empty(), "a temporary file stays behind");
    });
}

/// The fields of a request, each a line `name: value`: ranges and conditions, negotiation, who a proxy names,
/// credentials.
pub fn headers(bytes: &[u8]) {
    crate::http::fuzz::headers(bytes);
}

fn judge(form: &Form, file: Option<&Staged>) {
    if let Err(error) = form.judge_action() {
        refused(&error);
    }
    let facts = form.judge();
    assert_eq!(form.get("name").and_then(|name| name.parse().ok()), facts.name);
    let mut findings = facts.findings;
    findings.extend(file.iter().flat_map(|staged| form.judge_digests(staged)));
    if !findings.is_empty() {
        refused(&IndexError::Invalid { findings });
    }
}

fn refused(error: &IndexError) {
    assert!(error.status().is_client_error(), "{error:?}");
    assert!(!error.to_string().is_empty());
}

/// A page of upstream, read as JSON and as HTML.
///
/// Only files of the project are passed on, each once and led through this index, and what is written of them
/// can be read again and says the same.
pub fn simple_page(bytes: &[u8]) {
    for is_json in [true, false] {
        let page = match passed_on("demo", raw(is_json, bytes)) {
            Ok(page) => page,
            Err(error) => {
                assert!(matches!(error, IndexError::Upstream { .. }), "{error:?}");
                continue;
            }
        };
        assert_eq!(page.source.files.len(), page.files.len(), "each once");
        assert_eq!(page.files.is_empty(), page.source.files.is_empty());
        for file in &page.source.files {
            let parsed: DistributionFilename = file.filename.parse().expect("a filename");
            assert_eq!(parsed.name.normalized(), "demo");
            let sha256 = page.files[&file.filename].sha256;
            let here = format!("../../../files/{sha256}/{}", encode_segment(&file.filename));
            assert_eq!(file.url, here);
        }
        for (format, is_json) in [(Format::Json, true), (Format::Html, false)] {
            let written = text(&page.source, format).expect("what was read can be written");
            let again =
                passed_on("demo", raw(is_json, &written.bytes)).expect("what was written can be read");
            assert_eq!(listed(&page), listed(&again), "{format:?}");
        }
    }
}

fn raw(is_json: bool, body: &[u8]) -> RawPage {
    let url = "http://127.0.0.1:1/dev/simple/demo/".parse().expect("a URL");
    RawPage { url, is_json, etag: None, body: Bytes::copy_from_slice(body) }
}

/// What must survive: digest, metadata and yank of each file.
fn listed(page: &UpstreamPage) -> BTreeMap<String, (String, Option<String>, bool)> {
    let file = |file: &shipway_dist::simple::PageFile| {
        let known = &page.files[&file.filename];
        let metadata = known.metadata.map(|sha256| sha256.to_hex());
        (file.filename.clone(), (known.sha256.to_hex(), metadata, file.yanked.is_yanked()))
    };
    page.source.files.iter().map(file).collect()
}

/// A policy as an administrator writes it: what is read is written, and read again as the same.
pub fn policy(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let channels: Vec<ChannelName> =
        channel::DEFAULT.iter().map(|name| name.parse().expect("a channel's name")).collect();
    match read_policy(&text, &channels) {
        Ok(policy) => {
            let written = policy_text(&policy).expect("a policy that was read can be written");
            assert_eq!(read_policy(&written, &channels), Ok(policy), "{written}");
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
}

/// What devpi-server says of the files that it exports.
pub fn data_index(bytes: &[u8]) {
    for (hashes, uploaded_at) in fuzz_data_index(bytes) {
        assert!(hashes.keys().all(|algorithm| algorithm.len() <= bytes.len()));
        // All times have one length, so that they sort as text.
        assert!(uploaded_at.is_none_or(|time| time.len() == 27), "{hashes:?}");
    }
}

struct Tables {
    _folder: tempfile::TempDir,
    store: Store,
    runtime: Runtime,
}

thread_local! {
    static TABLES_OF_IMPORT: OnceCell<Tables> = const { OnceCell::new() };
}

/// Rows of an export: the first byte chooses the table, the rest is its lines. Whatever is refused is the export's
/// fault or the database's refusal, and the transaction goes on or is rolled back.
pub fn export_rows(bytes: &[u8]) {
    let Some((table, text)) = bytes.split_first() else { return };
    let table = TABLES[usize::from(*table) % TABLES.len()];
    TABLES_OF_IMPORT.with(|tables| {
        let tables = tables.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let database = Config::new(folder.path()).database().expect("a database");
            let store = runtime.block_on(Store::open(&database)).expect("a new database");
            Tables { _folder: folder, store, runtime }
        });
        tables.runtime.block_on(async {
            let mut write = tables.store.write().await.expect("a transaction");
            for row in fuzz_rows(&mut write, table, text).await {
                match row {
                    Ok(row) => assert!(!row.is_empty()),
                    Err(IndexError::Export { .. } | IndexError::Io { .. }) => {}
                    Err(IndexError::Database { source: sqlx::Error::Database(_) }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            write.rollback().await.expect("a rollback");
        });
    });
}
