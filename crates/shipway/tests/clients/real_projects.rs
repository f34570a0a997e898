//! Projects that real maintainers made, released as they are: unpacked, prepared, bumped, promoted, installed.

use shipway_testing::{Place, Project, Server, Tools};

use crate::place;

/// A project of the registry and what shipway must find in it.
struct Real {
    /// The project.
    name: &'static str,
    /// Its version there.
    version: &'static str,
    /// The version that a patch release makes of it.
    next: &'static str,
    /// The file in which the version stands.
    place: &'static str,
    /// The build backend.
    backend: &'static str,
    /// Other files that the release commit changes.
    also: &'static [&'static str],
}

#[test]
fn real_projects_from_the_registry_setuptools_static() {
    release(&Real {
        name: "xmltodict",
        version: "1.0.2",
        next: "1.0.3",
        place: "pyproject.toml",
        backend: "setuptools.build_meta",
        also: &[],
    });
}

#[test]
fn real_projects_from_the_registry_setuptools_dynamic_attribute_in_setup_cfg() {
    release(&Real {
        name: "cachetools",
        version: "6.0.0",
        next: "6.0.1",
        place: "src/cachetools/__init__.py",
        backend: "setuptools.build_meta",
        also: &[],
    });
}

#[test]
fn real_projects_from_the_registry_hatchling_dynamic_path() {
    release(&Real {
        name: "sqlparse",
        version: "0.5.3",
        next: "0.5.4",
        place: "sqlparse/__init__.py",
        backend: "hatchling.build",
        also: &[],
    });
}

#[test]
fn real_projects_from_the_registry_hatchling_with_uv_lock_and_dependency() {
    release(&Real {
        name: "typing-inspection",
        version: "0.4.1",
        next: "0.4.2",
        place: "pyproject.toml",
        backend: "hatchling.build",
        also: &["uv.lock"],
    });
}

#[test]
fn real_projects_from_the_registry_flit_dynamic_module() {
    release(&Real {
        name: "packaging",
        version: "25.0",
        next: "25.0.1",
        place: "src/packaging/__init__.py",
        backend: "flit_core.buildapi",
        also: &[],
    });
}

#[test]
fn real_projects_from_the_registry_flit_dynamic_module_that_imports_its_version() {
    release(&Real {
        name: "idna",
        version: "3.10",
        next: "3.10.1",
        place: "idna/package_data.py",
        backend: "flit_core.buildapi",
        also: &[],
    });
}

#[test]
fn real_projects_from_the_registry_flit_static_with_a_comment_beside() {
    release(&Real {
        name: "tomli",
        version: "2.2.1",
        next: "2.2.2",
        place: "pyproject.toml",
        backend: "flit_core.buildapi",
        also: &[],
    });
}

#[test]
fn real_projects_from_the_registry_poetry_static() {
    release(&Real {
        name: "tomlkit",
        version: "0.13.2",
        next: "0.13.3",
        place: "pyproject.toml",
        backend: "poetry.core.masonry.api",
        also: &[],
    });
}

/// The whole way of one project, from its sdist to an installation by URL.
fn release(real: &Real) {
    let (tools, place) = (Tools::get(), place());
    let requirement = format!("{}=={}", real.name, real.version);
    let source = tools.source_of(&requirement, &place.program(tools.client("pip")));
    let project = Project::from_tree(&place, &source);
    let before = project.read(real.place);
    let pyproject = project.read("pyproject.toml");

    let init = project.shipway(["init", "--json"]).must().json();
    assert_eq!((&init["project"], &init["backend"]), (&real.name.into(), &real.backend.into()));
    assert!(init["version_place"].as_str().is_some_and(|found| found.starts_with(real.place)), "{init}");
    let prepared = project.read("pyproject.toml");
    assert!(prepared.starts_with(&pyproject), "`init` only adds to pyproject.toml:\n{prepared}");
    project.commit_and_push("build: release with shipway");

    project.shipway(["release", "patch"]).must();
    let expected = if real.place == "pyproject.toml" { prepared.clone() } else { before };
    assert_eq!(
        project.read(real.place),
        expected.replacen(real.version, real.next, 1),
        "one version, no more"
    );
    if real.place != "pyproject.toml" {
        assert_eq!(project.read("pyproject.toml"), prepared, "no byte of pyproject.toml moved");
    }
    assert_release_commit(&project, real);
    assert_in_stable(&project, real);
    let refs = project.state();
    project.shipway(["release", "patch"]).must().says("nothing new since");
    assert_eq!(project.state(), refs, "nothing new changes nothing");
    assert_installs(&place, &project, real);
}

fn assert_release_commit(project: &Project<'_>, real: &Real) {
    let subject = project.git(["log", "-1", "--format=%s", "main"]).must().stdout;
    assert_eq!(subject.trim(), format!("chore(release): v{}", real.next));
    let shown = project.git(["show", "--name-only", "--format=", "main"]).must().stdout;
    let mut changed: Vec<&str> = shown.lines().filter(|name| !name.starts_with("CHANGELOG")).collect();
    let mut expected = vec![real.place];
    expected.extend(real.also);
    changed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(changed, expected, "the release commit holds the version files and nothing else");
    for lock in real.also {
        let diff = project.git(["diff", "--numstat", "main~1", "main", "--", lock]).must().stdout;
        assert!(diff.starts_with("1\t1\t"), "one line of `{lock}` moved: {diff}");
    }
    let here = project.git(["rev-parse", "main"]).must().stdout;
    let there = project.git(["ls-remote", "origin", "main"]).must().stdout;
    assert!(there.starts_with(here.trim()), "the base is pushed");
    let tag = project.git(["ls-remote", "origin"]).arg(format!("refs/tags/v{}^{{}}", real.next)).must();
    assert!(tag.stdout.starts_with(here.trim()), "an annotated tag stands at the release commit");
}

fn assert_in_stable(project: &Project<'_>, real: &Real) {
    let status = project.shipway(["status", "--json"]).must().json();
    let channels = status["channels"].as_array().expect("channels");
    let stable = channels.iter().find(|channel| channel["name"] == "stable").expect("stable");
    assert_eq!(stable["version"], real.next);
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let files = stable["files"].as_array().expect("files").iter();
    let mut files: Vec<_> = files.map(|file| (text(&file["filename"]), text(&file["sha256"]))).collect();
    files.sort();
    assert_eq!(files, project.manifest(), "stable holds the bytes of the manifest");
}

/// pip and uv, unmodified, with a URL and nothing else.
fn assert_installs(place: &Place, project: &Project<'_>, real: &Real) {
    let tools = Tools::get();
    let server = Server::start(place, &place.data(), []);
    let simple = server.simple("stable");
    let manifest = project.manifest();
    let pinned = format!("{}=={}", real.name, real.next);
    let file = |ending: &str| manifest.iter().find(|(name, _)| name.ends_with(ending)).expect("a file");
    let folder = place.folder("downloaded");
    let pip = place.program(tools.client("pip")).args(["download", "--quiet", "--no-deps", "--no-cache-dir"]);
    pip.args(["--index-url", &simple, "--dest"]).arg(&folder).arg(&pinned).must();
    let (wheel, expected) = file(".whl");
    let (found, _) = shipway_dist::Sha256::of_file(&folder.join(wheel)).expect("the wheel");
    assert_eq!(&found.to_hex(), expected, "{wheel}");
    // pip would build the sdist to know its metadata; what the page links is what it would take.
    let (sdist, expected) = file(".tar.gz");
    let page = shipway_testing::get(&format!("{simple}{}/", real.name)).text();
    let link = page.split('"').find(|part| part.contains(&format!("/{sdist}"))).expect("the sdist's link");
    let link = link.split('#').next().unwrap_or_default();
    let url = format!("{}/{}", server.url(), link.trim_start_matches("../").trim_start_matches('/'));
    assert_eq!(&shipway_dist::Sha256::of(&shipway_testing::get(&url).body).to_hex(), expected, "{sdist}");
    let venv = place.path("installed");
    let uv = place.program(tools.client("uv")).env("UV_CACHE_DIR", place.path("uv-cache"));
    uv.clone().args(["venv", "--quiet"]).arg(&venv).must();
    uv.clone()
        .args(["pip", "install", "--no-deps", "--default-index", &simple, "--python"])
        .arg(&venv)
        .arg(&pinned)
        .must()
        .says(&format!("+ {pinned}"));
    server.end();
}
