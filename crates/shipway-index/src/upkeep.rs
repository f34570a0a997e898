//! What a server does now and then, whether or not anybody asks it for something.
//!
//! It sweeps what was left behind, and closes files that it kept open. It decides nothing: what is garbage is
//! said in [`crate::remains`].

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::http::App;

/// How often files are closed that nobody asks for.
const CLOSE: Duration = Duration::from_secs(60);
/// How long it waits at most until it tries again to take back what could not be taken back.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps a server in order until it is stopped.
pub(crate) async fn run(app: App, mut stopped: watch::Receiver<bool>) {
    let every = |period: Duration| {
        let mut interval = interval_at(Instant::now() + period, period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    };
    let (mut close, mut sweep) = (every(CLOSE), every(app.index.limits.sweep));
    let mut pause = Duration::ZERO;
    loop {
        let left = async {
            app.index.blobs.something_left().await;
            tokio::time::sleep(pause).await;
        };
        let ended = async {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        tokio::select! {
            () = ended => return,
            _ = close.tick() => app.files.close_old(|sha256, file| app.index.blobs.stands(sha256, file)),
            _ = sweep.tick() => app.index.sweep().await,
            () = left => {
                // Whatever kept it from being taken back may last.
                pause = match app.index.sweep_left().await {
                    true => Duration::ZERO,
                    false => (2 * pause).clamp(Duration::from_secs(1), PATIENCE),
                };
            }
        }
    }
}
