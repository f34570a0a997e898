//! Every finding that the pipeline itself makes, with what it means and how to mend it.
//!
//! Findings about distribution files stand in `shipway_dist::rules`.

/// A finding of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: &'static str,
    /// What it means.
    pub why: &'static str,
    /// What mends it.
    pub fix: &'static str,
}

/// All of them.
pub const RULES: &[Rule] = &[
    rule(
        "break-not-named",
        "a break was found that the notes of the version do not name",
        "run `shipway notes check --fix`, and say what to do instead",
    ),
    rule(
        "notes-format",
        "the changelog has no second-level headings, so that no section belongs to a version",
        "write it in the form of Keep a Changelog",
    ),
    rule(
        "notes-section",
        "the changelog has no section for exactly this version",
        "let `shipway bump` make it of *Unreleased*, or add the heading",
    ),
    rule(
        "notes-empty",
        "the section of the version says nothing",
        "write what changed for users; `shipway notes draft` proposes it",
    ),
    rule(
        "notes-date",
        "the section of the version has no date, or one that is no day or still to come",
        "write the day of the release as `YYYY-MM-DD`",
    ),
    rule(
        "notes-migration",
        "something breaks, and no part of the notes says how to go over to it",
        "add a heading `### Breaking` or `### Migration` with what users have to do",
    ),
    rule(
        "notes-python",
        "the notes name other Pythons than the metadata",
        "write what Requires-Python and the classifiers say, or leave it to `shipway notes render`",
    ),
    rule(
        "notes-install",
        "the notes install another version than theirs",
        "correct the line, or leave it to `shipway notes render`",
    ),
    rule(
        "breaking-under-patch",
        "the notes announce a break under a bump that is not allowed to break",
        "release a major, or a minor while the version is 0.x",
    ),
    rule(
        "docs-drift",
        "a document that is written from the configuration no longer says what it says",
        "run `shipway docs generate`",
    ),
    rule("manifest-digest", "a file is not the one that the build made", "run `shipway build` again"),
    rule("manifest-size", "a file is longer or shorter than the build made it", "run `shipway build` again"),
    rule("manifest-name", "a file belongs to another project", "correct the project's name and build again"),
    rule(
        "manifest-version",
        "a file is of another version than the manifest says",
        "build the release commit again",
    ),
    rule(
        "manifest-extra",
        "a distribution file lies beside the release and was not built with it",
        "run `shipway build` again, which keeps it aside, or remove it",
    ),
    rule(
        "module-missing",
        "a module of the source tree is not in the wheel or the sdist, so that what users install lacks code",
        "correct the backend's list of packages, or name the module in `build.exclude`",
    ),
    rule(
        "data-missing",
        "a data file that the project declares is not in the wheel",
        "correct the backend's package data, or the declaration",
    ),
    rule(
        "wheel-from-sdist",
        "the wheel built from the sdist is not the wheel built from the tree: one of them lacks or changes a file",
        "make the sdist hold everything that the build reads (MANIFEST.in or the backend's include list)",
    ),
    rule(
        "not-reproducible",
        "two builds of one commit with the same tools gave different bytes, so nobody can check where they came from",
        "set `build.normalize = true` where only headers differ; otherwise remove what depends on time, path or machine",
    ),
    rule(
        "tree-unknown",
        "the commit that was built is not in this repository, so that its files could not be compared with the release",
        "fetch the commit",
    ),
    rule(
        "lint-failed",
        "the declared linter found something",
        "run the gate's command and mend what it names",
    ),
    rule("format-failed", "the declared formatter would change something", "run the formatter and commit"),
    rule(
        "types-failed",
        "the declared type checker found something",
        "run the gate's command and mend what it names",
    ),
    rule(
        "tests-failed",
        "the declared tests do not pass in a clean checkout",
        "run the gate's command in a clean checkout",
    ),
    rule(
        "stable-symbol",
        "a symbol that the contract calls stable does not import from the installed release",
        "put it back, or change the contract and bump accordingly",
    ),
    rule(
        "script-broken",
        "a console script names a module or attribute that cannot be loaded from the installed release",
        "correct the script's target, or declare the dependency that it lacks",
    ),
    rule(
        "smoke-probe",
        "a declared probe of kind smoke went otherwise than declared",
        "run the probe's command in a fresh install",
    ),
    rule(
        "safety-default",
        "a declared safety default does not hold in a fresh install",
        "restore the default; a change of it is a breaking change",
    ),
    rule(
        "smoke-install",
        "pip installed something other than the release",
        "look at the project's names and requirements",
    ),
    rule(
        "other-bytes",
        "the index gave a file that is not in the manifest",
        "find out who put it there; never promote it",
    ),
    rule(
        "no-wheel",
        "pip chose the sdist although a wheel was built",
        "give the wheel tags that fit the Python in use",
    ),
    rule(
        "foreign-file",
        "a file came from somewhere else than the channel's index",
        "serve dependencies through the index, or set `smoke.dependencies = \"any\"`",
    ),
    rule(
        "not-installable",
        "pip refuses to install the built release, whatever the reason it gives",
        "read what pip said; build the release again where its files differ from the manifest",
    ),
    rule(
        "data-not-installed",
        "a file that `contract.data` promises is not there once the release is installed",
        "correct the backend's package data, or the declaration",
    ),
    rule(
        "site-packages-written",
        "something was written where the release is installed while probes ran; on a system-wide install that fails, and two users overwrite each other",
        "write below HOME (the XDG directories) or into the working directory",
    ),
    rule(
        "file-outside",
        "a probe wrote a file that lies neither in its working directory nor below HOME",
        "write below HOME (the XDG directories) or into the working directory, and remove temporary files",
    ),
    rule(
        "probe-manners",
        "a probe left a process running or wrote without end; it was stopped",
        "end what the command starts, and bound what it prints",
    ),
    rule(
        "error-probe",
        "a declared probe of kind error went otherwise than declared",
        "run the probe's command in a fresh install",
    ),
    rule(
        "error-stream",
        "the text of an error stands on stdout, where programs read data, and not on stderr",
        "write errors to stderr",
    ),
    rule(
        "error-class-missing",
        "`contract.errors` promises a class of error that no probe shows",
        "add a probe of kind error with that class",
    ),
    rule(
        "error-stream-changed",
        "the text of an error was on stderr in the release before and is on stdout now",
        "write errors to stderr as before",
    ),
    rule(
        "command-missing",
        "`contract.commands` documents a command that the release does not bring",
        "correct the contract or the project's scripts",
    ),
    rule(
        "command-without-help",
        "a documented command does not answer `--help`, so that its options cannot be compared",
        "let it answer `--help` with exit code 0",
    ),
    rule(
        "command-undocumented",
        "the release brings a command that `contract.commands` does not name",
        "name it there, or leave it out of the release",
    ),
    rule(
        "command-removed",
        "a command or subcommand of the release before is gone",
        "put it back, or release a major version",
    ),
    rule(
        "command-added",
        "a command or subcommand is new, which asks for a minor release",
        "release a minor version",
    ),
    rule(
        "option-removed",
        "an option that the help of the release before named is gone",
        "keep the old option beside the new one, or release a major version",
    ),
    rule(
        "option-added",
        "the help names an option that it did not name before, which asks for a minor release",
        "release a minor version",
    ),
    rule(
        "json-key-removed",
        "the JSON of a documented command lacks a key that the release before printed",
        "print the key again, or release a major version",
    ),
    rule(
        "json-key-added",
        "the JSON of a documented command has a key that the release before did not print",
        "release a minor version",
    ),
    rule(
        "json-type-changed",
        "a value in the JSON of a documented command has another type than in the release before",
        "give it its old type, or release a major version",
    ),
    rule(
        "exit-code-changed",
        "the same command line ends with another exit code than in the release before, or another one is declared",
        "restore the exit code, or release a major version",
    ),
    rule(
        "output-changed",
        "a documented command prints other text than in the release before",
        "say so in the notes",
    ),
    rule(
        "default-changed",
        "a declared default is another one than in the release before; that breaks users although declaration and tests were edited with it",
        "restore it, or release a major version",
    ),
    rule(
        "contract-entry-removed",
        "the release before promised something in its configuration that this one no longer names",
        "put the entry back, accept its removal with a reason, or release a major version",
    ),
    rule(
        "gate-removed",
        "the release before declared a gate that this one does not; a gate that the same change may take away is no gate",
        "put the gate back, or accept its removal with `[[tool.shipway.accept]]`",
    ),
    rule(
        "upgrade-broken",
        "installed over the release before, with that one's configuration and data in place, a probe fails that passes in a fresh install",
        "let the release read what the one before wrote",
    ),
    rule(
        "rollback-broken",
        "after going forward to this release and back to the one before, that one's own probes fail",
        "write so that the release before can still read it, or keep its files untouched",
    ),
    rule(
        "rollback-data-removed",
        "this release removed a file that the one before had written",
        "keep the file until no earlier release needs it",
    ),
    rule(
        "rollback-not-rehearsed",
        "a probe does not pass in the release before itself, so that going back to it shows nothing",
        "look at the probe; it may need something that the trial does not give",
    ),
    rule(
        "pull-request",
        "no pull request, or more than one, was merged as this commit: a direct push, a tag, an open pull request",
        "merge a release pull request; a commit that was pushed by hand is never published",
    ),
    rule(
        "pr-repository",
        "the pull request goes to another repository than the configured one, or to one that took over its name",
        "correct `forge.repository`, or `forge.repository-id` after a move",
    ),
    rule(
        "pr-base",
        "the pull request does not go to the branch that releases are cut from, or goes to a release that was merged already",
        "open it against `base-branch`; bring a late fix to the base and cut the next version",
    ),
    rule(
        "pr-head-repository",
        "the branch comes from a fork, or from a repository that was deleted: anybody could write such a branch",
        "cut the release in the repository itself: shipway bump",
    ),
    rule(
        "release-branch",
        "the branch is not called `release/v` and a version as versions are written",
        "shipway bump",
    ),
    rule(
        "pr-merged",
        "the pull request is open, or was closed without a merge",
        "merge it, or cut the next version",
    ),
    rule(
        "commit-on-base",
        "the commit of the merge is not in the history of the base as the forge has it now",
        "find out who rewound, forced or renamed the base; then cut the next version",
    ),
    rule(
        "merge-strategy",
        "the commit is no merge, squash or rebase of the pull request's branch by the forge",
        "merge with the forge; allow fast-forward with `forge.fast-forward = true`",
    ),
    rule(
        "version-at-merge",
        "the version at the commit is not the one in the name of the release branch",
        "cut the release again: shipway bump",
    ),
    rule(
        "version-change",
        "a pull request that is no release changes the version, so that it would reach the base without a release",
        "leave the version as it is; only `shipway bump` changes it",
    ),
    rule(
        "version-newer",
        "the version is not greater than that of the base before the merge",
        "cut the next version: shipway bump",
    ),
    rule(
        "version-free",
        "the version has a tag at another commit: it was released before, even when that was reverted",
        "cut the next version; a version is never free again",
    ),
    rule(
        "version-latest",
        "a later version was released from this base before",
        "cut a version after that one, or release from a maintenance branch",
    ),
    rule(
        "pr-files",
        "the release pull request changes more than the version, the lock file and the changelog",
        "take the change out, or allow the file with `forge.allow`",
    ),
    rule(
        "stranded",
        "commits were added to a release branch after it was merged; they are in no release",
        "bring them to the base and cut the next version",
    ),
    rule(
        "push-run",
        "the commit has no push run of the build workflow, or not exactly one that succeeded",
        "look at the run; let pushes to the base run to their end; merge as a person or an app, without `[skip ci]`",
    ),
    rule(
        "run-repository",
        "the run is of another repository than the configured one",
        "give the number of a run of this repository",
    ),
    rule(
        "run-conclusion",
        "the run is not over, or ended otherwise than with success",
        "wait for it, or run it again",
    ),
    rule(
        "run-event",
        "something else than a push started the run, so that its commit was not on the base",
        "give the number of the push run",
    ),
    rule(
        "run-branch",
        "the run was not on the base; a tag may have the base's name",
        "give the number of the push run of the base",
    ),
    rule(
        "run-head-repository",
        "the commit of the run came from another repository",
        "give the number of the push run of the base",
    ),
    rule(
        "run-workflow",
        "the run is of another workflow than the one that builds",
        "correct `forge.build-workflow`, or give the number of the right run",
    ),
    rule(
        "run-on-base",
        "the commit of the run is not in the history of the base as the forge has it now",
        "find out who rewound or forced the base",
    ),
    rule(
        "workflow-file",
        "the build workflow at that commit is not the one on the base: gates may have been skipped",
        "review it and list its blob id in `forge.reviewed-workflows`, or cut the next version",
    ),
    rule(
        "merged-release-pr",
        "the run's commit is not the merge of the release pull request of this version",
        "merge the release pull request, or set `forge.release-from = \"base-run\"`",
    ),
    rule(
        "artifacts",
        "the run's artifacts are not exactly the expected ones, each with a digest and none expired",
        "look at the upload steps; choose one of several with --artifact-id",
    ),
    rule(
        "artifact-digest",
        "the bytes that were downloaded are not those that the forge has a digest of",
        "run it again; if it persists, do not publish and find out what changes them",
    ),
    rule(
        "build-statement",
        "the forge has no digest of an artifact, and no signed statement of the build vouches for its bytes",
        "upload `.shipway/evidence/VERSION/build.json` of `shipway build` together with the manifest",
    ),
    rule(
        "build-key",
        "the build statement is not signed by a key that the project or the index trusts",
        "register the key: `shipway admin key add --role ci`, or list it in forge.build-keys before the release",
    ),
    rule(
        "build-key-role",
        "the build statement is signed by a key that may not speak for builds",
        "sign builds with a key of role `ci`",
    ),
    rule(
        "build-signature",
        "the signature of the build statement does not hold for its bytes",
        "do not publish, and find out what changed the statement",
    ),
    rule(
        "build-run",
        "the signed build statement is of another commit, run, attempt or job",
        "upload the statement in the job that builds, and run the whole job again",
    ),
    rule(
        "build-bytes",
        "the signed build statement is about other files than those downloaded",
        "do not publish, and find out what changed the files after the build",
    ),
    rule(
        "artifact-members",
        "an artifact holds folders, links, other files or one name twice",
        "upload the files of `dist/` and nothing else",
    ),
    rule(
        "manifest",
        "the manifest of the run is not of this project, version, commit and run, or of other bytes",
        "build with `shipway build` in the workflow, and upload its manifest",
    ),
    rule(
        "distribution-metadata",
        "a file's metadata names another project or version, or the file is not sound",
        "shipway check FILE",
    ),
    rule(
        "attestation",
        "a file has no attestation that verifies and is by the build workflow on the base, over this repository and commit",
        "let the workflow attest the files, or set `forge.attestations = false`",
    ),
    rule(
        "run-unchanged",
        "the run or its artifacts changed while they were downloaded",
        "run it again once the run is over",
    ),
];

const fn rule(id: &'static str, why: &'static str, fix: &'static str) -> Rule {
    Rule { id, why, fix }
}

/// Whether an id is of a finding about distribution files, whose level a project may set.
pub fn is_of_distributions(id: &str) -> bool {
    const OURS: [&str; 4] = ["module-missing", "data-missing", "wheel-from-sdist", "not-reproducible"];
    shipway_dist::rules::find(id).is_some() || OURS.contains(&id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_of_two_installed_releases_is_explained() {
        for id in crate::gates::installed::finding_ids() {
            assert!(RULES.iter().any(|rule| rule.id == id), "{id}");
        }
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "each id once");
    }
}
