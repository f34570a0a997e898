//! `shipway init` on projects of every kind.

use crate::project::Project;

#[test]
fn every_other_byte_of_pyproject_is_kept() {
    for text in [
        "[project]\r\nname = \"x\"\r\nversion = \"1.0.0\" # c\r\n",
        "\u{feff}[project]\nname = 'x'\nversion = '1.0.0'",
    ] {
        let project = Project::with(&[("pyproject.toml", text)]);
        let before = project.state();
        project.run(&["init", "--dry-run"]).assert(0, &["would write pyproject.toml", "+ [tool.shipway]"]);
        assert_eq!(project.state(), before);
        project.run(&["init"]).assert(0, &["wrote pyproject.toml", "shipway release patch"]);
        let after = project.read("pyproject.toml");
        assert!(after.starts_with(text), "{after:?}");
        assert_eq!(after.contains("\r\n"), text.contains("\r\n"));
        assert!(
            !after.replace("\r\n", "").contains('\r')
                && (!text.contains('\r') || !after.replace("\r\n", "").contains('\n'))
        );
        assert!(project.read(".gitignore").contains("/.shipway/*\n!/.shipway/log.pin"));
        project.run(&["config", "show"]).assert(0, &[]);
        project.run(&["init"]).assert(0, &["nothing to write"]);
    }
}

#[test]
fn k2_a_project_is_ready_to_bump_after_init_and_a_commit() {
    let project = Project::with(&[("pyproject.toml", "[project]\nname = \"x\"\nversion = \"24.1\"\n")]);
    project.run(&["init", "--commit"]).assert(0, &[]);
    project.git(&["push", "--quiet"]);
    assert!(project.read("pyproject.toml").contains("scheme = \"pep440\""), "24.1 is no semantic version");
    project.run(&["bump", "minor", "--dry-run"]).assert(0, &["24.1 → 24.2"]);
}

#[test]
fn what_is_no_project_is_refused_and_nothing_written() {
    let project = Project::with(&[("README.md", "x")]);
    let before = project.state();
    project.run(&["init"]).assert(2, &["holds no Python project", "--project DIR"]);
    project.write(
        "pyproject.toml",
        "[project]\nname = \"x\"\ndynamic = [\"version\"]\n[tool.hatch.version]\nsource = \"vcs\"\n",
    );
    project.commit("vcs");
    project.run(&["init"]).assert(1, &["hatch-vcs"]);
    assert!(before.contains("refs/heads/main") && !project.root().join("CHANGELOG.md").exists());
}

#[test]
fn tools_that_are_not_here_are_written_as_comments() {
    let text = "[project]\nname = \"x\"\nversion = \"1.0.0\"\n\n[project.scripts]\nx = \"x:main\"\n\n[tool.ruff]\nline-length = 100\n";
    let mut project = Project::with(&[("pyproject.toml", text)]);
    let git = which("git");
    let folder = project.home().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(git, folder.join("git")).unwrap();
    project.set("PATH", folder.to_str().unwrap());
    project.run(&["init"]).assert(0, &[]);
    let after = project.read("pyproject.toml");
    assert!(after.contains("# ruff is configured here but was not on PATH"), "{after}");
    assert!(after.contains("# run = \"x --help\""), "{after}");
    project.run(&["config", "show"]).assert(0, &[]);
}

fn which(program: &str) -> std::path::PathBuf {
    let paths = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&paths).map(|path| path.join(program)).find(|path| path.exists()).unwrap()
}
