//! Versions: how they grow, where they stand, and how they are edited without touching another byte.

mod lock;
mod place;
mod scheme;

pub use lock::lock_edits;
pub(crate) use place::setup_cfg_value;
pub use place::{Edit, Place, ReadFile, apply, detect, find_places};
pub use scheme::{Level, next, parse_current, parse_new};
