//! Names, versions, distribution files, digests, evidence and the types that travel over the wire.
//!
//! Everything here is pure: no network, no clock, no environment. Reading a file is the only side
//! effect. Both the pipeline (`shipway-release`) and the server (`shipway-index`) stand on this crate
//! and meet only through the types in [`wire`] and [`simple`].

pub mod archive;
pub mod channel;
pub mod check;
pub mod digest;
pub mod evidence;
pub mod filename;
pub mod finding;
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod globs;
pub mod log;
pub mod manifest;
pub mod metadata;
pub mod name;
pub mod policy;
pub mod report;
pub mod rules;
mod schema;
pub mod signing;
pub mod simple;
mod stdlib;
pub mod wire;

pub use channel::ChannelName;
pub use digest::Sha256;
pub use finding::{Finding, Severity};
pub use gate::GateId;
pub use globs::Globs;
pub use manifest::{Manifest, ManifestFile};
pub use name::ProjectName;
pub use pep440_rs::Version;
pub use stdlib::is_stdlib;
