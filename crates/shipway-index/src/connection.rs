//! One connection: how long it may be silent, how long its client may leave an answer unread; and how many are
//! open at once.
//!
//! One rule for every version of HTTP, with and without TLS. The timers of hyper do not do: the one of a
//! request's head begins after the first bytes, and runs on while a long answer is still on its way. Nothing
//! here knows what is asked.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::config::Limits;
use crate::http::front::Front;

/// More bytes than this do not wait for a slow client; a piece of a file may be twice as long.
const BUFFER: usize = 64 * 1024;
/// How long a connection that was asked to end may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// A client that takes a few bytes now and then may take this many times as long as one that takes none.
const SLOW: u32 = 10;
/// More connections than this are not open unless the configuration says so.
const CONNECTIONS: usize = 16 * 1024;
/// Open files that are left for what is no connection: files that are sent, uploads, the database.
const OTHER_FILES: usize = 1024;

/// The connections that may be open at once.
pub(crate) struct Places {
    places: Arc<Semaphore>,
    open: Arc<AtomicUsize>,
}

/// A place, taken by a connection that may not be there yet.
pub(crate) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
    open: Arc<AtomicUsize>,
}

/// A connection that is open; its place is free when this is dropped.
pub(crate) struct Open(Place);

impl Places {
    pub(crate) fn new(limits: &Limits) -> Self {
        let number = limits.connections.map_or_else(bearable, NonZeroUsize::get);
        let places = Arc::new(Semaphore::new(number.min(Semaphore::MAX_PERMITS)));
        Self { places, open: Arc::default() }
    }

    /// Waits for a place. Meanwhile the system keeps whoever comes, as many as it likes.
    pub(crate) async fn admit(&self) -> Place {
        Place { _permit: self.places.clone().acquire_owned().await.ok(), open: self.open.clone() }
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Place {
    pub(crate) fn open(self) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many connections the open files of this process suffice for.
fn bearable() -> usize {
    let files = open_files();
    files.saturating_sub(OTHER_FILES).max(files / 2).clamp(1, CONNECTIONS)
}

/// How many files this process may open.
#[cfg(target_os = "linux")]
fn open_files() -> usize {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> usize {
    4096
}

/// Lets this process open as many files as it may: the limit that it starts with is for programs that use
/// `select`.
#[cfg(target_os = "linux")]
pub(crate) fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let enough = (CONNECTIONS + OTHER_FILES) as u64;
    let wanted = limit.maximum.unwrap_or(enough).min(enough);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the number of open files stays as it is");
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn raise_open_files() {}

/// How long a client is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) silence: Duration,
    pub(crate) unread: Duration,
}

impl Patience {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { silence: limits.silence, unread: limits.unread }
    }
}

/// What is going on in a connection.
#[derive(Debug)]
pub(crate) struct Activity {
    began: Instant,
    /// Requests whose answer is not given away yet.
    requests: AtomicUsize,
    /// When the last request ended, and when the client last took a byte; milliseconds since the beginning.
    answered: AtomicU64,
    taken: AtomicU64,
    /// Since when a piece of an answer waits to be taken, by request.
    waiting: Mutex<HashMap<u64, Instant>>,
    numbers: AtomicU64,
}

/// A request, from its head until its answer is given away.
#[derive(Debug)]
pub(crate) struct Request {
    activity: Arc<Activity>,
    number: u64,
    waiting: bool,
}

/// How a connection stands.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing is wrong before this moment.
    Fine(Instant),
    Silent,
    Unread,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            requests: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            waiting: Mutex::default(),
            numbers: AtomicU64::new(0),
        })
    }

    /// The head of a request has come.
    pub(crate) fn request(self: &Arc<Self>) -> Request {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        Request { activity: self.clone(), number, waiting: false }
    }

    fn note(&self, what: &AtomicU64) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        what.fetch_max(now, Ordering::Relaxed);
    }

    fn at(&self, what: &AtomicU64) -> Instant {
        self.began + Duration::from_millis(what.load(Ordering::Relaxed))
    }

    fn judge(&self, patience: Patience, now: Instant) -> Standing {
        let taken = self.at(&self.taken);
        // A client that takes some of an answer is neither silent nor away, for a time.
        let is_over = |since: Instant, limit: Duration| {
            now >= since + limit && (now >= taken + limit || now >= since + limit * SLOW)
        };
        if self.requests.load(Ordering::Relaxed) == 0 {
            let answered = self.at(&self.answered);
            if is_over(answered, patience.silence) {
                return Standing::Silent;
            }
            let until = answered.max(taken) + patience.silence;
            return Standing::Fine(until.min(answered + patience.silence * SLOW));
        }
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.values().any(|since| is_over(*since, patience.unread)) {
            return Standing::Unread;
        }
        Standing::Fine(now + patience.silence.min(patience.unread))
    }
}

impl Request {
    /// A piece of the answer was given to the connection.
    pub(crate) fn gave(&mut self) {
        self.waiting = true;
        let mut waiting = self.activity.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(self.number, Instant::now());
    }

    /// The connection asks for the next piece: there is room for it.
    pub(crate) fn asked(&mut self) {
        if std::mem::take(&mut self.waiting) {
            let mut waiting = self.activity.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.remove(&self.number);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.asked();
        self.activity.note(&self.activity.answered);
        self.activity.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a connection until it ends, by itself, because its client is silent or away, or because the server
/// stops.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    front: Front,
    patience: Patience,
    mut stopped: watch::Receiver<bool>,
) {
    let activity = front.activity.clone();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().header_read_timeout(None).max_buf_size(BUFFER);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(patience.silence).keep_alive_timeout(patience.silence);
    let stream = TokioIo::new(Noted { stream, activity: activity.clone() });
    let mut connection = pin!(builder.serve_connection(stream, front));
    let mut look = pin!(tokio::time::sleep(patience.silence));
    let mut stop = pin!(stopped.wait_for(|stopped| *stopped));
    let mut ending = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
                }
                return;
            }
            _ = stop.as_mut(), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
            () = look.as_mut() => match activity.judge(patience, Instant::now()) {
                Standing::Fine(until) => look.as_mut().reset(until),
                Standing::Silent if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                    look.as_mut().reset(Instant::now() + FAREWELL.min(patience.silence));
                }
                standing @ (Standing::Silent | Standing::Unread) => {
                    tracing::debug!(?standing, "a connection was cut off");
                    return;
                }
            },
        }
    }
}

/// A stream that notes when its client takes bytes.
struct Noted<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: Unpin> Noted<S> {
    fn noted(&self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        if matches!(result, Ok(1..)) {
            self.activity.note(&self.activity.taken);
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.noted(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices));
        self.noted(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
