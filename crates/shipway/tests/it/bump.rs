//! Rows A1 to A9, A11 to A15, A17, A19 to A21: cutting a release.

use crate::project::{PYPROJECT, Project};

#[test]
fn a1_a4_a21_the_branch_has_exactly_one_commit_of_exactly_the_declared_files() {
    let project = Project::demo();
    project.run(&["bump", "patch"]).assert(0, &["1.2.3 → 1.2.4", "release/v1.2.4"]);
    let commits = project.git(&["log", "--format=%s", "main..origin/release/v1.2.4"]);
    assert_eq!(commits, "chore(release): v1.2.4");
    let files = project.git(&["show", "--name-only", "--format=", "release/v1.2.4"]);
    assert_eq!(files, "CHANGELOG.md\npyproject.toml");
    let there = project.git_in(&project.remote(), &["rev-parse", "release/v1.2.4"]);
    assert_eq!(there, project.git(&["rev-parse", "release/v1.2.4"]));
    assert_eq!(project.git(&["rev-parse", "main"]), project.git(&["rev-parse", "release/v1.2.4^"]));
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    assert_eq!(project.read("pyproject.toml"), PYPROJECT.replace("1.2.3", "1.2.4"));
    let changelog = project.read("CHANGELOG.md");
    assert!(changelog.contains("## [Unreleased]\n\n## [1.2.4] - 20"), "{changelog}");
}

#[test]
fn a2_a3_a_dirty_tree_is_named_and_nothing_changes() {
    let project = Project::demo();
    project.write(".gitignore", "/dist/\nuv.lock\n");
    project.commit("ignore the lock");
    project.write("uv.lock", "version = 1\n");
    let clean = project.state();
    project.write("README.md", "# changed\n");
    project.write("new file.txt", "x");
    let before = project.state();
    project.run(&["bump", "patch"]).assert(1, &["README.md", "new file.txt", "commit or stash"]);
    assert_eq!(project.state(), before);
    project.git(&["checkout", "--quiet", "--", "README.md"]);
    std::fs::remove_file(project.root().join("new file.txt")).unwrap();
    assert_eq!(project.state(), clean);
    // A3: an ignored file that is staged counts.
    project.git(&["add", "--force", "uv.lock"]);
    project.run(&["bump", "patch"]).assert(1, &["uv.lock"]);
}

#[test]
fn a5_malformed_versions_are_refused_with_the_text_and_nothing_changes() {
    let project = Project::demo();
    let before = project.state();
    for text in ["1.2", "1.2.x", "01.2.3", "\u{661}.2.3", "v1.3.0", "1.3.0+local"] {
        project.run(&["bump", text]).assert(2, &[&format!("`{text}`")]);
        project.run(&["bump", text, "--dry-run"]).assert(2, &[&format!("`{text}`")]);
    }
    project.run(&["bump", "1.2.2"]).assert(1, &["`1.2.2` is not greater"]);
    assert_eq!(project.state(), before);
}

#[test]
fn a6_a_version_that_exists_anywhere_is_refused() {
    let project = Project::demo();
    project.git(&["branch", "release/v1.2.4"]);
    project.git(&["tag", "v1.2.4"]);
    project.git(&["push", "--quiet", "origin", "main:refs/heads/release/v1.2.4", "v1.2.4"]);
    let before = project.state();
    let texts = [
        "local branch `release/v1.2.4`",
        "local tag `v1.2.4`",
        "branch `release/v1.2.4` on `origin`",
        "tag `v1.2.4` on `origin`",
    ];
    project.run(&["bump", "patch"]).assert(1, &texts);
    project.git(&["branch", "-D", "release/v1.2.4"]);
    project.git(&["tag", "-d", "v1.2.4"]);
    project.run(&["bump", "patch"]).assert(1, &["on `origin`"]);
    project.git_in(&project.remote(), &["branch", "-D", "release/v1.2.4"]);
    project.run(&["bump", "patch"]).assert(1, &["tag `v1.2.4` on `origin`"]);
    assert!(before.contains("refs/tags/v1.2.4"));
    assert_eq!(project.git(&["branch", "--list"]), "* main");
}

#[test]
fn a7_a_kill_at_any_point_is_put_right_by_the_next_command() {
    for point in ["bump.journal", "bump.commit", "bump.commit-journal", "bump.branch"] {
        let project = Project::demo();
        let before = project.state();
        project.run_until(point, &["bump", "patch"]);
        assert_eq!(project.git(&["status", "--porcelain"]), "", "{point}: the user's tree is not touched");
        project.run(&["build", "--dry-run"]).assert(0, &[]);
        assert_eq!(project.state(), before, "{point}");
        project.run(&["bump", "patch"]).assert(0, &["release/v1.2.4"]);
    }
    for point in ["bump.push", "bump.follow"] {
        let project = Project::demo();
        project.run_until(point, &["bump", "patch"]);
        project.run(&["build", "--dry-run"]).assert(0, &["kept"]);
        let there = project.git_in(&project.remote(), &["rev-parse", "release/v1.2.4"]);
        assert_eq!(there, project.git(&["rev-parse", "release/v1.2.4"]), "{point}: the bump is complete");
        assert!(!project.root().join(".git/shipway/bump.json").exists());
        assert!(!project.git(&["worktree", "list"]).contains("bump-worktree"));
    }
}

#[test]
fn a7_a_refused_push_restores_everything() {
    let project = Project::demo();
    let hook = project.remote().join("hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\necho 'no releases today' >&2\nexit 1\n").unwrap();
    std::os::unix::fs::PermissionsExt::set_mode(&mut std::fs::metadata(&hook).unwrap().permissions(), 0o755);
    std::process::Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
    let before = project.state();
    project.run(&["bump", "patch"]).assert(1, &["refused the push", "no releases today"]);
    assert_eq!(project.state(), before);
}

#[test]
fn a7_a_hook_that_refuses_or_changes_the_commit_restores_everything() {
    let project = Project::demo();
    let hook = project.root().join(".git/hooks/pre-commit");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    for (script, text) in [
        ("echo 'hook says no' >&2; exit 1", "hook says no"),
        ("echo x > extra; git add extra", "more or less than the plan"),
    ] {
        std::fs::write(&hook, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::process::Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
        let before = project.state();
        project.run(&["bump", "patch"]).assert(1, &[text]);
        assert_eq!(project.state(), before);
    }
}

#[test]
fn a7_an_unreachable_remote_is_no_refusal_and_changes_nothing() {
    let project = Project::demo();
    project.git(&["remote", "set-url", "origin", "../nowhere.git"]);
    let before = project.git(&["for-each-ref"]);
    project.run(&["bump", "patch"]).assert(3, &["cannot reach the remote `origin`"]);
    assert_eq!(project.git(&["for-each-ref"]), before);
    project.git(&["remote", "remove", "origin"]);
    project.run(&["bump", "patch"]).assert(1, &["has no remote `origin`", "git remote add"]);
}

#[test]
fn a8_the_base_is_fetched_and_moved_forward_before_the_version_is_read() {
    let project = Project::demo();
    let old = project.git(&["rev-parse", "main"]);
    project.write("pyproject.toml", &PYPROJECT.replace("1.2.3", "1.5.0"));
    project.commit("another machine");
    let new = project.git(&["rev-parse", "main"]);
    project.git(&["reset", "--quiet", "--hard", &old]);
    project.git(&["update-ref", "refs/remotes/origin/main", &old]);
    project.git(&["reflog", "expire", "--expire=now", "--all"]);
    project.git(&["gc", "--quiet", "--prune=now"]);
    let before = project.state();
    project.run(&["bump", "patch", "--dry-run"]).assert(0, &["1.5.0 → 1.5.1", "moved forward"]);
    assert_eq!(project.state(), before, "a dry run fetches into nothing");
    assert!(
        project
            .command("git", &project.root())
            .args(["cat-file", "-e", &new])
            .output()
            .unwrap()
            .status
            .code()
            != Some(0)
    );
    project.run(&["bump", "patch"]).assert(0, &["1.5.0 → 1.5.1"]);
    assert_eq!(project.git(&["rev-parse", "main"]), new);
}

#[test]
fn a8_a_base_that_diverged_or_is_ahead_is_refused_with_both_commits() {
    let project = Project::demo();
    let old = project.git(&["rev-parse", "main"]);
    project.write("a.txt", "theirs");
    project.commit("theirs");
    let theirs = project.git(&["rev-parse", "main"]);
    project.git(&["reset", "--quiet", "--hard", &old]);
    project.write("a.txt", "ours");
    project.git(&["add", "--all"]);
    project.git(&["commit", "--quiet", "-m", "ours"]);
    let ours = project.git(&["rev-parse", "main"]);
    let before = project.state();
    project.run(&["bump", "patch"]).assert(1, &["have diverged", &theirs, &ours]);
    assert_eq!(project.state(), before);
    project.git(&["push", "--quiet", "--force", "origin", &format!("{old}:refs/heads/main")]);
    let before = project.state();
    project.run(&["bump", "patch"]).assert(1, &["has 1 commits that `origin/main` has not", &old, &ours]);
    assert_eq!(project.state(), before);
}

#[test]
fn a9_a_missing_local_base_is_made_tracking() {
    let project = Project::demo();
    project.git(&["switch", "--quiet", "-c", "work"]);
    project.git(&["branch", "-D", "main"]);
    project.run(&["bump", "patch"]).assert(0, &[]);
    assert_eq!(project.git(&["rev-parse", "--abbrev-ref", "main@{upstream}"]), "origin/main");
}

#[test]
fn a11_a_base_that_is_an_option_or_a_tag_is_refused() {
    let project = Project::demo();
    project.git(&["tag", "main-tag"]);
    project.git(&["branch", "main-tag"]);
    let before = project.state();
    project.run(&["bump", "patch", "--base-branch", "main-tag"]).assert(2, &["a tag has that name"]);
    project.run(&["bump", "patch", "--base-branch=--upload-pack=x"]).assert(2, &["does not begin with `-`"]);
    project.run(&["bump", "patch", "--base-branch", "a..b"]).assert(2, &["not a branch name"]);
    project.run(&["bump", "patch", "--base-branch", "nowhere"]).assert(1, &["has no branch `nowhere`"]);
    assert_eq!(project.state(), before);
}

#[test]
fn a12_every_other_byte_of_pyproject_survives() {
    let variants = [
        PYPROJECT.replace('\n', "\r\n"),
        format!("\u{feff}{PYPROJECT}"),
        PYPROJECT.trim_end().to_owned(),
        PYPROJECT
            .replace(
                "version = \"1.2.3\"",
                "# the version = \"1.2.3\"\nversion   =  '1.2.3'  # keep \u{2028} this",
            )
            .replace("[project]", "[ project ]"),
    ];
    for text in variants {
        let project =
            Project::with(&[("pyproject.toml", &text), ("demo_pkg/__init__.py", "\"\"\"Demo.\"\"\"\n")]);
        project.run(&["bump", "minor"]).assert(0, &[]);
        let at = text.rfind("1.2.3").unwrap();
        let expected = format!("{}1.3.0{}", &text[..at], &text[at + 5..]);
        assert_eq!(project.read("pyproject.toml"), expected);
    }
}

#[test]
fn a14_every_declared_place_is_bumped_and_one_that_disagrees_refuses() {
    let pyproject =
        format!("{PYPROJECT}\n[tool.shipway.version]\nfiles = [\"demo_pkg/version.py\", \"VERSION\"]\n");
    let lock = "version = 1\n\n[[package]]\nname = \"demo-pkg\"\nversion = \"1.2.2\"\nsource = { editable = \".\" }\n\n[[package]]\nname = \"other\"\nversion = \"1.2.3\"\n";
    let project = Project::with(&[
        ("pyproject.toml", &pyproject),
        ("demo_pkg/version.py", "# v\n__version__ = '1.2.3'  # same\n"),
        ("VERSION", "1.2.3\n"),
        ("uv.lock", lock),
    ]);
    project.run(&["bump", "patch"]).assert(0, &[]);
    let files = project.git(&["show", "--name-only", "--format=", "release/v1.2.4"]);
    assert_eq!(files, "VERSION\ndemo_pkg/version.py\npyproject.toml\nuv.lock");
    assert_eq!(project.read("demo_pkg/version.py"), "# v\n__version__ = '1.2.4'  # same\n");
    assert_eq!(
        project.read("uv.lock"),
        lock.replace("1.2.2", "1.2.4"),
        "A15: a stale own entry is brought up to date too"
    );
    project.git(&["switch", "--quiet", "main"]);
    project.write("VERSION", "1.2.9\n");
    project.commit("drift");
    let before = project.state();
    project.run(&["bump", "minor"]).assert(1, &["`VERSION` (the file) says `1.2.9`", "says `1.2.3`"]);
    assert_eq!(project.state(), before);
}

#[test]
fn a13_a_version_from_tags_is_refused_by_name() {
    let pyproject = "[build-system]\nrequires = [\"setuptools\", \"setuptools-scm\"]\nbuild-backend = \"setuptools.build_meta\"\n[project]\nname = \"x\"\ndynamic = [\"version\"]\n";
    let project = Project::with(&[("pyproject.toml", pyproject)]);
    project.run(&["bump", "patch"]).assert(1, &["setuptools-scm", "project.version"]);
}

#[test]
fn a17_a_dry_run_lists_every_problem_at_once_and_writes_nothing() {
    let mut project = Project::demo();
    project.git(&["tag", "v1.2.4"]);
    project.git(&["branch", "release/v1.2.4"]);
    project.write("README.md", "dirty\n");
    let before = project.state();
    let run = project.run(&["bump", "patch", "--dry-run", "--json"]);
    run.assert(1, &["uncommitted changes", "version `1.2.4` exists already"]);
    let document = run.json();
    assert_eq!(document["schema"], "shipway.bump/1");
    assert_eq!(document["ok"], false);
    let codes: Vec<_> =
        document["problems"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["dirty-tree", "version-exists"]);
    // An index that does not answer, and no remote: both are found in the same run.
    project.set("SHIPWAY_INDEX", "http://127.0.0.1:9/");
    project.git(&["remote", "remove", "origin"]);
    let run = project.run(&["bump", "patch", "--dry-run"]);
    run.assert(1, &["uncommitted changes", "has no remote", "cannot reach http://127.0.0.1:9/"]);
    project.git(&["remote", "add", "origin", "../remote.git"]);
    project.git(&["fetch", "--quiet"]);
    assert_eq!(project.state(), before);
}

#[test]
fn a17_the_plan_is_the_whole_plan() {
    let project = Project::demo();
    let before = project.state();
    let document = project.run(&["bump", "minor", "--dry-run", "--json"]).json();
    assert_eq!(project.state(), before);
    assert_eq!(document["old"], "1.2.3");
    assert_eq!(document["new"], "1.3.0");
    assert_eq!(document["branch"], "release/v1.3.0");
    assert_eq!(document["base"], "main");
    assert_eq!(document["pull_request_base"], "main");
    assert_eq!(document["files"], serde_json::json!(["CHANGELOG.md", "pyproject.toml"]));
}

#[test]
fn a19_a20_levels_are_stated_in_the_plan() {
    let zero = PYPROJECT.replace("1.2.3", "0.4.0");
    let project = Project::with(&[("pyproject.toml", &zero)]);
    project.run(&["bump", "major", "--dry-run"]).assert(0, &["0.4.0 → 1.0.0", "major on 0.x gives 1.0.0"]);
    project.run(&["bump", "minor", "--pre", "rc", "--dry-run"]).assert(0, &["0.5.0rc1"]);
    project.run(&["bump", "final", "--dry-run"]).assert(2, &["does not fit"]);
    let rule = format!("{zero}\n[tool.shipway.version]\nmajor-on-zero = false\n");
    let project = Project::with(&[("pyproject.toml", &rule)]);
    project.run(&["bump", "major", "--dry-run"]).assert(0, &["0.4.0 → 0.5.0", "stays 0.x"]);
}

#[test]
fn a21_an_empty_unreleased_section_refuses_before_any_write() {
    let project = Project::demo();
    project.write(
        "CHANGELOG.md",
        "# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [1.2.3] - 2026-01-01\n\n- x\n",
    );
    project.commit("nothing new");
    let before = project.state();
    project.run(&["bump", "patch"]).assert(1, &["*Unreleased* section of `CHANGELOG.md` is empty"]);
    assert_eq!(project.state(), before);
}

#[test]
fn a_detached_head_is_refused() {
    let project = Project::demo();
    project.git(&["switch", "--quiet", "--detach"]);
    project.run(&["bump", "patch"]).assert(1, &["HEAD is detached"]);
}

#[test]
fn a6_a_version_that_is_in_a_channel_is_refused() {
    let project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    project.run(&["publish"]).assert(0, &[]);
    project.write("pyproject.toml", &PYPROJECT.replace("1.2.3", "1.2.2"));
    project.write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- First.\n");
    project.commit("went back");
    let before = project.state();
    project.run(&["bump", "patch"]).assert(1, &["version `1.2.3` exists already", "on the index, in dev"]);
    assert_eq!(project.state(), before);
}

#[test]
fn a4_a_hook_that_edits_a_planned_file_or_the_subject_is_refused() {
    for (hook, script, text) in [
        (
            "pre-commit",
            "echo '# more' >> pyproject.toml; git add pyproject.toml",
            "another `pyproject.toml` than planned",
        ),
        ("commit-msg", "echo other > \"$1\"", "is called `other`"),
    ] {
        let project = Project::demo();
        let path = project.root().join(".git/hooks").join(hook);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::process::Command::new("chmod").arg("+x").arg(&path).status().unwrap();
        let before = project.state();
        project.run(&["bump", "patch"]).assert(1, &[text]);
        assert_eq!(project.state(), before);
    }
}

#[test]
fn a1_a_clone_of_a_single_branch_can_bump() {
    let project = Project::demo();
    let clone = project.root().join("../clone");
    let (from, to) = (project.remote(), clone.display().to_string());
    project.git_in(&project.home(), &["clone", "--quiet", "--single-branch", from.to_str().unwrap(), &to]);
    for (key, value) in [("user.name", "Test"), ("user.email", "test@example.invalid")] {
        project.git_in(&clone, &["config", key, value]);
    }
    project.run(&["--project", &to, "bump", "patch"]).assert(0, &["release/v1.2.4"]);
    assert_eq!(project.git_in(&clone, &["branch", "--show-current"]), "release/v1.2.4");
}
