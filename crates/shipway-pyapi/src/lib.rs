//! shipway-pyapi
