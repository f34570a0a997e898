//! Computes what a bump will do, without doing any of it, and collects everything that stands against it.

use std::collections::BTreeMap;

use pep440_rs::{PrereleaseKind, Version};
use serde::Serialize;

use super::pull_request::Wish;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::notes;
use crate::ops::git::{Git, Push, RemoteRefs};
use crate::version::{Edit, Level, Place, ReadFile, apply, find_places, lock_edits, next, parse_current};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct BumpRequest {
    /// How far.
    pub level: Level,
    /// Begin a pre-release of the next version.
    pub pre: Option<PrereleaseKind>,
    /// Compute and check everything, write nothing.
    pub dry_run: bool,
    /// Leave the working tree on its branch instead of switching to the release branch.
    pub no_switch: bool,
    /// Whether to open a pull request.
    pub pull_request: Wish,
}

/// What a bump will do.
#[derive(Debug, Clone, Serialize)]
pub struct BumpPlan {
    /// The project.
    pub project: String,
    /// The version now.
    pub old: String,
    /// The version after.
    pub new: String,
    /// Why this version, in one line.
    pub why: String,
    /// The base branch.
    pub base: String,
    /// The commit of the base, on the remote.
    pub base_commit: String,
    /// The release branch.
    pub branch: String,
    /// The branch that a pull request is opened against.
    pub pull_request_base: String,
    /// The only files that the release commit changes.
    pub files: Vec<String>,
    /// Every place that holds the version.
    pub places: Vec<String>,
    /// Whether the local base is moved forward to the remote's.
    pub fast_forward: bool,
    /// New contents by path relative to the repository; executing writes exactly these.
    #[serde(skip)]
    pub(super) contents: BTreeMap<String, Vec<u8>>,
}

/// Computes the plan.
///
/// # Errors
/// Everything that stands against it, at once.
pub fn plan(context: &Context<'_>, git: &Git, request: &BumpRequest) -> Result<BumpPlan> {
    let config = &context.config;
    git.check_branch_name(&config.base_branch)?;
    let mut errors = Vec::new();
    let mut note = |result: Result<()>| {
        if let Err(error) = result {
            errors.push(error);
        }
    };
    note(check_head(git));
    note(check_clean(git));
    note(check_identity(git));
    let remote = match git.ls_remote(&config.remote) {
        Ok(remote) => Some(remote),
        Err(error) => {
            note(Err(error));
            None
        }
    };
    let base = match &remote {
        Some(remote) => {
            find_base(git, &config.base_branch, &config.remote, remote).map_err(|error| note(Err(error))).ok()
        }
        None => None,
    };
    // Without the remote's base, the local one still tells about versions and changelog.
    let commit = match &base {
        Some(base) => Some(base.commit.clone()),
        None => git.commit_of(&format!("refs/heads/{}", config.base_branch))?,
    };
    let planned = match &commit {
        Some(commit) => contents(context, git, commit, request).map_err(|error| note(Err(error))).ok(),
        None => None,
    };
    if let Some(planned) = &planned {
        let branch = format!("release/v{}", planned.new);
        note(check_new(context, git, remote.as_ref(), &planned.new, &branch));
        if let (true, Some(base)) = (request.dry_run, &base) {
            note(check_push(git, &config.remote, &base.commit, &branch));
        }
    } else {
        // The index is asked all the same, so that one run names every problem.
        note(context.target().and_then(|target| target.project(&config.name)).map(|_| ()));
    }
    match (errors.is_empty(), base, planned) {
        (true, Some(base), Some(planned)) => Ok(BumpPlan {
            project: config.name.to_string(),
            old: planned.old,
            why: planned.why,
            base: config.base_branch.clone(),
            base_commit: base.commit,
            branch: format!("release/v{}", planned.new),
            pull_request_base: config.base_branch.clone(),
            files: planned.contents.keys().cloned().collect(),
            places: planned.places,
            fast_forward: base.fast_forward,
            contents: planned.contents,
            new: planned.new.to_string(),
        }),
        _ => Err(Error::several(&format!("cannot bump `{}`", config.name), errors)),
    }
}

fn check_head(git: &Git) -> Result<()> {
    match git.branch()? {
        Some(_) => Ok(()),
        None => Err(Error::refused("detached-head", "HEAD is detached")
            .hint("git switch the branch that you work on")),
    }
}

fn check_clean(git: &Git) -> Result<()> {
    let dirty = git.dirty()?;
    if dirty.is_empty() {
        return Ok(());
    }
    let error =
        Error::refused("dirty-tree", "the working tree has uncommitted changes").hint("commit or stash them");
    let more = dirty.len().saturating_sub(20);
    let error = dirty.iter().take(20).fold(error, |error, path| error.cause(format!("`{path}`")));
    Err(if more > 0 { error.cause(format!("and {more} more")) } else { error })
}

fn check_identity(git: &Git) -> Result<()> {
    match git.ask(["var", "GIT_COMMITTER_IDENT"])? {
        Some(_) => Ok(()),
        None => Err(Error::refused("no-identity", "git does not know who commits")
            .hint("git config user.name NAME && git config user.email ADDRESS")),
    }
}

struct Base {
    commit: String,
    fast_forward: bool,
}

/// The base as the remote has it; the local one must be the same or behind.
fn find_base(git: &Git, branch: &str, remote_name: &str, remote: &RemoteRefs) -> Result<Base> {
    let full = format!("refs/heads/{branch}");
    let Some(commit) = remote.get(&full).map(str::to_owned) else {
        return Err(Error::refused(
            "no-base",
            format!("the remote `{remote_name}` has no branch `{branch}`"),
        )
        .hint(format!("git push -u {remote_name} {branch}, or give --base-branch")));
    };
    if !git.has_object(&commit)? {
        git.fetch_objects(remote_name, std::slice::from_ref(&full))?;
    }
    let Some(local) = git.commit_of(&full)? else { return Ok(Base { commit, fast_forward: false }) };
    if local == commit {
        return Ok(Base { commit, fast_forward: false });
    }
    if git.is_ancestor(&local, &commit)? {
        return Ok(Base { commit, fast_forward: true });
    }
    let (ahead, behind) = (git.count(&commit, &local)?, git.count(&local, &commit)?);
    let (code, what, hint) = if behind == 0 {
        (
            "base-ahead",
            format!("`{branch}` has {ahead} commits that `{remote_name}/{branch}` has not"),
            format!("git push {remote_name} {branch}"),
        )
    } else {
        (
            "base-diverged",
            format!("`{branch}` and `{remote_name}/{branch}` have diverged"),
            format!("git switch {branch} && git pull --rebase {remote_name} {branch}"),
        )
    };
    Err(Error::refused(code, what)
        .cause(format!("local `{local}`"))
        .cause(format!("remote `{commit}`"))
        .hint(hint))
}

struct Planned {
    old: String,
    new: Version,
    why: String,
    places: Vec<String>,
    contents: BTreeMap<String, Vec<u8>>,
}

/// The new contents of every file of the release commit.
fn contents(context: &Context<'_>, git: &Git, commit: &str, request: &BumpRequest) -> Result<Planned> {
    let config = &context.config;
    let prefix = git.prefix_of(&config.directory)?;
    let read_commit = |path: &str| git.show(commit, &format!("{prefix}{path}"));
    let read: ReadFile<'_> = &read_commit;
    let places = find_places(read, &config.version_files)?;
    check_agreement(&places)?;
    let old = parse_current(&places[0].value, config.scheme)?;
    let today = context.today();
    let date = (today.year(), today.month(), today.day());
    let (level, reason) = decide(context, commit, request)?;
    let new = next(&old, &level, request.pre, config.scheme, config.major_on_zero, date)?;
    let text = new.to_string();
    let mut edits: Vec<Edit> = places
        .iter()
        .map(|place| Edit { path: place.path.clone(), range: place.range.clone(), text: text.clone() })
        .collect();
    edits.extend(lock_edits(read, &config.name, &text)?);
    let mut contents = BTreeMap::new();
    let paths: std::collections::BTreeSet<&String> = edits.iter().map(|edit| &edit.path).collect();
    for path in paths {
        let bytes = read(path)?.unwrap_or_default();
        let own: Vec<Edit> = edits.iter().filter(|edit| edit.path == *path).cloned().collect();
        contents.insert(format!("{prefix}{path}"), apply(&bytes, &own));
    }
    if let Some(path) = &config.changelog
        && let Some(released) = release_changelog(context, read, path, &new)?
    {
        contents.insert(format!("{prefix}{path}"), released);
    }
    Ok(Planned {
        old: places[0].value.clone(),
        why: reason.unwrap_or_else(|| why(&old, &new, request, config.major_on_zero)),
        new,
        places: places.iter().map(|place| format!("{prefix}{} ({})", place.path, place.what)).collect(),
        contents,
    })
}

/// What `auto` comes to (row A24); any other level stands for itself.
fn decide(context: &Context<'_>, commit: &str, request: &BumpRequest) -> Result<(Level, Option<String>)> {
    if request.level != Level::Auto {
        return Ok((request.level.clone(), None));
    }
    let (level, why) = crate::steps::api::level_for(context, commit)?;
    let Ok(level) = level.parse::<Level>();
    Ok((level, Some(why)))
}

fn why(old: &Version, new: &Version, request: &BumpRequest, major_on_zero: bool) -> String {
    let zero = old.release().first() == Some(&0);
    match &request.level {
        Level::Exact(_) => "the version was given".to_owned(),
        Level::Major if zero && major_on_zero => {
            "major on 0.x gives 1.0.0 (`version.major-on-zero = true`)".to_owned()
        }
        Level::Major if zero => format!("major on 0.x stays 0.x, {new} (`version.major-on-zero = false`)"),
        level => level.to_string(),
    }
}

fn check_agreement(places: &[Place]) -> Result<()> {
    if places.iter().all(|place| place.value == places[0].value) {
        return Ok(());
    }
    let error = Error::refused("versions-disagree", "the version places disagree")
        .hint("make them equal and commit; `shipway bump` keeps them so");
    Err(places.iter().fold(error, |error, place| {
        error.cause(format!("`{}` ({}) says `{}`", place.path, place.what, place.value))
    }))
}

fn release_changelog(
    context: &Context<'_>,
    read: ReadFile<'_>,
    path: &str,
    new: &Version,
) -> Result<Option<Vec<u8>>> {
    let Some(bytes) = read(path)? else {
        // It stands in the working tree but not in the commit; the dirty tree is reported elsewhere.
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        Error::refused("not-utf8", format!("`{path}` is not UTF-8")).cause(error.to_string())
    })?;
    let version = new.to_string();
    let Some(section) = notes::unreleased(&text) else {
        context.progress.warn(&format!("`{path}` has no `## [Unreleased]` section; it is left as it is"));
        return Ok(None);
    };
    if notes::is_empty(&text, &section) {
        return Err(Error::refused("empty-notes", format!("the *Unreleased* section of `{path}` is empty"))
            .hint("say there what changed, and commit it"));
    }
    if notes::section_of(&text, &version).is_some() {
        return Err(Error::refused("notes-exist", format!("`{path}` has a section for {version} already")));
    }
    let date = context.today().to_string();
    Ok(Some(notes::release(&text, &section, &version, &context.config.tag_of(new), &date).into_bytes()))
}

/// Refuses a version that stands anywhere already (row A6).
fn check_new(
    context: &Context<'_>,
    git: &Git,
    remote: Option<&RemoteRefs>,
    new: &Version,
    branch: &str,
) -> Result<()> {
    let config = &context.config;
    let mut found = Vec::new();
    let head = format!("refs/heads/{branch}");
    let tag = config.tag_of(new);
    let tag_ref = format!("refs/tags/{tag}");
    if git.commit_of(&head)?.is_some() {
        found.push(format!("local branch `{branch}`"));
    }
    if git.ask(["show-ref", "--verify", "--quiet", &tag_ref])?.is_some() {
        found.push(format!("local tag `{tag}`"));
    }
    if let Some(remote) = remote {
        if remote.get(&head).is_some() {
            found.push(format!("branch `{branch}` on `{}`", config.remote));
        }
        if remote.get(&tag_ref).is_some() {
            found.push(format!("tag `{tag}` on `{}`", config.remote));
        }
    }
    let record = context.target()?.project(&config.name)?;
    for release in record.iter().flat_map(|record| &record.releases) {
        if release.version.parse::<Version>().is_ok_and(|version| version == *new) {
            let channels: Vec<&str> = release.channels.iter().map(|channel| channel.as_str()).collect();
            found.push(match &release.blocked {
                Some(reason) => format!("on the index, blocked: {reason}"),
                None => format!("on the index, in {}", channels.join(", ")),
            });
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let error = Error::refused("version-exists", format!("version `{new}` exists already"))
        .hint("a version is cut once; bump further, or finish that one with `shipway release`");
    Err(found.into_iter().fold(error, Error::cause))
}

fn check_push(git: &Git, remote: &str, commit: &str, branch: &str) -> Result<()> {
    let target = format!("refs/heads/{branch}");
    match git.push(remote, &[(commit.to_owned(), target, Some(String::new()))], true)? {
        Push::Done => Ok(()),
        Push::Rejected(said) => {
            let error =
                Error::refused("push-rejected", format!("`{remote}` would refuse the push of `{branch}`"));
            Err(said.into_iter().fold(error, Error::cause))
        }
        Push::Failed(said) => {
            let error = Error::incomplete("push-failed", format!("cannot push to `{remote}`"));
            Err(said.into_iter().fold(error, Error::cause))
        }
    }
}
