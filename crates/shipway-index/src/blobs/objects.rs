//! Files and tiles in a bucket of an S3-compatible storage.
//!
//! A request is tried again for a while and then fails; it never waits without end. Small files are put in one
//! request that refuses to overwrite, larger ones in parts that become visible together.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{
    BackoffConfig, ClientOptions, Error, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    RetryConfig, WriteMultipart,
};
use shipway_dist::digest::Sha256;
use tokio::io::AsyncReadExt as _;

use super::{Bytes, Chunks, Held, Storage};
use crate::config::StorageOptions;
use crate::error::IndexError;

/// The size of a part, and of what is put in one request.
const PART: usize = 8 * 1024 * 1024;
/// How many parts are under way at once.
const PARTS: usize = 2;
/// How long a signed URL holds.
const SIGNED: Duration = Duration::from_secs(15 * 60);

/// A bucket, or the part of it below a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    store: Arc<AmazonS3>,
    prefix: String,
}

impl Objects {
    /// Prepares requests; sends none.
    pub(crate) fn new(bucket: &str, prefix: &str, options: &StorageOptions) -> Result<Self, IndexError> {
        crate::server::install_crypto();
        let client = ClientOptions::new()
            .with_connect_timeout(Duration::from_secs(5))
            // A large file may take long; what may not is standing still.
            .with_timeout_disabled()
            .with_read_timeout(Duration::from_secs(20));
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.,
            },
            max_retries: 4,
            retry_timeout: Duration::from_secs(20),
        };
        let mut builder = AmazonS3Builder::new().with_client_options(client).with_retry(retry);
        for (name, value) in options.iter() {
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
            // The endpoint says whether it is plain HTTP; nobody has to say it again.
            if matches!(name, "AWS_ENDPOINT" | "AWS_ENDPOINT_URL" | "AWS_ENDPOINT_URL_S3")
                && value.starts_with("http://")
            {
                builder = builder.with_allow_http(true);
            }
        }
        let store = builder
            .with_bucket_name(bucket)
            .build()
            .map_err(|error| IndexError::Config { key: "storage", why: error.to_string() })?;
        Ok(Self { store: Arc::new(store), prefix: prefix.to_owned() })
    }

    fn path(&self, name: &str) -> Path {
        if self.prefix.is_empty() { Path::from(name) } else { Path::from(format!("{}/{name}", self.prefix)) }
    }

    fn blob(&self, sha256: &Sha256) -> Path {
        self.path(&format!("blobs/{}", sha256.to_hex()))
    }

    /// An object whole; only for small ones.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Bytes>, IndexError> {
        let path = self.path(name);
        let read = async { self.store.get(&path).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Writes an object, whole or not at all; what stood there is replaced.
    pub(crate) async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), IndexError> {
        let path = self.path(name);
        self.store.put(&path, bytes.into()).await.map_err(failed("write", &path))?;
        Ok(())
    }

    /// The names directly below a folder, without it.
    pub(crate) async fn names(&self, folder: &str) -> Result<Vec<String>, IndexError> {
        let path = self.path(folder);
        let found = self.store.list_with_delimiter(Some(&path)).await.map_err(failed("list", &path))?;
        Ok(found.objects.iter().filter_map(|one| Some(one.location.filename()?.to_owned())).collect())
    }

    /// Removes an object; that there is none is success.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), IndexError> {
        let path = self.path(name);
        match self.store.delete(&path).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("remove", &path)(error)),
        }
    }

    async fn put_small(&self, path: &Path, staged: &FilePath) -> Result<bool, IndexError> {
        let bytes = tokio::fs::read(staged).await.map_err(IndexError::io("read", staged))?;
        let bytes = Bytes::from(bytes);
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(path, bytes.clone().into(), create).await {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            // A storage without conditions: the same name only ever gets the same bytes.
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                self.store.put(path, bytes.into()).await.map_err(failed("write", path))?;
                Ok(true)
            }
            Err(error) => Err(failed("write", path)(error)),
        }
    }

    async fn put_parts(&self, path: &Path, staged: &FilePath) -> Result<bool, IndexError> {
        let mut file = tokio::fs::File::open(staged).await.map_err(IndexError::io("open", staged))?;
        let upload = self.store.put_multipart(path).await.map_err(failed("write", path))?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut buffer = vec![0; 1024 * 1024];
        let sent = async {
            loop {
                let count = file.read(&mut buffer).await.map_err(IndexError::io("read", staged))?;
                if count == 0 {
                    return Ok(());
                }
                parts.wait_for_capacity(PARTS).await.map_err(failed("write", path))?;
                parts.write(&buffer[..count]);
            }
        };
        if let Err(error) = sent.await {
            if let Err(error) = parts.abort().await {
                tracing::warn!(%error, %path, "cannot take back the parts of an unfinished object");
            }
            return Err(error);
        }
        // Takes its parts back itself when it fails.
        parts.finish().await.map_err(failed("write", path))?;
        Ok(true)
    }
}

impl Storage for Objects {
    fn put<'a>(
        &'a self,
        sha256: Sha256,
        staged: &'a FilePath,
        size: u64,
    ) -> BoxFuture<'a, Result<bool, IndexError>> {
        async move {
            if self.size(sha256).await?.is_some() {
                return Ok(false);
            }
            let path = self.blob(&sha256);
            if size <= PART as u64 {
                self.put_small(&path, staged).await
            } else {
                self.put_parts(&path, staged).await
            }
        }
        .boxed()
    }

    fn size(&self, sha256: Sha256) -> BoxFuture<'_, Result<Option<u64>, IndexError>> {
        async move {
            let path = self.blob(&sha256);
            match self.store.head(&path).await {
                Ok(meta) => Ok(Some(meta.size)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(failed("find", &path)(error)),
            }
        }
        .boxed()
    }

    fn open(&self, sha256: Sha256, start: u64, length: u64) -> BoxFuture<'_, Result<Chunks, IndexError>> {
        async move {
            let path = self.blob(&sha256);
            let options = GetOptions { range: Some((start..start + length).into()), ..GetOptions::default() };
            let found = self.store.get_opts(&path, options).await.map_err(failed("read", &path))?;
            let chunks = found.into_stream().map(move |chunk| chunk.map_err(failed("read", &path)));
            Ok(Box::pin(chunks) as Chunks)
        }
        .boxed()
    }

    fn remove(&self, sha256: Sha256) -> BoxFuture<'_, Result<(), IndexError>> {
        async move { self.delete(&format!("blobs/{}", sha256.to_hex())).await }.boxed()
    }

    fn set_aside(&self, sha256: Sha256) -> BoxFuture<'_, Result<(), IndexError>> {
        async move {
            let (from, to) = (self.blob(&sha256), self.path(&format!("altered/{}", sha256.to_hex())));
            self.store.copy(&from, &to).await.map_err(failed("copy", &from))?;
            self.remove(sha256).await
        }
        .boxed()
    }

    fn list(&self) -> BoxStream<'_, Result<Held, IndexError>> {
        let path = self.path("blobs");
        let listed = self.store.list(Some(&path));
        listed
            .map(move |found| {
                let found = found.map_err(failed("list", &path))?;
                let name = found.location.filename().unwrap_or_default();
                Ok(Held { sha256: name.parse().ok(), name: found.location.to_string(), size: found.size })
            })
            .boxed()
    }

    fn redirect(&self, sha256: Sha256) -> BoxFuture<'_, Result<Option<url::Url>, IndexError>> {
        async move {
            let path = self.blob(&sha256);
            let signed = self.store.signed_url(http::Method::GET, &path, SIGNED).await;
            Ok(Some(signed.map_err(failed("sign a URL for", &path))?))
        }
        .boxed()
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(Error) -> IndexError {
    let object = path.to_string();
    move |source| IndexError::Storage { action, object, source }
}
