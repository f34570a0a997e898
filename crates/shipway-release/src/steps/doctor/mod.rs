//! What is missing around a project's releases.
