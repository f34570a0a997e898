//! An upload that is judged while it streams against one that is only received, in one run.
//!
//! `cargo bench -p shipway-index --bench upload -- WHEEL [ROUNDS]`; without a wheel it does nothing, so that
//! it can be built and run everywhere. A server on loopback takes the same bytes under two names: the
//! wheel's, which is judged and placed, and `NAME.bin`, which is received, hashed three times and synced
//! like it, and then refused for its name before any judgement. Rounds alternate, each on a data directory
//! of its own; the medians are compared. A second line has the client send at a tenth of a gigabyte a
//! second, which is what a fast network gives.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use shipway_dist::Sha256;
use shipway_dist::filename::DistributionFilename;
use shipway_index::{Config, embedded};

/// Bytes a second of the slower line.
const PACE: f64 = 100e6;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(path) = arguments.next() else {
        println!("no wheel given");
        return Ok(());
    };
    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(7);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let filename = Path::new(&path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let wheel = Wheel { parsed: filename.parse()?, filename, bytes: std::fs::read(&path)?.into() };
    let runtime = tokio::runtime::Runtime::new()?;
    for (what, pace) in [("as fast as it goes", None), ("at 100 MB/s", Some(PACE))] {
        let (mut judged, mut received) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            received.push(runtime.block_on(wheel.upload(false, pace))?);
            judged.push(runtime.block_on(wheel.upload(true, pace))?);
        }
        let (judged, received) = (median(judged), median(received));
        println!(
            "{} MB {what}: received in {received:.3?}, judged as well in {judged:.3?}, ratio {:.2}",
            wheel.bytes.len() / 1_000_000,
            judged.as_secs_f64() / received.as_secs_f64()
        );
    }
    Ok(())
}

struct Wheel {
    filename: String,
    parsed: DistributionFilename,
    bytes: Bytes,
}

impl Wheel {
    /// Uploads to a new server and gives the time from the request to the answer.
    async fn upload(&self, judged: bool, pace: Option<f64>) -> Result<Duration, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let server = embedded(Config::new(folder.path().join("data"))).await?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("{}/dev/", server.running.url());
        // The connection is there, and the server has opened its store.
        client.get(&url).send().await?;
        let filename = if judged { self.filename.clone() } else { format!("{}.bin", self.filename) };
        let content = Part::stream_with_length(self.body(pace), self.bytes.len() as u64).file_name(filename);
        let form = Form::new()
            .text(":action", "file_upload")
            .text("protocol_version", "1")
            .text("metadata_version", "2.1")
            .text("name", self.parsed.name.normalized().to_owned())
            .text("version", self.parsed.version.to_string())
            .text("filetype", "bdist_wheel")
            .text("pyversion", self.parsed.tags[0].clone())
            .text("sha256_digest", Sha256::of(&self.bytes).to_hex())
            .part("content", content);
        let request = client.post(&url).basic_auth("__token__", Some(server.token.expose())).multipart(form);
        let start = Instant::now();
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        let elapsed = start.elapsed();
        let expected = if judged { 200 } else { 400 };
        if status != expected {
            return Err(format!("expected {expected}, the index answered {status}: {text}").into());
        }
        Ok(elapsed)
    }

    /// The bytes in pieces of 64 KiB, not faster than a pace.
    fn body(&self, pace: Option<f64>) -> Body {
        let (bytes, start) = (self.bytes.clone(), Instant::now());
        let pieces = futures_util::stream::unfold(0, move |at| {
            let bytes = bytes.clone();
            async move {
                if at == bytes.len() {
                    return None;
                }
                if let Some(pace) = pace {
                    let due = Duration::from_secs_f64(at as f64 / pace);
                    tokio::time::sleep(due.saturating_sub(start.elapsed())).await;
                }
                let end = bytes.len().min(at + 64 * 1024);
                Some((Ok::<_, std::io::Error>(bytes.slice(at..end)), end))
            }
        });
        Body::wrap_stream(pieces)
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
