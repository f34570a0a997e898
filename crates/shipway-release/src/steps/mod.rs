//! The steps of the pipeline, in order: bump, build, check, publish, smoke, promote, and rollback.
//!
//! Each step asks the world for its own effect first, so a repeated run ends in the same state.

pub mod api;
pub mod approve;
pub mod build;
pub mod bump;
pub mod check;
pub mod doctor;
pub mod evidence;
pub mod forge;
pub mod gate;
pub mod gate_environment;
pub mod init;
pub mod log;
pub mod mark;
pub mod notes;
pub mod promote;
pub mod publish;
pub mod publish_summary;
pub mod ready;
pub mod release;
pub mod render;
pub mod smoke;
pub mod status;
pub mod workflows;
