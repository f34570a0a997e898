//! The server: binds, accepts, serves, and shuts down without cutting a request off.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, TlsFiles};
use crate::connection::{self, Open, Patience};
use crate::error::IndexError;
use crate::http::front::Front;
use crate::http::{self, App};
use crate::index::{Access, Index};
use crate::loops::Loops;
use crate::tokens::{self, Secret};

/// How long requests in flight may take after a shutdown began.
const GRACE: Duration = Duration::from_secs(30);
/// More threads of connections than this share what asks the database what changed: each is a connection to it.
const ASKING: usize = 4;
/// How long a start waits for the log.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that runs until [`Running::shutdown`].
pub struct Running {
    address: SocketAddr,
    secure: bool,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    metrics: Option<(SocketAddr, JoinHandle<()>)>,
    app: App,
}

/// An index of this process alone, on a loopback port.
pub struct Embedded {
    /// The server.
    pub running: Running,
    /// A token that allows everything and holds as long as the server runs; it is stored nowhere.
    pub token: Secret,
}

/// Binds `address` (`HOST:PORT`) and starts the server.
///
/// # Errors
/// When the address cannot be bound or the data directory not be used.
pub async fn start(config: Config, address: &str) -> Result<Running, IndexError> {
    let bind = |source| IndexError::Bind { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    serve(config, listener).await
}

/// Starts the server on a listener. The process may open as many files from then on as the system lets it.
///
/// # Errors
/// When the data directory cannot be used.
pub async fn serve(config: Config, listener: TcpListener) -> Result<Running, IndexError> {
    connection::raise_open_files();
    run(config, listener, None).await
}

/// Starts an index on a free loopback port, with a token that holds in this process alone.
///
/// # Errors
/// When the data directory cannot be used.
pub async fn embedded(config: Config) -> Result<Embedded, IndexError> {
    let address = "127.0.0.1:0";
    let bind = |source| IndexError::Bind { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    let (token, hash) = tokens::ephemeral();
    let running = run(config, listener, Some(hash)).await?;
    Ok(Embedded { running, token })
}

async fn run(
    config: Config,
    listener: TcpListener,
    ephemeral: Option<shipway_dist::Sha256>,
) -> Result<Running, IndexError> {
    let unbound = |source| IndexError::Bind { address: "the listener".to_owned(), source };
    let address = listener.local_addr().map_err(unbound)?;
    let tls = config.tls.as_ref().map(acceptor).transpose()?;
    let proxies = http::Proxies::new(&config.trusted_proxies, config.proxy_header)?;
    let anonymous_read = config.anonymous_read.unwrap_or(address.ip().is_loopback());
    let index = Index::open(&config, Access { anonymous_read, ephemeral }).await?;
    if let Err(error) = stands_on_its_log(&index).await {
        index.store.close().await;
        return Err(error);
    }
    let warm = index.ephemeral.is_none();
    let (router, app) = http::router(index, config.metrics.is_some(), proxies);
    let secure = tls.is_some();
    let (stop, stopped) = watch::channel(false);
    let metrics = match &config.metrics {
        Some(address) => Some(serve_metrics(address, &app, stopped.clone()).await?),
        None => None,
    };
    let service = Service { app: app.clone(), router };
    tokio::spawn(crate::upkeep::run(app.clone(), stopped.clone()));
    let task = tokio::spawn(accept(listener, service, tls, (Loops::start()?, stopped)));
    if warm {
        tokio::spawn(warm_lists(app.clone()));
    }
    tracing::info!(%address, secure, anonymous_read, "serving");
    Ok(Running { address, secure, stop, task, metrics, app })
}

/// Refuses a database that is behind its log. That the log cannot be read yet holds nobody up: pages need none.
async fn stands_on_its_log(index: &Index) -> Result<(), IndexError> {
    match tokio::time::timeout(PATIENCE, index.log.check(&index.store)).await {
        Ok(Err(error @ IndexError::Behind { .. })) => Err(error),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the log was not compared with the database");
            Ok(())
        }
        Ok(Ok(())) => Ok(()),
        Err(_) => {
            tracing::warn!("the log was not compared with the database: no answer");
            Ok(())
        }
    }
}

/// What every connection serves.
#[derive(Clone)]
struct Service {
    app: App,
    router: Router,
}

/// Reads the lists of projects before somebody asks: of a large index that takes a second.
async fn warm_lists(app: App) {
    let warm = async {
        let index = &app.index;
        index.cache.refresh(&index.store).await?;
        for channel in index.cache.channels(&index.store).await?.iter() {
            index.cache.list(&index.store, &channel.name).await?;
        }
        Ok::<_, IndexError>(())
    };
    if let Err(error) = warm.await {
        tracing::debug!(%error, "the lists of projects were not read ahead");
    }
}

/// Answers `/metrics` on an address of its own, in the clear.
async fn serve_metrics(
    address: &str,
    app: &App,
    mut stopped: watch::Receiver<bool>,
) -> Result<(SocketAddr, JoinHandle<()>), IndexError> {
    let bind = |source| IndexError::Bind { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    let bound = listener.local_addr().map_err(bind)?;
    let router = http::metrics_router(app.clone());
    let task = tokio::spawn(async move {
        let stop = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop).await {
            tracing::error!(%error, "the metrics are not served any more");
        }
    });
    Ok((bound, task))
}

impl Running {
    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The root of the index, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The address that answers `/metrics`, where it has one of its own.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(address, _)| *address)
    }

    /// Takes no further connection, lets the requests in flight end, and closes the database.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the server ended early");
        }
        if let Some((_, task)) = self.metrics {
            task.abort();
        }
        self.app.index.store.close().await;
    }
}

async fn accept(
    listener: TcpListener,
    service: Service,
    tls: Option<TlsAcceptor>,
    (mut loops, mut stopped): (Loops, watch::Receiver<bool>),
) {
    let stop = stopped.clone();
    let store = &service.app.index.store;
    let pulses: Vec<_> = (0..loops.count().min(ASKING)).map(|_| store.pulse()).collect();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = async {
            let place = service.app.connections.admit().await;
            let (stream, peer) = listener.accept().await?;
            // Its events are to wake the thread that it lives on and no other.
            std::io::Result::Ok((place.open(), stream.into_std()?, peer))
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        // Collects what ended, so that the set does not grow.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((open, stream, peer)) => {
                let (number, thread) = loops.next();
                let pulse = pulses[number % pulses.len()].clone();
                let front = Front::new(service.app.clone(), service.router.clone(), (peer.ip(), pulse));
                let connection = connection(open, stream, front, tls.clone(), stop.clone());
                connections.spawn_on(connection, thread);
            }
            Err(error) => {
                // Out of file descriptors, for example: wait for some to be given back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::warn!("requests in flight were cut off after {} seconds", GRACE.as_secs());
    }
    connections.shutdown().await;
    for pulse in pulses {
        pulse.close().await;
    }
}

async fn connection(
    _open: Open,
    stream: std::net::TcpStream,
    front: Front,
    tls: Option<TlsAcceptor>,
    mut stopped: watch::Receiver<bool>,
) {
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, "cannot take a connection"),
    };
    let _ = stream.set_nodelay(true);
    let patience = Patience::new(front.limits());
    let Some(tls) = tls else { return connection::serve(stream, front, patience, stopped).await };
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(patience.silence, tls.accept(stream)) => handshake,
        _ = stopped.wait_for(|stopped| *stopped) => return,
    };
    match handshake {
        Ok(Ok(stream)) => connection::serve(stream, front, patience, stopped).await,
        Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake failed"),
        Err(_) => tracing::debug!("the TLS handshake took too long"),
    }
}

/// Chooses ring for every TLS connection of this process, unless something was chosen.
pub(crate) fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, IndexError> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    install_crypto();
    let unreadable = |key: &'static str, why: rustls::pki_types::pem::Error| IndexError::Config {
        key,
        why: why.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("tls-cert", error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable("tls-key", error))?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|source| IndexError::Tls { source })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
