//! A form in parts (`multipart/form-data`) of which little is in memory at once, however it is made.
//!
//! The parser takes whatever there is before it looks, without a bound, and looks through all of it again each
//! time: a body without a boundary would take the memory and the time of everybody. Here it gets one piece at a
//! time, only when it can do nothing without one, and of what stands around the parts no more than [`HEAD`].

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::stream::poll_fn;
use futures_util::{Stream, future};
use multer::{Constraints, Field, Multipart, SizeLimit};

use crate::error::IndexError;

/// More bytes than this are not the head of a part, nor do they stand before the first one.
const HEAD: u64 = 64 * 1024;
/// Smaller pieces are put together: the parser looks at a head again with each one.
const PIECE: usize = 256;

/// The parts of a form.
pub(super) struct Parts<'r> {
    multipart: Multipart<'r>,
    valve: Arc<Valve>,
}

/// One part, to be read to its end before the next.
pub(super) struct Part<'r> {
    pub(super) field: Field<'r>,
    valve: Arc<Valve>,
}

/// Lets one piece through each time it is opened.
#[derive(Debug, Default)]
struct Valve {
    open: AtomicBool,
    passed: AtomicU64,
}

impl<'r> Parts<'r> {
    /// The parts of a body, which has at most `limit` bytes.
    pub(super) fn new<S>(body: S, boundary: String, limit: u64) -> Self
    where
        S: Stream<Item = Result<Bytes, IndexError>> + Send + 'r,
    {
        let valve = Arc::new(Valve::default());
        let (gate, mut body, mut held) = (valve.clone(), Box::pin(body), BytesMut::new());
        let mut ended = false;
        let pieces = poll_fn(move |context| {
            if !gate.open.load(Ordering::Relaxed) {
                // Whoever closed it looks again.
                return Poll::Pending;
            }
            while !ended && held.len() < PIECE {
                match ready!(body.as_mut().poll_next(context)) {
                    Some(Ok(bytes)) if held.is_empty() && bytes.len() >= PIECE => {
                        gate.pass(&bytes);
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    Some(Ok(bytes)) => held.extend_from_slice(&bytes),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => ended = true,
                }
            }
            let piece = held.split().freeze();
            gate.pass(&piece);
            Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
        });
        let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(limit));
        Self { multipart: Multipart::with_constraints(pieces, boundary, constraints), valve }
    }

    /// The next part.
    ///
    /// # Errors
    /// When there is no end to what stands before it, or the form is broken otherwise.
    pub(super) async fn next(&mut self) -> Result<Option<Part<'r>>, IndexError> {
        let (multipart, valve) = (&mut self.multipart, &self.valve);
        let until = valve.passed.load(Ordering::Relaxed).saturating_add(HEAD);
        let field = future::poll_fn(|context| {
            valve.drive(context, |context| {
                if valve.passed.load(Ordering::Relaxed) > until {
                    let why = format!("no part of the form begins in {HEAD} bytes: is this its boundary?");
                    return Poll::Ready(Err(IndexError::bad_request(why)));
                }
                multipart.poll_next_field(context).map_err(broken)
            })
        });
        Ok(field.await?.map(|field| Part { field, valve: valve.clone() }))
    }
}

impl Part<'_> {
    /// The next bytes of the part.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, IndexError> {
        let (field, valve) = (&mut self.field, &self.valve);
        let chunk = future::poll_fn(|context| {
            valve.drive(context, |context| Pin::new(&mut *field).poll_next(context))
        });
        chunk.await.transpose().map_err(broken)
    }
}

impl Valve {
    /// Lets a piece through, and no more.
    fn pass(&self, piece: &[u8]) {
        self.open.store(false, Ordering::Relaxed);
        self.passed.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }

    /// Polls the parser with what it has, then with one more piece at a time.
    fn drive<T>(
        &self,
        context: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.open.store(false, Ordering::Relaxed);
        let mut result = poll(context);
        while result.is_pending() {
            self.open.store(true, Ordering::Relaxed);
            result = poll(context);
            if self.open.load(Ordering::Relaxed) {
                // Nothing came; whoever sends wakes this up.
                break;
            }
        }
        result
    }
}

/// An error of the form; one of the body below it comes out as it is.
fn broken(error: multer::Error) -> IndexError {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<IndexError>() {
            Ok(source) => *source,
            Err(source) => IndexError::bad_request(format!("the upload broke off: {source}")),
        },
        multer::Error::StreamSizeExceeded { limit } => {
            IndexError::TooLarge { what: "the upload".to_owned(), limit }
        }
        other => IndexError::bad_request(format!("the form cannot be read: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    /// Reads a body that comes in pieces, each at once; says how many bytes were asked for.
    async fn read(pieces: Vec<Vec<u8>>, limit: u64) -> (Result<Vec<(String, usize)>, IndexError>, usize) {
        let asked = Arc::new(AtomicU64::new(0));
        let count = asked.clone();
        let body = futures_util::stream::iter(pieces).map(move |piece| {
            count.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok(Bytes::from(piece))
        });
        let mut parts = Parts::new(body, "b".to_owned(), limit);
        let all = async {
            let mut found = Vec::new();
            while let Some(mut part) = parts.next().await? {
                let name = part.field.name().unwrap_or_default().to_owned();
                let mut length = 0;
                while let Some(chunk) = part.chunk().await? {
                    length += chunk.len();
                }
                found.push((name, length));
            }
            Ok(found)
        };
        (all.await, usize::try_from(asked.load(Ordering::Relaxed)).unwrap())
    }

    fn head(name: &str, more: &str) -> Vec<u8> {
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n{more}\r\n").into_bytes()
    }

    #[tokio::test]
    async fn l6_what_does_not_end_is_refused_early() {
        let endless = |start: Vec<u8>, byte: u8| {
            let pieces = std::iter::once(start).chain((0..800).map(move |_| vec![byte; 65_536]));
            pieces.collect::<Vec<_>>()
        };
        let head_without_end = b"--b\r\ncontent-disposition: ".to_vec();
        for (what, pieces) in [
            ("no boundary", endless(Vec::new(), b'x')),
            ("no end of a head", endless(head_without_end, b'x')),
            ("padding without end", endless(b"--b".to_vec(), b' ')),
            ("a second head without end", endless([head("a", ""), b"1\r\n--b\r\nx".to_vec()].concat(), b'x')),
        ] {
            let (result, asked) = read(pieces, u64::MAX).await;
            let error = result.unwrap_err();
            assert_eq!(error.status(), 400, "{what}");
            assert!(error.to_string().contains("65536 bytes"), "{what}: {error}");
            assert!(asked < 3 * 65_536 + 100, "{what}: {asked}");
        }
        let (result, _) = read(endless(head("content", ""), b'x'), 1_000_000).await;
        assert!(matches!(result, Err(IndexError::TooLarge { limit: 1_000_000, .. })), "{result:?}");
    }

    #[tokio::test]
    async fn l6_no_piece_is_taken_before_it_is_needed() {
        // Many small parts in the first piece, and then a large one.
        let mut start: Vec<u8> = (0..200).flat_map(|_| [head("a", ""), b"1\r\n".to_vec()].concat()).collect();
        start.extend(head("content", ""));
        let mut pieces = vec![start];
        pieces.extend((0..100).map(|_| vec![b'x'; 65_536]));
        let asked = Arc::new(AtomicU64::new(0));
        let count = asked.clone();
        let body = futures_util::stream::iter(pieces).map(move |piece| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Bytes::from(piece))
        });
        let mut parts = Parts::new(body, "b".to_owned(), u64::MAX);
        for _ in 0..200 {
            let mut part = parts.next().await.unwrap().unwrap();
            while part.chunk().await.unwrap().is_some() {}
        }
        let mut content = parts.next().await.unwrap().unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        content.chunk().await.unwrap().unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_form_in_single_bytes_is_the_form() {
        let long = format!("x-more: {}\r\n", "y".repeat(60_000));
        let form =
            [&head("a", &long)[..], b"1\r\n", &head("b", ""), &[b'z'; 2000], b"\r\n--b--\r\n"].concat();
        let expected = vec![("a".to_owned(), 1), ("b".to_owned(), 2000)];
        let single = form.iter().map(|byte| vec![*byte]).collect();
        assert_eq!(read(single, u64::MAX).await.0.unwrap(), expected);
        assert_eq!(read(vec![form], u64::MAX).await.0.unwrap(), expected);
    }
}
