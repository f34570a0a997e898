//! shipway against the real clients and indexes that its users have: pip, uv, twine, devpi, pypiserver.
//!
//! The tools come from the package registry as this machine's installers are configured, pinned in
//! `requirements.txt` and `servers.txt`, into the target folder; tests whose names say so fetch projects too.

mod adopted;
mod evidence;
mod foreign;
mod index;
mod installs;
mod operated;
mod people;
mod real_projects;
mod trusted;
mod uploads;
#[path = "../shared/variants.rs"]
mod variants;
mod workflows;

use shipway_testing::Place;

/// A place for this build's binary.
fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_shipway"))
}
