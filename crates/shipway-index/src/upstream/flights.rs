//! One request to upstream for all who want the same thing at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::OwnedMutexGuard;

use crate::error::IndexError;

/// How the last flight ended, when it failed.
type Failed = Option<(Instant, String)>;
type Places = Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<Failed>>>>>;

/// What is being asked for.
#[derive(Debug, Default)]
pub(super) struct Flights {
    places: Places,
}

/// The right to ask for one thing, until it is dropped.
pub(super) struct Flight {
    places: Places,
    key: String,
    failed: Option<OwnedMutexGuard<Failed>>,
}

impl Flights {
    /// Waits until nobody else asks for the same. Whoever gets the flight looks first whether the thing came
    /// meanwhile, and whether the one before failed.
    pub(super) async fn join(&self, key: &str) -> Flight {
        let place = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.entry(key.to_owned()).or_default().clone()
        };
        let failed = Some(place.lock_owned().await);
        Flight { places: self.places.clone(), key: key.to_owned(), failed }
    }
}

impl Flight {
    /// The failure of a flight that ended after `began`: who waited for it gets its error.
    pub(super) fn failed_since(&self, began: Instant) -> Option<IndexError> {
        let (at, why) = self.failed.as_ref()?.as_ref()?;
        (*at >= began).then(|| IndexError::Upstream { why: why.clone() })
    }

    /// Notes a failure for those who wait.
    pub(super) fn fail(mut self, error: IndexError) -> IndexError {
        let why = match &error {
            IndexError::Upstream { why } => why.clone(),
            other => other.to_string(),
        };
        if let Some(failed) = &mut self.failed {
            **failed = Some((Instant::now(), why));
        }
        error
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.failed = None;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's own is the last one: nobody waits.
        if places.get(&self.key).is_some_and(|place| Arc::strong_count(place) == 1) {
            places.remove(&self.key);
        }
    }
}
