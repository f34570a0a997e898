//! Tests of the judgement of distribution files, from the outside.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]
#![expect(clippy::unwrap_used, reason = "the support code of tests fails like a test")]

mod arriving;
mod bad_input;
mod bounds;
mod build;
mod corpus;
mod data;
mod differential;
mod fields;
mod log_peers;
mod members;
mod mutants_content;
mod mutants_filename;
mod mutants_metadata;
mod mutants_sdist;
mod mutants_zip;
mod random;
mod real;
