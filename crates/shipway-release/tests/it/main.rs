//! The pipeline's parts against servers of the test's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its ground fails")]

mod forge;
