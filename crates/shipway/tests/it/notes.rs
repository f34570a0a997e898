//! Release notes and generated documents: what is refused, what is rendered, what is proposed.

use crate::project::Project;

/// The demo with the section of its version written so.
fn with_section(section: &str) -> Project {
    let project = Project::demo();
    project.write("CHANGELOG.md", &format!("# Changelog\n\n## [Unreleased]\n\n{section}"));
    project.commit("notes");
    project
}

/// Runs the gate over a build of the release commit; nothing but the record of the build may change.
fn gate(section: &str) -> crate::project::Run {
    let project = with_section(section);
    project.run(&["build"]).assert(0, &[]);
    let before = (project.state(), project.read("CHANGELOG.md"));
    let run = project.run(&["gate", "run", "notes", "--json"]);
    assert_eq!((project.state(), project.read("CHANGELOG.md")), before);
    run
}

fn ids(run: &crate::project::Run) -> Vec<String> {
    let document = run.json();
    let findings = document["gates"][0]["findings"].as_array().cloned().unwrap_or_default();
    findings.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn d18_the_gate_passes_a_complete_section() {
    let run = gate("## [1.2.3] - 2026-01-01\n\n- A thing.\n");
    run.assert(0, &[]);
    assert!(ids(&run).is_empty(), "{run:?}");
}

#[test]
fn d18_d19_each_refusal_has_its_id() {
    let cases = [
        ("## [1.2.2] - 2026-01-01\n\n- Old.\n", "notes-section"),
        ("## [1.2.3] - 2026-01-01\n\n### Added\n", "notes-empty"),
        ("## [1.2.3] - 2025-10-XX\n\n- A thing.\n", "notes-date"),
        ("## [1.2.3] - 2026-01-01\n\n- A. Install: `pip install demo-pkg==1.2.2`\n", "notes-install"),
        (
            "## [1.2.3] - 2026-01-01\n\n### Breaking\n\n- `x`.\n\n## [1.2.2] - 2025-01-01\n\n- Old.\n",
            "breaking-under-patch",
        ),
    ];
    for (section, id) in cases {
        let run = gate(section);
        assert_eq!(run.code, Some(1), "{id}: {run:?}");
        assert_eq!(ids(&run), [id], "{run:?}");
    }
}

#[test]
fn d18_render_puts_what_the_section_does_not_say() {
    let project = with_section("## [1.2.3] - 2026-01-01\n\n- A thing.\n");
    let run = project.run(&["notes", "render"]);
    run.assert(0, &[]);
    for part in ["1.2.3 (2026-01-01)", "- A thing.", "## Supported Pythons", "==1.2.3"] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    project.run(&["notes", "render", "9.9.9"]).assert(1, &["no section for exactly 9.9.9"]);
}

#[test]
fn d25_draft_proposes_and_writes_only_when_asked() {
    let project = with_section("## [1.2.3] - 2026-01-01\n\n- A thing.\n");
    project.write("demo_pkg/extra.py", "X = 1\n");
    project.commit("feat: a new constant");
    let before = project.read("CHANGELOG.md");
    let run = project.run(&["notes", "draft"]);
    run.assert(0, &[]);
    assert!(run.stdout.contains("### Added\n\n- a new constant\n"), "{}", run.stdout);
    assert_eq!(project.read("CHANGELOG.md"), before);
    project.run(&["notes", "draft", "--write"]).assert(0, &[]);
    let after = project.read("CHANGELOG.md");
    assert!(after.contains("- a new constant"), "{after}");
    assert!(after.ends_with("## [1.2.3] - 2026-01-01\n\n- A thing.\n"), "{after}");
}

#[test]
fn d4_d22_documents_follow_the_configuration() {
    let project = Project::demo();
    project.run(&["docs", "generate", "--dry-run"]).assert(0, &[]);
    assert!(!project.root().join("docs/stable-surface.md").exists());
    project.run(&["docs", "generate"]).assert(0, &[]);
    project.run(&["docs", "check"]).assert(0, &[]);
    assert!(project.read("docs/stable-surface.md").contains("`demo_pkg.answer`"));
    let pyproject = project.read("pyproject.toml").replace("demo_pkg.answer", "demo_pkg.main");
    project.write("pyproject.toml", &pyproject);
    let before = project.read("docs/stable-surface.md");
    project.run(&["docs", "check"]).assert(1, &["docs/stable-surface.md", "shipway docs generate"]);
    assert_eq!(project.read("docs/stable-surface.md"), before);
    project.write("docs/releasing.md", "# Ours\n");
    project.run(&["docs", "generate"]).assert(0, &[]);
    assert_eq!(project.read("docs/releasing.md"), "# Ours\n", "what was written by hand stays");
}
