//! The index from outside: over a socket, against a data directory of its own, each test alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod channels;
mod crash;
mod files;
mod fuzz;
mod judge;
mod keys;
mod kit;
mod local;
mod log;
mod migration;
mod operations;
mod pages;
mod passing;
mod policy;
mod processes;
mod races;
mod readers;
mod sessions;
mod upload;
mod upstream;
mod vouch;
mod warm;
