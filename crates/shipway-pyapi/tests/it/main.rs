//! Integration tests of the crate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod cases;
mod command_lines;
mod commands;
mod documents;
mod fixtures;
mod judge;
mod registry;
mod surface;
