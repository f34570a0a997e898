//! Files from a forge and from the stores that it redirects to.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::Response;
use url::Url;

use super::super::model::Download;
use super::{Client, HOPS, TRIES, location};
use crate::error::{Error, Result};

/// How long a download may take.
const DOWNLOAD_TIME: Duration = Duration::from_secs(3600);

impl Client {
    /// Downloads into a file while hashing. The first answer redirects to a store, which never gets the token.
    pub(in crate::ops::forge) fn download(
        &self,
        what: &str,
        url: Url,
        to: &Path,
        limit: u64,
    ) -> Result<Download> {
        let mut tries = 0;
        loop {
            tries += 1;
            // The store's address holds for about a minute, so that a repeat begins at the forge again.
            match self.timed(|| self.download_once(what, url.clone(), to, limit)) {
                Err(error)
                    if tries < TRIES
                        && matches!(error.code(), "unreachable" | "truncated" | "server-error") =>
                {
                    self.pause(Duration::from_millis(200 << tries));
                }
                other => return other,
            }
        }
    }

    fn download_once(&self, what: &str, url: Url, to: &Path, limit: u64) -> Result<Download> {
        let mut url = url;
        for _ in 0..HOPS {
            let request = if url.origin() == self.location.api.origin() {
                self.request(Method::GET, &url)
            } else {
                self.connection.get(url.clone())
            };
            let request = request.header("accept-encoding", "identity").timeout(DOWNLOAD_TIME);
            let mut response = self.send(what, request)?;
            if response.status().is_redirection() {
                let next = location(response.headers(), &url)
                    .ok_or_else(|| self.astray(what, "a redirect leads nowhere"))?;
                let is_weaker = url.scheme() == "https" && next.scheme() != "https";
                if is_weaker || !matches!(next.scheme(), "http" | "https") {
                    return Err(self.astray(what, "a redirect leaves https"));
                }
                url = next;
                continue;
            }
            if !response.status().is_success() {
                let answer = self.read_whole(what, response)?;
                return Err(self.refusal(what, &answer));
            }
            let (sha256, size) = copy(what, &mut response, to, limit)?;
            return Ok(Download { sha256, size });
        }
        Err(self.astray(what, "too many redirects"))
    }
}

fn copy(what: &str, from: &mut Response, to: &Path, limit: u64) -> Result<(shipway_dist::Sha256, u64)> {
    let mut file = std::fs::File::create(to).map_err(|error| Error::io("write", to, &error))?;
    let mut hasher = shipway_dist::digest::Hasher::default();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0_u64;
    loop {
        let read = from.read(&mut buffer).map_err(|error| {
            Error::incomplete("truncated", format!("the download of {what} broke off"))
                .cause(error.to_string())
        })?;
        if read == 0 {
            return Ok(hasher.finish());
        }
        size += read as u64;
        if size > limit {
            return Err(Error::refused("too-large", format!("{what} has more than {limit} bytes")));
        }
        hasher.update(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(|error| Error::io("write", to, &error))?;
    }
}
