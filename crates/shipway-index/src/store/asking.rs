//! Asks PostgreSQL what it changed last: one row holds the serials.
//!
//! Requests that wait at the same time share one question, as long as it was put after they began; so a busy
//! server asks as often as an answer takes, not as often as it is asked. The connection is held for good: a pool
//! would ask after its health each time, which costs as much as the question.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{AnyConnection, Connection as _};
use tokio::sync::Notify;

use super::connect;
use super::projects::{Serials, serials};
use super::trouble::is_away;
use crate::error::IndexError;

/// How long a request waits for the answer of a database before it is told that there is none.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a database that is away is left alone.
const PAUSE: Duration = Duration::from_millis(100);

/// One question at a time, for everybody who waits.
pub(crate) struct Asking {
    url: Arc<str>,
    connection: Mutex<Option<AnyConnection>>,
    questions: Mutex<Questions>,
    answered: Notify,
}

#[derive(Default)]
struct Questions {
    /// How many requests have asked.
    asked: u64,
    /// The last answer is for those of them that had asked before its question was put.
    covers: u64,
    answer: Option<Serials>,
    /// Whether a task puts questions until everybody has an answer.
    putting: bool,
}

/// The task that puts the questions. However it ends, nobody waits for it any more.
struct Putting {
    asking: Arc<Asking>,
    /// Whether it ended by itself. `Questions::putting` may be another task's by the time that this one is dropped.
    ended: bool,
}

impl std::fmt::Debug for Asking {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        formatter.debug_struct("Asking").finish_non_exhaustive()
    }
}

impl Asking {
    /// Connects when it is first asked.
    pub(super) fn new(url: &str) -> Arc<Self> {
        Self::over(url.into())
    }

    /// One with a connection of its own.
    pub(super) fn another(&self) -> Arc<Self> {
        Self::over(self.url.clone())
    }

    fn over(url: Arc<str>) -> Arc<Self> {
        let (connection, questions, answered) = (Mutex::default(), Mutex::default(), Notify::new());
        Arc::new(Self { url, connection, questions, answered })
    }

    /// The serials of a moment after this call.
    pub(super) async fn read(self: &Arc<Self>) -> Result<Serials, IndexError> {
        let (turn, first) = {
            let mut questions = self.questions();
            questions.asked += 1;
            (questions.asked, !std::mem::replace(&mut questions.putting, true))
        };
        if first {
            // A task of its own: the client of the request that came first may go away. It runs where that request
            // does, so that on a thread of connections nobody else is woken.
            tokio::spawn(Putting { asking: self.clone(), ended: false }.put());
        }
        loop {
            let mut answered = pin!(self.answered.notified());
            answered.as_mut().enable();
            let (covers, answer) = {
                let questions = self.questions();
                (questions.covers, questions.answer)
            };
            if covers >= turn {
                // A failure is shared too: nobody queues behind a database that is away.
                return answer.ok_or(IndexError::Database { source: sqlx::Error::PoolTimedOut });
            }
            answered.await;
        }
    }

    pub(super) async fn close(&self) {
        let held = self.held().take();
        if let Some(connection) = held
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the connection for questions was not closed");
        }
    }

    async fn ask(&self) -> Option<Serials> {
        let held = self.held().take();
        let asked = async {
            if let Some(mut connection) = held
                && let Ok(serials) = serials(&mut connection).await
            {
                return Ok((connection, serials));
            }
            // It may have died while nobody used it.
            let mut connection = self.connect().await?;
            let serials = serials(&mut connection).await?;
            Ok((connection, serials))
        };
        // A database that stands still, and a network that swallows everything, never answer.
        let answer: Result<_, IndexError> = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(IndexError::Database { source: sqlx::Error::PoolTimedOut }),
        };
        match answer {
            Ok((connection, serials)) => {
                *self.held() = Some(connection);
                Some(serials)
            }
            Err(error) => {
                tracing::debug!(%error, "the database does not say what changed");
                None
            }
        }
    }

    /// Connects, to a database that is just starting too.
    async fn connect(&self) -> Result<AnyConnection, IndexError> {
        loop {
            match connect::connect(&self.url).await {
                Err(error) if is_away(&error) => tokio::time::sleep(PAUSE).await,
                connection => return Ok(connection?),
            }
        }
    }

    fn questions(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, Option<AnyConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Putting {
    async fn put(mut self) {
        let asking = self.asking.clone();
        loop {
            let covers = {
                let mut questions = asking.questions();
                if questions.covers == questions.asked {
                    questions.putting = false;
                    self.ended = true;
                    return;
                }
                questions.asked
            };
            let answer = asking.ask().await;
            {
                let mut questions = asking.questions();
                (questions.covers, questions.answer) = (covers, answer);
            }
            asking.answered.notify_waiters();
        }
    }
}

impl Drop for Putting {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // Broken off with its runtime.
        {
            let mut questions = self.asking.questions();
            questions.putting = false;
            (questions.covers, questions.answer) = (questions.asked, None);
        }
        self.asking.answered.notify_waiters();
    }
}
