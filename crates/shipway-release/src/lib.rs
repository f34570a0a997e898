//! Takes a repository through the release pipeline: bump, build, check, publish, smoke, promote, rollback.
//!
//! `steps` say what happens, `ops` say how (git, Python, processes, indexes), `gates` judge. Nothing here
//! prints or exits; steps return reports, and the binary renders them. The index is reached over HTTP only.

pub mod api;
pub mod config;
pub mod context;
pub mod documents;
pub mod error;
pub mod evidence;
pub mod gates;
mod ini;
pub mod notes;
pub mod ops;
pub mod progress;
pub mod readiness;
pub mod rules;
pub mod rules_of_ci;
pub mod steps;
pub mod version;

pub use config::{Config, Environment};
pub use context::Context;
pub use error::{Error, Result};
