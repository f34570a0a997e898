//! What goes wrong at a forge: each fault hits chosen requests, a chosen number of times.

use super::repository::Repository;
use super::state::State;

type Change = Box<dyn FnOnce(&mut State, &Repository) + Send>;

/// What an answer is instead.
pub enum Instead {
    /// A status with headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Half of the answer, then the end of the connection.
    Truncated,
    /// A page for a browser.
    Html,
    /// A body without an end.
    Endless,
    /// A list without items: the forge's index lags.
    Empty,
    /// A redirect to another host.
    Elsewhere,
    /// The end of the connection.
    Dropped,
    /// JSON that is whole and something else.
    Json(String),
    /// The usual answer, after something changed.
    After(Change),
}

impl std::fmt::Debug for Instead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Instead")
    }
}

/// What goes wrong, and when.
#[derive(Debug)]
pub struct Fault {
    /// What the method and path hold, such as `GET /repos/o/r/pulls/1`.
    pub on: String,
    /// Whether nothing may follow that.
    pub whole: bool,
    /// How many such requests are answered as usual first.
    pub skip: u32,
    /// How many are hit.
    pub times: u32,
    /// What is answered.
    pub instead: Option<Instead>,
}

impl Fault {
    /// Every request whose method and path (without query) end so.
    pub fn always(on: &str, instead: Instead) -> Self {
        Self { on: on.to_owned(), whole: true, skip: 0, times: u32::MAX, instead: Some(instead) }
    }

    /// The first of them.
    pub fn once(on: &str, instead: Instead) -> Self {
        Self { times: 1, ..Self::always(on, instead) }
    }

    /// The first few of them.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// After so many usual answers.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Also where something follows.
    #[must_use]
    pub fn and_below(self) -> Self {
        Self { whole: false, ..self }
    }

    pub(super) fn hits(&mut self, request: &str) -> bool {
        let is_meant = if self.whole { request.ends_with(&self.on) } else { request.contains(&self.on) };
        if !is_meant || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}
