//! How the pipeline says what it is doing, without knowing who listens.

/// Listens to the pipeline.
pub trait Progress: Sync {
    /// Work that may take over a second begins; it ends when the guard is dropped.
    fn begin(&self, what: &str) -> Box<dyn Task + '_>;

    /// A step ended; `step` is its name, `text` says what came of it, in one line.
    fn done(&self, step: &str, text: &str);

    /// Something worth knowing that changes nothing.
    fn warn(&self, text: &str);
}

/// Work in progress.
pub trait Task {
    /// Says what is being done now.
    fn update(&self, text: &str);
}

/// Listens to nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str) -> Box<dyn Task + '_> {
        Box::new(Silent)
    }

    fn done(&self, _step: &str, _text: &str) {}

    fn warn(&self, _text: &str) {}
}

impl Task for Silent {
    fn update(&self, _text: &str) {}
}
