//! The public API of Python distributions: extracted without importing, compared, judged.
//!
//! Nothing here executes Python, opens a connection or reads the clock.

pub mod assignment;
mod parse;

pub use assignment::{Assignment, AssignmentError, find_string_assignment};
