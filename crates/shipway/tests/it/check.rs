//! `shipway check`: formats, levels, and descriptions that do not render.

use crate::project::Project;

/// A built demo project and the name of its wheel.
fn built() -> (Project, String) {
    let project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    (project, "dist/demo_pkg-1.2.3-py3-none-any.whl".to_owned())
}

/// Changes one byte of the wheel's contents, so that CRC and RECORD no longer agree.
fn damage(project: &Project, wheel: &str) {
    let path = project.root().join(wheel);
    let mut bytes = std::fs::read(&path).unwrap();
    // The first byte of the first member's data: behind its header of 30 bytes, its name and its extra field.
    let length = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let at = 30 + length(26) + length(28);
    bytes[at] ^= 0xff;
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn d20_findings_are_data_in_every_format() {
    let (project, wheel) = built();
    let run = project.run(&["check", "dist", "--json"]);
    run.assert(0, &[]);
    let json = run.json();
    assert_eq!(json["schema"], "shipway.check/1");
    assert_eq!(json["ok"], true);
    assert_eq!(json["files"].as_array().map(Vec::len), Some(2));
    let digest = json["files"][0]["sha256"].as_str().unwrap().to_owned();
    assert_eq!(digest.len(), 64);

    damage(&project, &wheel);
    let run = project.run(&["check", &wheel, "--json"]);
    run.assert(1, &["1 of 1 files refused", "hint: shipway explain "]);
    let json = run.json();
    assert_eq!((json["ok"].clone(), json["files"][0]["ok"].clone()), (false.into(), false.into()));
    let finding = &json["files"][0]["findings"][0];
    let id = finding["id"].as_str().unwrap();
    assert_eq!(finding["severity"], "error");
    assert!(finding["member"].is_string() && finding["message"].is_string(), "{finding}");
    project.run(&["explain", id]).assert(0, &[]);

    let github = project.run(&["check", &wheel, "--format", "github"]);
    github.assert(1, &[]);
    assert!(github.stdout.starts_with(&format!("::error file={wheel},title={id}::")), "{github:#?}");
    let sarif = project.run(&["check", &wheel, "--format", "sarif"]);
    sarif.assert(1, &[]);
    let sarif = sarif.json();
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], id);
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "error");
}

#[test]
fn a_projects_levels_hold_in_check() {
    let (project, wheel) = built();
    let ids = |arguments: &[&str]| {
        let json = project.run(arguments).json();
        let findings = json["files"][0]["findings"].as_array().cloned().unwrap_or_default();
        findings
            .iter()
            .map(|one| format!("{} {}", one["severity"].as_str().unwrap(), one["id"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    // The demo names no license; whatever is only a warning can be made to refuse.
    let pyproject = project.read("pyproject.toml");
    project.write("pyproject.toml", &pyproject.replace("readme = \"README.md\"\n", ""));
    project.commit("no description");
    project.run(&["build"]).assert(0, &[]);
    assert_eq!(ids(&["check", &wheel, "--json"]), ["warning metadata-description-41"]);
    let level =
        "\n[[tool.shipway.level]]\nid = \"metadata-description-41\"\nlevel = \"error\"\nreason = \"pages\"\n";
    project.write("pyproject.toml", &format!("{pyproject}{level}"));
    let run = project.run(&["check", &wheel]);
    run.assert(1, &["refused", "metadata-description-41"]);
    assert_eq!(ids(&["check", &wheel, "--json"]), ["error metadata-description-41"]);
}

#[test]
fn d20_a_description_that_does_not_render_is_never_passed_silently() {
    let mut project = Project::demo();
    let pyproject = project.read("pyproject.toml");
    project.write("pyproject.toml", &pyproject.replace("README.md", "README.rst"));
    project.write("README.rst", "Demo\n====\n\n.. nosuchdirective:: x\n");
    project.commit("rst");
    project.run(&["build"]).assert(0, &[]);
    let wheel = "dist/demo_pkg-1.2.3-py3-none-any.whl";
    // Without docutils: it is said that nothing was rendered.
    let bare = environment(&project, "bare", &[]);
    project.set("SHIPWAY_PYTHON", &bare);
    let run = project.run(&["check", wheel, "--render"]);
    run.assert(0, &[]);
    assert!(run.stdout.contains("description-not-rendered-41"), "{run:#?}");
    // With docutils: the line and what is wrong with it.
    let able = environment(&project, "able", &["docutils==0.22.2"]);
    project.set("SHIPWAY_PYTHON", &able);
    let run = project.run(&["check", wheel, "--render"]);
    run.assert(0, &[]);
    assert!(run.stdout.contains("description-markup-41"), "{run:#?}");
    assert!(run.stdout.contains("line 4: ") && run.stdout.contains("nosuchdirective"), "{run:#?}");
    project.run(&["check", wheel, "--strict"]).assert(1, &["1 of 1 files refused"]);
    let gate = project.run(&["gate", "run", "distribution", "--json"]);
    gate.assert(0, &[]);
    assert!(gate.stdout.contains("description-markup-41"), "the gate renders too: {gate:#?}");
    project.write("README.rst", "Demo\n====\n\nFine.\n");
    project.commit("fine");
    project.run(&["build"]).assert(0, &[]);
    let run = project.run(&["check", wheel, "--strict"]);
    run.assert(0, &[]);
    assert!(!run.stdout.contains("-41"), "{run:#?}");
}

/// An interpreter of its own with some packages.
fn environment(project: &Project, name: &str, packages: &[&str]) -> String {
    let folder = project.home().join(name);
    let made =
        project.command("python3", &project.home()).args(["-m", "venv"]).arg(&folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let python = folder.join("bin/python");
    if !packages.is_empty() {
        let mut install = project.command(python.to_str().unwrap(), &project.home());
        let output = install.args(["-m", "pip", "install", "--quiet"]).args(packages).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    python.to_str().unwrap().to_owned()
}
