//! Shows the pipeline's progress: a spinner on a terminal, a line a finished step everywhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use shipway_release::progress::{Progress, Task};

use crate::output::{Style, write_stderr};

/// Talks to a person.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) style: Style,
    /// Whether finished steps are shown.
    pub(crate) steps: bool,
    /// Whether spinners are shown.
    pub(crate) spinners: bool,
    /// Whether warnings are shown.
    pub(crate) warnings: bool,
}

struct Spinner {
    bar: Option<ProgressBar>,
}

impl Progress for Talk {
    fn begin(&self, what: &str) -> Box<dyn Task + '_> {
        if !self.spinners {
            return Box::new(Spinner { bar: None });
        }
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Box::new(Spinner { bar: Some(bar) })
    }

    fn done(&self, step: &str, text: &str) {
        if self.steps {
            write_stderr(&format!("{}{step:>10}{}  {text}", self.style.good, self.style.end));
        }
    }

    fn warn(&self, text: &str) {
        if self.warnings {
            write_stderr(&format!("{}warning:{} {text}", self.style.strong, self.style.end));
        }
    }
}

impl Task for Spinner {
    fn update(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
