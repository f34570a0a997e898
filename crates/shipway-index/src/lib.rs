//! The private index: stores, guards and serves the distribution files of Python projects.
//!
//! Files stand under their digest and are never overwritten; channels point at releases; a row in the
//! database is what makes anything visible. The pipeline reaches the index over HTTP alone, with the types
//! of [`shipway_dist::wire`] and [`shipway_dist::simple`]; unmodified installers and upload tools reach it
//! with the standard simple and upload APIs.
//!
//! [`start`] runs a server, [`embedded`] one for this process alone, [`Admin`] administers a data
//! directory. Several processes may use one data directory at once.
//!
//! The crate refuses to read the environment, to build or judge releases beyond their files, and to know
//! the host of any public package registry.

mod accept;
mod admin;
mod blobs;
mod channels;
mod config;
mod connection;
mod error;
mod evidence;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod index;
mod key_file;
mod log;
mod loops;
mod metadata;
mod pages;
mod policy;
mod project;
mod random;
mod remains;
mod server;
mod sessions;
mod store;
#[doc(hidden)]
pub mod synthetic;
mod tokens;
mod transfer;
mod trust;
mod upkeep;
mod upstream;

pub use admin::{Admin, Fsck, Problem, ProjectInfo, policy_text};
pub use config::{
    ChannelConfig, Clock, Config, Faults, Limits, NameRules, ProxyHeader, StorageOptions, TlsFiles, Upstream,
    UpstreamRules,
};
pub use error::IndexError;
pub use http::openapi;
pub use project::{Phase, Status};
pub use server::{Embedded, Running, embedded, serve, start};
pub use tokens::{Action, Secret, TOKEN_PREFIX, TokenBounds, TokenInfo, TokenSpec, parse_duration};
pub use transfer::{Intake, IntakeSource, Manifest, Outcome, Progress, Refused, Taken, export, import};
pub use trust::Publisher;
