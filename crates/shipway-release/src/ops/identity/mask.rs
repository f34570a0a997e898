//! Tells the CI which words it must never show.

use std::io::Write as _;

use crate::config::{Environment, environment};
use crate::ops::secret::Secret;

/// Whether the runner listens for words to hide.
///
/// GitHub's does, on both streams. GitLab's hides what its settings and `id_tokens:` name; a word that turns up during
/// the job can not be told to it, so there nothing but this program's silence hides a minted token.
pub(super) fn is_heard(environment: &Environment) -> bool {
    environment.get(environment::ON_GITHUB) == Some("true")
}

/// Says it to the runner, before the secret is used for the first time. It goes to stderr, since stdout is data, and
/// is no talk to a person: `--quiet` does not silence it.
pub(super) fn hide(secret: &Secret) {
    // A secret with a line break would end the command in its middle; no token has one.
    if secret.expose().is_empty() || secret.expose().contains(['\r', '\n']) {
        return;
    }
    // Nobody listens to a closed stream.
    let _ = writeln!(std::io::stderr().lock(), "::add-mask::{}", secret.expose());
}
