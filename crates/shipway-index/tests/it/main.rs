//! The index from outside: over a socket, against a data directory of its own, each test alone.
//!
//! Every test runs on SQLite and files and on PostgreSQL and S3, but those that read the description of the HTTP
//! interface, and those of a database and a storage that fail over a network; see [`backend`].

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
    mod crossed;
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
    mod restored;
    #[cfg(target_os = "linux")]
    mod rude;
    mod servers;
    mod sessions;
    mod standing;
    mod stays;
    mod transfer;
    mod trusted;
    mod upload;
    mod upstream;
    mod versions;
    mod warm;
    mod warm_files;
}

#[path = "."]
mod postgres {
    mod channels;
    mod conformance;
    mod crash;
    mod crossed;
    #[cfg(target_os = "linux")]
    mod died;
    #[cfg(target_os = "linux")]
    mod disk;
    mod door;
    mod faults;
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
    mod operations;
    mod pages;
    mod passing;
    mod policy;
    mod processes;
    mod races;
    mod readers;
    mod restored;
    #[cfg(target_os = "linux")]
    mod rude;
    mod servers;
    mod sessions;
    mod standing;
    mod stays;
    mod transfer;
    mod trusted;
    mod upload;
    mod upstream;
    mod versions;
    mod warm;
    mod warm_files;
}
