//! The generated workflows, judged by other people's tools: zizmor, and the published schemas of both forges.

use std::collections::BTreeMap;
use std::path::PathBuf;

use shipway_testing::{Place, Program, Tools};

use crate::place;
use crate::variants::{all, generated, project, workflows};

const PERSONAS: [&str; 3] = ["regular", "pedantic", "auditor"];

fn zizmor(project: &shipway_testing::Project<'_>, persona: &str) -> Program {
    let program = Program::new(Tools::get().auditor("zizmor"), project.directory());
    program.args(["--offline", "--no-progress", "--format", "json", "--persona", persona, ".github"])
}

#[test]
fn h1_zizmor_finds_nothing_in_any_variant_with_any_persona() {
    for variant in all().into_iter().filter(|variant| !variant.is_gitlab) {
        let place = place();
        let project = project(&place, &variant);
        workflows(&project, &variant, &["generate", "--composite-action"]).must();
        for persona in PERSONAS {
            let ran = zizmor(&project, persona).run();
            let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
            assert_eq!(
                (ran.code, found.as_array().map(Vec::len)),
                (Some(0), Some(0)),
                "{} with {persona}: {} {}",
                variant.name,
                ran.stdout,
                ran.stderr
            );
        }
    }
}

#[test]
fn h1_zizmor_is_live_one_input_in_a_script_is_found() {
    let variant = all().into_iter().find(|variant| variant.name == "secrets").unwrap();
    let place = place();
    let project = project(&place, &variant);
    workflows(&project, &variant, &["generate"]).must();
    let path = ".github/workflows/publish.yml";
    let text = project.read(path);
    let seeded = text.replacen("smoke \"$VERSION\"", "smoke ${{ inputs.version }}", 1);
    assert_ne!(text, seeded);
    project.write(path, &seeded);
    let found = zizmor(&project, "regular").run();
    assert!(found.code != Some(0) && found.stdout.contains("template-injection"), "{}", found.stdout);
}

#[test]
fn the_published_schemas_hold_for_every_generated_file() {
    let places: Vec<Place> = all().iter().map(|_| place()).collect();
    let mut files: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for (variant, place) in all().iter().zip(&places) {
        let project = project(place, variant);
        let arguments: &[&str] =
            if variant.is_gitlab { &["generate"] } else { &["generate", "--composite-action"] };
        workflows(&project, variant, arguments).must();
        for (path, _) in generated(&project) {
            files.entry(schema_of(&path)).or_default().push(project.directory().join(path));
        }
    }
    assert_eq!(files.len(), 3);
    for (schema, files) in &files {
        judged(&places[0], schema, files).must();
    }
    // It is live: a job without steps is none.
    let ci = files["vendor.github-workflows"].iter().find(|path| path.ends_with("ci.yml")).unwrap();
    let text = std::fs::read_to_string(ci).unwrap();
    std::fs::write(ci, text.replacen("    steps:", "    stairs:", 1)).unwrap();
    judged(&places[0], "vendor.github-workflows", std::slice::from_ref(ci)).run().failed();
}

fn schema_of(path: &str) -> &'static str {
    match path {
        path if path.starts_with(".gitlab/") => "vendor.gitlab-ci",
        path if path.ends_with("action.yml") => "vendor.github-actions",
        _ => "vendor.github-workflows",
    }
}

/// Asks once for many files: the tool takes seconds to start.
fn judged(place: &Place, schema: &str, files: &[PathBuf]) -> Program {
    let program = place.program(Tools::get().auditor("check-jsonschema"));
    let program =
        if schema == "vendor.gitlab-ci" { program.args(["--data-transform", "gitlab-ci"]) } else { program };
    program.args(["--builtin-schema", schema]).args(files.iter().map(|path| path.as_os_str()))
}
