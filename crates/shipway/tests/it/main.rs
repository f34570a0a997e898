//! The command as its user meets it: real git, a real remote, the embedded index, pip.
//!
//! Tests are named after the rows of the requirements that they show.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its ground fails")]

mod admin;
mod api;
mod at_forge;
mod bootstrap;
mod build;
mod bump;
mod check;
mod config;
mod contract;
mod doctor;
mod evidence;
mod forge;
mod gates;
mod gitlab;
mod init;
mod log;
mod notes;
mod oidc;
mod output;
mod project;
mod public;
mod published;
mod release;
mod release_killed;
mod runner;
mod seeded;
mod servers;
mod tour;
#[path = "../shared/variants.rs"]
mod variants;
mod workflows;
mod workflows_run;
