//! One reading for all who want the same thing at once.
//!
//! After a commit, or at the first request, hundreds may ask for one project in one moment: without this each
//! would keep a connection of the database busy with the same answer, and the last ones be told that it is away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::error::IndexError;

/// What is being read, by name.
#[derive(Debug)]
pub(super) struct Loads<T> {
    places: Mutex<HashMap<String, Place<T>>>,
}

type Place<T> = Arc<tokio::sync::Mutex<Option<Load<T>>>>;

/// The last reading of one thing.
#[derive(Debug)]
struct Load<T> {
    began: Instant,
    /// Nothing when it failed.
    read: Option<T>,
}

/// Somebody who wants a thing; the last one takes its place away.
struct Wish<'a, T> {
    loads: &'a Loads<T>,
    name: &'a str,
    place: Option<Place<T>>,
}

impl<T> Default for Loads<T> {
    fn default() -> Self {
        Self { places: Mutex::default() }
    }
}

impl<T: Clone> Loads<T> {
    /// What `read` gives, or gave to somebody else who began to read after this was called.
    ///
    /// # Errors
    /// That of `read`; whoever waited for a reading that failed is told that the database is away.
    pub(super) async fn share<F>(&self, name: &str, read: impl FnOnce() -> F) -> Result<T, IndexError>
    where
        F: Future<Output = Result<T, IndexError>>,
    {
        let came = Instant::now();
        let wish = self.wish(name);
        let Some(place) = &wish.place else { return read().await };
        let mut last = place.lock().await;
        if let Some(load) = last.as_ref().filter(|load| load.began >= came) {
            // A failure is shared too: nobody queues behind a database that is away.
            let away = || IndexError::Database { source: sqlx::Error::PoolTimedOut };
            return load.read.clone().ok_or_else(away);
        }
        let began = Instant::now();
        let result = read().await;
        *last = Some(Load { began, read: result.as_ref().ok().cloned() });
        result
    }

    fn wish<'a>(&'a self, name: &'a str) -> Wish<'a, T> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match places.get(name) {
            Some(place) => place.clone(),
            None => places.entry(name.to_owned()).or_default().clone(),
        };
        Wish { loads: self, name, place: Some(place) }
    }
}

impl<T> Drop for Wish<'_, T> {
    fn drop(&mut self) {
        let mut places = self.loads.places.lock().unwrap_or_else(PoisonError::into_inner);
        self.place = None;
        // The map's own is the last one: nobody waits.
        if places.get(self.name).is_some_and(|place| Arc::strong_count(place) == 1) {
            places.remove(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    /// Asks a hundred times at once; says how often it was read, and what they got.
    async fn ask(fails: bool) -> (usize, Vec<Result<usize, IndexError>>) {
        let (loads, read) = (Loads::default(), AtomicUsize::new(0));
        let one = || {
            loads.share("demo", || async {
                tokio::task::yield_now().await;
                let number = read.fetch_add(1, Ordering::SeqCst);
                if fails { Err(IndexError::ShuttingDown) } else { Ok(number) }
            })
        };
        let results = join_all((0..100).map(|_| one())).await;
        assert!(loads.places.lock().unwrap().is_empty(), "nothing stays behind");
        (read.load(Ordering::SeqCst), results)
    }

    #[tokio::test]
    async fn l3_all_who_ask_at_once_share_one_reading() {
        let (read, results) = ask(false).await;
        // Who came while it was being read may see what was committed meanwhile.
        assert!(read <= 2, "{read}");
        assert!(results.into_iter().all(|result| result.is_ok()));
    }

    #[tokio::test]
    async fn l3_a_failure_is_shared_too() {
        let (read, results) = ask(true).await;
        assert!(read <= 2, "{read}");
        assert!(results.iter().all(|result| result.as_ref().is_err_and(IndexError::is_passing)));
    }

    #[tokio::test]
    async fn who_comes_later_reads_anew() {
        let (loads, read) = (Loads::default(), AtomicUsize::new(0));
        for expected in 0..3 {
            let number = loads.share("demo", || async { Ok(read.fetch_add(1, Ordering::SeqCst)) }).await;
            assert_eq!(number.unwrap(), expected);
        }
    }
}
