//! How things are done: git, processes, Python, indexes. Nothing here decides what is done.

pub mod api_source;
pub mod attestation;
pub mod credentials;
pub mod docutils;
pub mod foreign;
pub mod forge;
pub mod git;
pub mod http;
pub mod identity;
pub mod imports;
pub mod index;
pub mod install;
pub mod isolation;
pub(crate) mod job_summary;
pub mod probe;
pub mod process;
pub mod python;
pub mod sdist;
pub mod secret;
pub mod simple_html;
pub mod snapshot;
pub mod target;
pub mod yaml;
