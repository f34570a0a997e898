//! Building twice, from the sdist and from the tree, with the backends of the field.

use crate::project::{PYPROJECT, Project, Run};

/// The demo project with another backend.
fn demo_with(requires: &str, backend: &str, more: &str) -> Project {
    let project = Project::demo();
    let pyproject = PYPROJECT
        .replace("requires = [\"flit_core>=3.9\"]", &format!("requires = [\"{requires}\"]"))
        .replace("build-backend = \"flit_core.buildapi\"", &format!("build-backend = \"{backend}\""));
    assert_ne!(pyproject, PYPROJECT);
    project.write("pyproject.toml", &format!("{pyproject}\n{more}"));
    project.commit("another backend");
    project
}

fn ids(run: &Run, pointer: &str) -> Vec<String> {
    let json = run.json();
    let findings = json.pointer(pointer).and_then(|found| found.as_array()).cloned().unwrap_or_default();
    findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn c3_two_builds_are_the_same_or_the_first_differing_member_is_named() {
    let mut table = Vec::new();
    for (requires, backend) in [
        ("flit_core==3.12.0", "flit_core.buildapi"),
        ("hatchling==1.27.0", "hatchling.build"),
        ("poetry-core==2.2.1", "poetry.core.masonry.api"),
        ("pdm-backend==2.4.5", "pdm.backend"),
        ("setuptools==80.9.0", "setuptools.build_meta"),
    ] {
        let project = demo_with(requires, backend, "");
        let run = project.run(&["build", "--verify", "--json"]);
        run.assert(0, &[]);
        let verified = &run.json()["verified"];
        table.push(format!("{requires}: {}", verified["reproducible"]));
        let evidence = project.statement("1.2.3", "reproducible");
        assert_eq!(evidence["predicate"]["detail"]["backend"], backend);
        if verified["reproducible"] == true {
            assert!(run.stderr.contains("reproducible: 2 files have the same bytes again"), "{run:#?}");
            continue;
        }
        let first = verified["files"]
            .as_array()
            .unwrap()
            .iter()
            .find(|file| file["same"] == false)
            .map(|file| file["differences"][0]["member"].as_str().unwrap().to_owned())
            .unwrap();
        assert!(run.stderr.contains("not reproducible: "), "{run:#?}");
        assert!(run.stderr.contains(&format!("`{first}` differs in ")), "{run:#?}");
        assert_eq!(evidence["predicate"]["result"], "WARNED");
    }
    println!("reproducible by backend: {table:#?}");
    assert!(table.iter().any(|line| line.ends_with("true")), "{table:?}");
    assert!(table.iter().any(|line| line.starts_with("setuptools") && line.ends_with("false")), "{table:?}");
}

#[test]
fn c3_normalized_headers_make_a_setuptools_sdist_reproducible() {
    let project =
        demo_with("setuptools==80.9.0", "setuptools.build_meta", "[tool.shipway.build]\nnormalize = true\n");
    let run = project.run(&["build", "--verify", "--json"]);
    run.assert(0, &["reproducible: 2 files have the same bytes again (setuptools.build_meta)"]);
    assert_eq!(run.json()["verified"]["reproducible"], true);
    assert_eq!(run.json()["manifest"]["normalized"], true, "recorded in the manifest");
    project.run(&["check", "dist"]).assert(0, &[]);
    let manifest = project.read(".shipway/manifest.json");
    let again = project.run(&["build", "--verify", "--json"]);
    again.assert(0, &["is built already", "reproducible: 2 files"]);
    assert_eq!(project.read(".shipway/manifest.json"), manifest, "a second look changes nothing");
}

#[test]
fn c8_a_wheel_from_the_sdist_that_differs_from_the_trees_is_refused() {
    let project = demo_with(
        "setuptools==80.9.0",
        "setuptools.build_meta",
        "[tool.setuptools]\npackages = [\"demo_pkg\"]\n[tool.setuptools.package-data]\ndemo_pkg = [\"*.yaml\"]\n",
    );
    project.write("demo_pkg/defaults.yaml", "a: 1\n");
    project.write("MANIFEST.in", "exclude demo_pkg/defaults.yaml\n");
    project.commit("data that the sdist leaves out");
    let run = project.run(&["build", "--verify", "--json"]);
    run.assert(
        1,
        &[
            "wheel-from-sdist: `demo_pkg-1.2.3-py3-none-any.whl`: `demo_pkg/defaults.yaml` is only in the wheel built from the tree",
            "data-missing: `demo_pkg-1.2.3-py3-none-any.whl` lacks 1 declared data files: `demo_pkg/defaults.yaml`",
        ],
    );
    let found = ids(&run, "/verified/findings");
    assert!(found.contains(&"wheel-from-sdist".to_owned()), "{found:?}");
    project.write("MANIFEST.in", "include demo_pkg/defaults.yaml\n");
    project.commit("the sdist holds it");
    let run = project.run(&["build", "--verify", "--json"]);
    run.assert(0, &[]);
    assert_eq!(ids(&run, "/verified/findings"), ["not-reproducible"]);
}

#[test]
fn c5_c6_a_release_without_its_modules_or_data_is_refused_and_nothing_is_published() {
    let project = demo_with(
        "setuptools==80.9.0",
        "setuptools.build_meta",
        "[tool.setuptools]\npackages = [\"demo_pkg\"]\n",
    );
    project.write("demo_pkg/inner/__init__.py", "\"\"\"Forgotten.\"\"\"\n");
    let pyproject = project.read("pyproject.toml");
    project.write(
        "pyproject.toml",
        &pyproject.replace(
            "stable = [\"demo_pkg.answer\"]",
            "stable = [\"demo_pkg.answer\"]\ndata = [\"demo_pkg/*.yaml\"]",
        ),
    );
    project.write("demo_pkg/defaults.yaml", "a: 1\n");
    project.commit("a package that the wheel lacks");
    project.run(&["build"]).assert(0, &[]);
    let before = project.state();
    let lacks = "module-missing: `demo_pkg-1.2.3-py3-none-any.whl` lacks 1 modules of the tree: `demo_pkg/inner/__init__.py`";
    let gate = project.run(&["gate", "run", "distribution", "--json"]);
    gate.assert(1, &[lacks, "data-missing", "build.exclude"]);
    project.run(&["publish"]).assert(1, &[lacks]);
    let status = project.run(&["status", "--json"]);
    assert_eq!(status.json()["channels"][0]["version"], serde_json::Value::Null, "{status:#?}");
    assert_eq!(project.state(), before);

    let named = pyproject.replace(
        "packages = [\"demo_pkg\"]",
        "packages = [\"demo_pkg\"]\npackage-data = {demo_pkg = [\"*.yaml\"]}",
    );
    project.write(
        "pyproject.toml",
        &format!("{named}\n[tool.shipway.build]\nexclude = [\"demo_pkg/inner/**\"]\n"),
    );
    project.commit("left out on purpose");
    project.run(&["build"]).assert(0, &[]);
    project.run(&["gate", "run", "distribution"]).assert(0, &[]);
}

#[test]
fn d14_a_copy_of_a_packaged_default_that_differs_is_refused() {
    let project = Project::demo();
    let text = PYPROJECT
        .replace("[tool.shipway.contract]", "[tool.shipway.contract]\ndata = [\"demo_pkg/config/*.yaml\"]");
    project.write("pyproject.toml", &format!("{text}\n[tool.flit.sdist]\ninclude = [\"config/\"]\n"));
    project.write("demo_pkg/config/default.yaml", "allow_writes: false\n");
    project.write("config/default.yaml", "allow_writes: true\n");
    project.commit("two defaults");
    project.run(&["build"]).assert(0, &[]);
    let gate = project.run(&["gate", "run", "distribution", "--json"]);
    gate.assert(1, &["data-copy", "demo_pkg/config/default.yaml", "config/default.yaml"]);
    project.write("config/default.yaml", "allow_writes: false\n");
    project.commit("one default twice");
    project.run(&["build"]).assert(0, &[]);
    project.run(&["gate", "run", "distribution"]).assert(0, &[]);
}

#[test]
fn e11_files_of_another_project_or_version_are_refused_however_they_are_called() {
    let project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    let dist = project.root().join("dist");
    let wheel = "demo_pkg-1.2.3-py3-none-any.whl";
    let manifest = project.read(".shipway/manifest.json");
    // The version in the filename is not the one in the metadata.
    let renamed = "demo_pkg-1.2.4-py3-none-any.whl";
    std::fs::rename(dist.join(wheel), dist.join(renamed)).unwrap();
    project.write(".shipway/manifest.json", &manifest.replace(wheel, renamed));
    project.run(&["publish"]).assert(1, &["manifest-version", "1.2.4", "1.2.3"]);
    std::fs::rename(dist.join(renamed), dist.join(wheel)).unwrap();

    // A file of another project that has the right version.
    let other = Project::with(&[
        ("pyproject.toml", &PYPROJECT.replace("demo-pkg", "other-pkg").replace("demo_pkg", "other_pkg")),
        ("README.md", "# other\n"),
        (
            "other_pkg/__init__.py",
            "\"\"\"Other.\"\"\"\n\n\ndef answer():\n    return 1\n\n\ndef main():\n    pass\n",
        ),
    ]);
    other.run(&["build"]).assert(0, &[]);
    let foreign = "other_pkg-1.2.3-py3-none-any.whl";
    std::fs::copy(other.root().join("dist").join(foreign), dist.join(foreign)).unwrap();
    std::fs::remove_file(dist.join(wheel)).unwrap();
    let digest = |text: &str, name: &str| {
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        let files = json["files"].as_array().unwrap().clone();
        let file = files.into_iter().find(|file| file["filename"] == name).unwrap();
        (file["sha256"].as_str().unwrap().to_owned(), file["size"].to_string())
    };
    let (ours, theirs) = (digest(&manifest, wheel), digest(&other.read(".shipway/manifest.json"), foreign));
    let forged = manifest
        .replace(wheel, foreign)
        .replace(&ours.0, &theirs.0)
        .replace(&format!("\"size\": {}", ours.1), &format!("\"size\": {}", theirs.1));
    project.write(".shipway/manifest.json", &forged);
    project.run(&["publish"]).assert(1, &["manifest-name", "other-pkg", "demo-pkg"]);
    let status = project.run(&["status", "--json"]).json();
    assert!(status["channels"][0]["version"].is_null(), "{status}");
}

#[test]
fn e12_nothing_lies_beside_the_files_of_the_manifest() {
    let project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    let wheel = "dist/demo_pkg-1.2.3-py3-none-any.whl";
    let bytes = std::fs::read(project.root().join(wheel)).unwrap();
    std::fs::write(project.root().join("dist/demo_pkg-1.2.3-py2-none-any.whl"), &bytes).unwrap();
    project.run(&["publish"]).assert(1, &["manifest-extra: `demo_pkg-1.2.3-py2-none-any.whl` lies beside"]);
    std::fs::remove_file(project.root().join("dist/demo_pkg-1.2.3-py2-none-any.whl")).unwrap();
    project.write("dist/nested/file.txt", "x");
    project.run(&["publish"]).assert(1, &["`nested` is a folder"]);
    project.run(&["check", "dist"]).assert(0, &["not judged: dist: `nested` is a folder"]);
    assert!(project.run(&["status", "--json"]).json()["channels"][0]["version"].is_null());
    std::fs::remove_dir_all(project.root().join("dist/nested")).unwrap();
    project.run(&["publish"]).assert(0, &[]);
}

#[test]
fn j6_a_wheel_that_imports_what_it_does_not_hold_is_refused_whatever_the_bump() {
    let project = Project::demo();
    let init = project.read("demo_pkg/__init__.py");
    project.write("demo_pkg/__init__.py", &format!("from demo_pkg import _gone\n{init}"));
    project.commit("an import of nothing");
    project.run(&["build"]).assert(0, &[]);
    let check = project.run(&["check", "dist", "--json"]);
    check.assert(1, &["1 of 2 files refused"]);
    let finding = &check.json()["files"][0]["findings"][0];
    assert!(finding["message"].as_str().unwrap().contains("_gone"), "{finding}");
    assert!(finding["why"].is_string() && finding["hint"].is_string(), "{finding}");
    project.run(&["publish"]).assert(1, &["_gone"]);
}

#[test]
fn c4_the_build_environment_is_installed_from_hashes_and_nothing_else() {
    let project = Project::demo();
    let report = project
        .command("python3", &project.root())
        .args(["-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"])
        .args(["build==1.3.0", "flit_core==3.12.0"])
        .output()
        .unwrap();
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    let lines: Vec<String> = report["install"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let (metadata, hash) =
                (&one["metadata"], &one["download_info"]["archive_info"]["hashes"]["sha256"]);
            format!(
                "{}=={} --hash=sha256:{}",
                metadata["name"].as_str().unwrap(),
                metadata["version"].as_str().unwrap(),
                hash.as_str().unwrap()
            )
        })
        .collect();
    let pyproject = project.read("pyproject.toml");
    project.write("pyproject.toml", &format!("{pyproject}\n[tool.shipway.build]\nlock = \"build.lock\"\n"));
    project.write("build.lock", &lines.join("\n"));
    project.commit("a locked build");
    let run = project.run(&["build", "--json"]);
    run.assert(0, &[]);
    assert_eq!(run.json()["manifest"]["tools"]["flit_core"], "3.12.0");
    let epoch = project.git(&["show", "--no-patch", "--format=%ct", "HEAD"]);
    assert_eq!(run.json()["manifest"]["source_date_epoch"].to_string(), epoch, "the commit's time");

    let digit = if lines[0].ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{digit}", &lines[0][..lines[0].len() - 1]);
    project.write("build.lock", &format!("{wrong}\n{}", lines[1..].join("\n")));
    project.commit("another hash");
    let manifest = project.read(".shipway/manifest.json");
    let run = project.run(&["build"]);
    assert!([Some(1), Some(3)].contains(&run.code), "{run:#?}");
    assert!(run.stderr.to_lowercase().contains("hash"), "{run:#?}");
    assert_eq!(project.read(".shipway/manifest.json"), manifest, "nothing was written");
}

#[test]
fn levels_are_set_by_id_with_a_reason() {
    let project = demo_with(
        "setuptools==80.9.0",
        "setuptools.build_meta",
        "[tool.setuptools]\npackages = [\"demo_pkg\"]\n",
    );
    project.write("demo_pkg/inner/__init__.py", "\"\"\"Forgotten.\"\"\"\n");
    let base = project.read("pyproject.toml");
    let level = |text: &str| format!("{base}\n[[tool.shipway.level]]\n{text}\n");
    project.write(
        "pyproject.toml",
        &level("id = \"module-missing\"\nlevel = \"warning\"\nreason = \"moves next week\""),
    );
    project.commit("lowered");
    project.run(&["build"]).assert(0, &[]);
    let run = project.run(&["gate", "run", "distribution", "--json"]);
    run.assert(0, &[]);
    let gate = &run.json()["gates"][0];
    assert_eq!(gate["detail"]["levels"][0]["reason"], "moves next week", "recorded with the verdict");
    assert_eq!(gate["findings"][0]["severity"], "warning");
    for (text, why) in [
        ("id = \"module-missing\"\nlevel = \"warning\"", "needs `id`, `level` and `reason`"),
        (
            "id = \"modul-missing\"\nlevel = \"warning\"\nreason = \"x\"",
            "which no check of distribution files has",
        ),
        ("id = \"module-missing\"\nlevel = \"off\"\nreason = \"x\"", "expected `error` or `warning`"),
    ] {
        project.write("pyproject.toml", &level(text));
        project.run(&["gate", "list"]).assert(2, &[why]);
    }
}
