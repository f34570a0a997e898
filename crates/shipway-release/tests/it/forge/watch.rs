//! Everything that is said while a scenario runs: every log line of every crate, and what progress tells.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use shipway_release::progress::{Progress, Silent, Task};

/// What was said since it was last taken.
static SAID: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn said() -> MutexGuard<'static, Vec<u8>> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        said().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Begins to listen to every log line there is.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = tracing_subscriber::EnvFilter::new("trace");
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
        lines.with_writer(|| Sink).init();
    });
}

/// Takes what was said.
pub(crate) fn take() -> String {
    String::from_utf8_lossy(&std::mem::take(&mut *said())).into_owned()
}

/// Tells what progress tells.
pub(crate) struct Telling;

impl Progress for Telling {
    fn begin(&self, what: &str) -> Box<dyn Task + '_> {
        said().extend_from_slice(what.as_bytes());
        Box::new(Silent)
    }

    fn done(&self, step: &str, text: &str) {
        said().extend_from_slice(format!("{step} {text}\n").as_bytes());
    }

    fn warn(&self, text: &str) {
        said().extend_from_slice(text.as_bytes());
    }
}
