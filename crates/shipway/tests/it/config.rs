//! The configuration: merged once, every problem at once, every origin known.

use crate::project::{PYPROJECT, Project};

#[test]
fn every_problem_is_reported_at_once_with_suggestions() {
    let text = format!(
        "{PYPROJECT}\n[tool.shipway.version]\nscheem = \"semver\"\nscheme = \"cal\"\n\n[[tool.shipway.gate]]\nid = \"lintt\"\nrun = \"x\"\n"
    );
    let text = text.replace(
        "channels = [\"dev\", \"stable\"]",
        "channels = [\"dev\", \"files\"]\npublic = \"yes\"\nindex = \"https://user:canary@index.example/\"",
    );
    let project = Project::with(&[("pyproject.toml", &text)]);
    let run = project.run(&["config", "show"]);
    run.assert(
        2,
        &[
            "unknown key `version.scheem`",
            "did you mean `scheme`?",
            "`version.scheme` is `cal`",
            "key `public` has the wrong type",
            "`files` cannot name a channel",
            "`gate[0].id` is `lintt`",
            "`index` holds a user or password",
        ],
    );
    assert!(!run.stderr.contains("canary"));
}

#[test]
fn every_value_says_where_it_came_from() {
    let mut project = Project::demo();
    project.set("SHIPWAY_INDEX", "http://127.0.0.1:9/");
    let run = project.run(&["config", "show", "--origin", "--json"]);
    let settings = run.json()["settings"].as_array().unwrap().clone();
    let origin = |key: &str| {
        settings.iter().find(|one| one["key"] == key).unwrap()["origin"].as_str().unwrap().to_owned()
    };
    assert_eq!(origin("base-branch"), "default");
    assert_eq!(origin("channels"), "pyproject.toml");
    assert_eq!(origin("index"), "SHIPWAY_INDEX");
    assert_eq!(origin("data-dir"), "SHIPWAY_DATA_DIR");
}

#[test]
fn the_schema_in_the_documents_is_fresh() {
    let project = Project::demo();
    let run = project.run(&["config", "schema"]);
    run.assert(0, &[]);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/config.schema.json");
    if std::env::var_os("SHIPWAY_REFRESH").is_some() {
        std::fs::write(path, &run.stdout).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    assert_eq!(kept, run.stdout, "refresh with SHIPWAY_REFRESH=1 cargo test -p shipway the_schema");
}

#[test]
fn a_shipway_toml_stands_for_the_table_and_not_beside_it() {
    let pyproject = "[project]\nname = \"x\"\nversion = \"1.0.0\"\n";
    let project =
        Project::with(&[("pyproject.toml", pyproject), ("shipway.toml", "base-branch = \"trunk\"\n")]);
    project.run(&["config", "show"]).assert(0, &[]);
    assert!(project.run(&["config", "show"]).stdout.contains("base-branch = \"trunk\""));
    project.write("pyproject.toml", &format!("{pyproject}[tool.shipway]\npublic = false\n"));
    project.run(&["config", "show"]).assert(2, &["both `shipway.toml` and `[tool.shipway]` exist"]);
}

#[test]
fn a_tag_template_that_cannot_name_tags_is_refused_at_once() {
    for tag in ["a b{version}", "v", "{version}..", "-{version}", "{version}.lock"] {
        let text = PYPROJECT.replace("[tool.shipway]\n", &format!("[tool.shipway]\ntag = \"{tag}\"\n"));
        let project = Project::with(&[("pyproject.toml", &text)]);
        project.run(&["bump", "patch", "--dry-run"]).assert(2, &[&format!("`tag` is `{tag}`")]);
    }
}
