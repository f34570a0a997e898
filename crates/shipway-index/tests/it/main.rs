//! The index from outside: over a socket, against a data directory of its own, each test alone.
//!
//! Every test runs on SQLite and files and on PostgreSQL and S3, but those of the HTTP interface alone; see
//! [`backend`].

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::duplicate_mod, reason = "every test runs on both backends")]

mod backend;
mod child;
mod far;
mod fuzz;
mod kit;
mod load;
mod model;
mod vouch;

#[path = "."]
mod sqlite {
    mod channels;
    mod conformance;
    mod connections;
    mod crash;
    #[cfg(target_os = "linux")]
    mod disk;
    mod door;
    mod fetching;
    mod files;
    mod fsck;
    mod intake;
    mod judge;
    mod keys;
    mod kills;
    mod local;
    mod log;
    mod migration;
    mod openapi;
    mod operations;
    mod pages;
    mod passing;
    mod policy;
    mod processes;
    mod proxied;
    mod races;
    mod readers;
    #[cfg(target_os = "linux")]
    mod rude;
    mod servers;
    mod sessions;
    mod standing;
    mod stays;
    mod transfer;
    mod upload;
    mod upstream;
    mod warm;
    mod warm_files;
}

#[path = "."]
mod postgres {
    mod channels;
    mod crash;
    mod door;
    mod faults;
    mod fetching;
    mod files;
    mod fsck;
    mod judge;
    mod keys;
    mod kills;
    mod local;
    mod log;
    mod pages;
    mod passing;
    mod policy;
    mod processes;
    mod races;
    mod readers;
    #[cfg(target_os = "linux")]
    mod rude;
    mod servers;
    mod sessions;
    mod standing;
    mod stays;
    mod transfer;
    mod upload;
    mod upstream;
    mod warm_files;
}
