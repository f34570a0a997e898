//! shipway-testing
