//! The event loops that connections live on.
//!
//! Each is one thread with a poll of its own: a warm page goes from the socket's event to its answer without another
//! thread being woken. What needs the database or a disk runs on the server's runtime, whose threads share the
//! work. See docs/design/index-pages.md for what that gains.

use std::num::NonZeroUsize;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::error::IndexError;

/// Event loops that take connections in turn, until they are dropped.
#[derive(Debug)]
pub(crate) struct Loops {
    handles: Vec<Handle>,
    next: usize,
    /// The threads end when this is gone.
    _running: watch::Sender<()>,
}

impl Loops {
    /// Starts one for every two processors, at least one: the other half does the work behind.
    ///
    /// # Errors
    /// When the system gives no thread, or no poll.
    pub(crate) fn start() -> Result<Self, IndexError> {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let (running, stopped) = watch::channel(());
        let start = |_| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let mut stopped = stopped.clone();
            let run = move || runtime.block_on(async { while stopped.changed().await.is_ok() {} });
            std::thread::Builder::new().name("connections".to_owned()).spawn(run)?;
            Ok(handle)
        };
        let handles = (0..processors.div_ceil(2)).map(start).collect::<std::io::Result<Vec<_>>>();
        let handles = handles.map_err(IndexError::io("start the threads of", "connections"))?;
        Ok(Self { handles, next: 0, _running: running })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.handles.len()
    }

    /// The one that takes the next connection, and its number.
    pub(crate) fn next(&mut self) -> (usize, &Handle) {
        self.next = (self.next + 1) % self.handles.len();
        (self.next, &self.handles[self.next])
    }
}
