//! shipway-release
