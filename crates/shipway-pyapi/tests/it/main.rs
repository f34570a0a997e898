//! Integration tests of the crate.

mod bad_input;
mod documents;
mod fixtures;
mod surface;
