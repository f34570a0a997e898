//! Opens the pull request of a release branch that stands on the remote: an effect of its own, looked for first.

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::notes;
use crate::ops::forge::{Forge, NewPullRequest};
use crate::steps;

/// Whether a bump opens a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// When `[tool.shipway.forge]` stands in the configuration.
    Configured,
    /// It does; a forge must be found.
    Yes,
    /// It does not.
    No,
}

/// The pull request of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleasePullRequest {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// The branch that it goes to.
    pub base: String,
    /// Whether it was open already.
    pub already: bool,
}

/// The forge to open a pull request at; none when none is wanted.
pub(super) fn forge_of(context: &Context<'_>, wish: Wish) -> Result<Option<Box<dyn Forge>>> {
    match wish {
        Wish::No => Ok(None),
        Wish::Configured if !context.config.forge.configured => Ok(None),
        Wish::Configured | Wish::Yes => steps::forge::open(context).map(Some),
    }
}

/// Opens the pull request of a release branch, unless it is open already.
///
/// # Errors
/// `pull-request-failed`, with the page on which a person opens it; the branch stays (row A16).
pub fn open_pull_request(
    context: &Context<'_>,
    forge: &dyn Forge,
    branch: &str,
    version: &str,
    changelog: Option<&str>,
) -> Result<ReleasePullRequest> {
    let config = &context.config;
    let new = NewPullRequest {
        head: branch.to_owned(),
        base: config.base_branch.clone(),
        title: format!("chore(release): v{version}"),
        body: body(context, version, changelog),
    };
    let opened = open_or_find(forge, &new);
    opened.map_err(|error| {
        let causes: Vec<String> = error
            .problems()
            .into_iter()
            .flat_map(|problem| std::iter::once(problem.message.clone()).chain(problem.causes.clone()))
            .collect();
        let failed = Error::incomplete(
            "pull-request-failed",
            format!("`{branch}` is pushed, but its pull request could not be opened"),
        )
        .hint(format!(
            "open it there: {}\nor try again: shipway bump {version} --pr",
            forge.compare_url(&new)
        ));
        causes.into_iter().fold(failed, Error::cause)
    })
}

fn open_or_find(forge: &dyn Forge, new: &NewPullRequest) -> Result<ReleasePullRequest> {
    let find = || -> Result<Option<ReleasePullRequest>> {
        let all = forge.pull_requests_from(&new.head)?;
        let own = all.into_iter().find(|one| one.state == "open" && one.base.branch == new.base);
        Ok(own.map(|one| ReleasePullRequest {
            number: one.number,
            url: one.html_url,
            base: one.base.branch,
            already: true,
        }))
    };
    if let Some(found) = find()? {
        return Ok(found);
    }
    match forge.open_pull_request(new) {
        Ok(one) => Ok(ReleasePullRequest {
            number: one.number,
            url: one.html_url,
            base: one.base.branch,
            already: false,
        }),
        // The answer may be lost although the request was not.
        Err(error) => match find() {
            Ok(Some(found)) => Ok(ReleasePullRequest { already: false, ..found }),
            Ok(None) | Err(_) => Err(error),
        },
    }
}

/// The notes of the version, or a line that says what this is.
fn body(context: &Context<'_>, version: &str, changelog: Option<&str>) -> String {
    let section = changelog.and_then(|text| {
        let section = notes::section_of(text, version)?;
        Some(text.get(section.body)?.trim().to_owned())
    });
    let head = format!("Release {version} of {}.", context.config.name);
    match section.filter(|text| !text.is_empty()) {
        Some(text) => format!("{head}\n\n{text}\n"),
        None => format!("{head}\n"),
    }
}
