//! Configurations that the generated workflows are judged for, from the plainest to hostile names.

use shipway_testing::{Place, Project};

/// A configuration.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    /// The folder of the project in its repository; empty for the root.
    pub(crate) folder: &'static str,
    pub(crate) config: String,
    pub(crate) is_gitlab: bool,
}

const HEAD: &str = "[build-system]\nrequires = [\"flit_core>=3.9\"]\nbuild-backend = \"flit_core.buildapi\"\n\n\
                    [project]\nname = \"demo-pkg\"\nversion = \"1.2.3\"\ndescription = \"Demo\"\nrequires-python = \">=3.10\"\n\n";
const GATES: &str = "[[tool.shipway.gate]]\nid = \"lint\"\nrun = \"ruff check .\"\n\n\
                     [[tool.shipway.gate]]\nid = \"tests\"\nrun = \"pytest -q\"\n\n";
const BINARY: &str = "[tool.shipway.workflows.binary.linux-x86_64]\nurl = \"https://files.lab.example/shipway\"\n\
                      sha256 = \"5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9\"\n";

/// Names that would be commands, comments, keys or patterns where they are not quoted.
pub(crate) const HOSTILE: [&str; 5] = [
    "main$(touch${IFS}pwned)'\"`id`;#+!",
    "prod: \"x\" 'y' $(touch pwned) # no comment",
    "dist\": $(touch pwned) #",
    "req $(touch pwned) \"x\".txt",
    "it's a $(touch pwned) folder",
];

fn config(top: &str, workflows: &str, more: &str) -> String {
    format!("{HEAD}[tool.shipway]\n{top}\n[tool.shipway.workflows]\n{workflows}\n{BINARY}\n{more}")
}

/// Every variant.
pub(crate) fn all() -> Vec<Variant> {
    let ours = "index = \"https://packages.lab.example\"\nchannels = [\"dev\", \"staging\", \"stable\"]\n";
    let foreign = "channels = [\"dev\", \"stable\"]\n\
                   [tool.shipway.channel.dev]\nupload = \"https://devpi.lab.example/dev/\"\nsimple = \"https://devpi.lab.example/dev/+simple/\"\n\
                   [tool.shipway.channel.stable]\nupload = \"https://devpi.lab.example/stable/\"\nsimple = \"https://devpi.lab.example/stable/+simple/\"\n";
    let variant = |name, config| Variant { name, folder: "", config, is_gitlab: false };
    let [base, environment, artifact, requirements, folder] = HOSTILE;
    let toml = |text: &str| toml_edit_string(text);
    let hostile = config(
        &format!("{ours}base-branch = {}\n", toml(base)),
        &format!("environment = {}\nrequirements = {}\n", toml(environment), toml(requirements)),
        &format!("{GATES}[tool.shipway.forge]\nartifact = {}\n", toml(artifact)),
    );
    let oidc = "authentication = \"oidc\"\n";
    let gitlab = "image = \"registry.lab.example/python:3.14@sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9\"\n";
    let on_gitlab = format!("{GATES}[tool.shipway.forge]\nkind = \"gitlab\"\n");
    vec![
        variant("plain", config(ours, "", "")),
        variant("secrets", config(ours, "requirements = \"requirements-dev.txt\"\n", GATES)),
        variant(
            "oidc",
            config(
                ours,
                &format!(
                    "{oidc}gates-environment = \"gates\"\nchannel = \"staging\"\nsecrets.key = \"CI_KEY\"\n"
                ),
                &format!(
                    "{GATES}[tool.shipway.forge]\nattestations = true\npublish-workflow = \"ship.yaml\"\n"
                ),
            ),
        ),
        variant("foreign", config(foreign, "pythons = [\"3.12\"]\n", GATES)),
        variant(
            "one-url",
            config(
                "public = true\nchannels = [\"stable\"]\n",
                "gates-environment = \"gates\"\nsecrets = { upload = \"UPLOAD_URL\", simple = \"READ_URL\", key = \"CI_KEY\" }\nrequirements = \"dev.txt\"\n",
                GATES,
            ),
        ),
        variant("foreign-oidc", config(foreign, oidc, "")),
        Variant {
            name: "folder",
            folder: "packages/demo",
            config: config(ours, "", GATES),
            is_gitlab: false,
        },
        Variant { name: "hostile", folder, config: hostile, is_gitlab: false },
        Variant { name: "gitlab", folder: "", config: config(ours, gitlab, &on_gitlab), is_gitlab: true },
        Variant {
            name: "gitlab-oidc",
            folder: "packages/demo",
            config: config(ours, &format!("{gitlab}{oidc}audience = \"packages.lab.example\"\n"), &on_gitlab),
            is_gitlab: true,
        },
    ]
}

/// A TOML string of any text on one line.
fn toml_edit_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A project with a variant's configuration.
pub(crate) fn project<'p>(place: &'p Place, variant: &Variant) -> Project<'p> {
    let at = |path: &str| {
        if variant.folder.is_empty() { path.to_owned() } else { format!("{}/{path}", variant.folder) }
    };
    let files = [
        (at("pyproject.toml"), variant.config.as_str()),
        (at("demo_pkg.py"), "\"\"\"Demo.\"\"\"\n"),
        (at("CHANGELOG.md"), "# Changelog\n\n## [Unreleased]\n\n- x\n"),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    Project::from_files(place, &files)
}

/// `shipway workflows ...` in the folder of the variant.
pub(crate) fn workflows(
    project: &Project<'_>,
    variant: &Variant,
    arguments: &[&str],
) -> shipway_testing::Program {
    let program = project.shipway(["workflows"]).at(&project.directory().join(variant.folder));
    program.args(arguments)
}

/// Every generated YAML file of a project, by path.
pub(crate) fn generated(project: &Project<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in [".github/workflows", ".github/actions/shipway", ".gitlab"] {
        let Ok(entries) = std::fs::read_dir(project.directory().join(folder)) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().into_string().expect("a name");
            found.push((format!("{folder}/{name}"), std::fs::read_to_string(entry.path()).expect("a file")));
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing was generated");
    found
}
