//! How much one identity may ask for, and how many uploads are judged at once.
//!
//! An identity is the holder of a token that the index recognised, else the address of the client, so that
//! made-up tokens count for the address that sends them.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::error::IndexError;

/// More identities than this, and those that asked for nothing lately are forgotten.
const IDENTITIES: usize = 10_000;

/// Whom a limit counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    Holder(String),
    Address(IpAddr),
}

impl Who {
    /// The address of a client; of IPv6 the network, which is what one client has.
    pub(crate) fn at(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Address(address),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => Self::Address(address.into()),
                None => {
                    let network = u128::from(address) & !u128::from(u64::MAX);
                    Self::Address(Ipv6Addr::from(network).into())
                }
            },
        }
    }
}

/// Requests for each identity.
pub(crate) struct Limiter {
    limiter: RateLimiter<Who, HashMapStateStore<Who>, DefaultClock>,
    clock: DefaultClock,
    quota: NonZeroU32,
}

impl Limiter {
    /// The limiter of a configuration; nothing when there is no limit.
    pub(crate) fn new(limits: &Limits) -> Option<Self> {
        let quota = limits.requests_per_minute?;
        let clock = DefaultClock::default();
        let limiter = RateLimiter::new(Quota::per_minute(quota), HashMapStateStore::default(), clock.clone());
        Some(Self { limiter, clock, quota })
    }

    /// # Errors
    /// When the identity asked for more than its share; says when to come again.
    pub(crate) fn admit(&self, who: &Who) -> Result<(), IndexError> {
        if self.limiter.len() > IDENTITIES {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(who).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            IndexError::TooMany { limit: self.quota.get(), seconds: wait.as_secs().saturating_add(1) }
        })
    }
}

/// The uploads that are received and judged at once; each takes threads of its own.
pub(crate) struct Uploads {
    places: Arc<Semaphore>,
    number: usize,
    waiting: AtomicUsize,
    patience: Duration,
}

impl Uploads {
    pub(crate) fn new(limits: &Limits) -> Self {
        let number = limits.uploads.max(1);
        let places = Arc::new(Semaphore::new(number));
        Self { places, number, waiting: AtomicUsize::new(0), patience: limits.stall }
    }

    /// Waits for a place; whoever came first gets it first. Meanwhile nothing of the body is read.
    ///
    /// # Errors
    /// When none gets free for as long as an upload may stand still.
    pub(crate) async fn admit(&self) -> Result<OwnedSemaphorePermit, IndexError> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let place = tokio::time::timeout(self.patience, self.places.clone().acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(IndexError::Busy { seconds: 5 })
    }

    /// How many are under way, and how many wait.
    pub(crate) fn standing(&self) -> (usize, usize) {
        (self.number - self.places.available_permits().min(self.number), self.waiting.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_its_address_or_its_network() {
        let at = |text: &str| Who::at(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }

    #[test]
    fn each_identity_has_its_own_share() {
        let limits = Limits { requests_per_minute: NonZeroU32::new(2), ..Limits::default() };
        let limiter = Limiter::new(&limits).unwrap();
        let who = Who::Holder("ci".to_owned());
        assert!(limiter.admit(&who).is_ok() && limiter.admit(&who).is_ok());
        let error = limiter.admit(&who).unwrap_err();
        let IndexError::TooMany { seconds, .. } = error else { panic!("{error}") };
        assert!((1..=31).contains(&seconds), "{seconds}");
        assert!(limiter.admit(&Who::at("192.0.2.1".parse().unwrap())).is_ok());
        assert!(Limiter::new(&Limits::default()).is_none());
    }

    #[tokio::test]
    async fn uploads_wait_for_a_place() {
        let limits = Limits { uploads: 1, stall: Duration::from_millis(50), ..Limits::default() };
        let uploads = Uploads::new(&limits);
        let first = uploads.admit().await.unwrap();
        assert_eq!(uploads.standing(), (1, 0));
        assert!(matches!(uploads.admit().await, Err(IndexError::Busy { .. })));
        drop(first);
        assert!(uploads.admit().await.is_ok());
        assert_eq!(uploads.standing(), (0, 0));
    }
}
