//! The pipeline's parts against servers of the test's own.

mod forge;
