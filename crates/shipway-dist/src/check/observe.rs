//! Shows the members of a wheel to whoever judges their content, while they are inflated.
//!
//! This crate knows no Python: an observer that does (`shipway-pyapi`) sees each source once, in the
//! one pass that hashes it. An observer changes no verdict of this crate.

/// Sees members of a wheel while it is judged, from several threads at once.
pub trait Observer: Sync {
    /// Takes the names of all files; called at most once, before or after any member.
    fn names(&self, names: &mut dyn Iterator<Item = &str>);

    /// Whether the content of a member of this size is wanted.
    ///
    /// The whole member is held in memory while it is shown, so the answer bounds the memory.
    fn wants(&self, name: &str, size: u64) -> bool;

    /// Takes the content of a member, whose size, CRC and place in the archive were found sound.
    fn member(&self, name: &str, content: &[u8]);
}

/// Wants nothing.
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn names(&self, _names: &mut dyn Iterator<Item = &str>) {}

    fn wants(&self, _name: &str, _size: u64) -> bool {
        false
    }

    fn member(&self, _name: &str, _content: &[u8]) {}
}
