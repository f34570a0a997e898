//! How things are done: git, processes, Python, indexes. Nothing here decides what is done.
pub mod git;
pub mod process;
pub mod secret;
