//! shipway-index
