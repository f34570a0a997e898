//! Further cases of rules whose fixture shows another: what fires, and what comes near and does not.

use std::path::Path;

use shipway_pyapi::{ApiDiff, DiffOptions, ExtractOptions, Level, diff, extract_pair};

type Files<'f> = &'f [(&'f str, &'f str)];

fn write(root: &Path, files: Files<'_>) {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn compare(old: Files<'_>, new: Files<'_>) -> ApiDiff {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("old"), folder.path().join("new"));
    write(&a, old);
    write(&b, new);
    let (old, new) = extract_pair(&a, &b, &ExtractOptions::default()).unwrap();
    diff(&old, &new, &DiffOptions::default())
}

/// What is said at a level that counts: rule, level and detail.
fn said(old: Files<'_>, new: Files<'_>) -> Vec<String> {
    let diff = compare(old, new);
    let heard = diff.findings.iter().filter(|finding| finding.level >= Level::Warn);
    heard.map(|finding| format!("{} {}: {}", finding.id, finding.level.as_str(), finding.detail)).collect()
}

fn modules(old: &str, new: &str) -> Vec<String> {
    said(&[("demo/__init__.py", old)], &[("demo/__init__.py", new)])
}

fn wheel(tag: &str) -> Vec<String> {
    let tags = |tag: &str| format!("Wheel-Version: 1.0\nTag: {tag}\n");
    let metadata = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n";
    let (old, new) = tag.split_once(' ').unwrap();
    let files = |text: &str| -> Vec<(&'static str, String)> {
        vec![
            ("demo/__init__.py", String::new()),
            ("demo-1.0.dist-info/METADATA", metadata.to_owned()),
            ("demo-1.0.dist-info/WHEEL", text.to_owned()),
        ]
    };
    let (old, new) = (files(&tags(old)), files(&tags(new)));
    let borrow = |files: &[(&'static str, String)]| -> Vec<(&'static str, String)> { files.to_vec() };
    let (old, new) = (borrow(&old), borrow(&new));
    let old: Vec<(&str, &str)> = old.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let new: Vec<(&str, &str)> = new.iter().map(|(path, text)| (*path, text.as_str())).collect();
    said(&old, &new)
}

const NOTHING: [&str; 0] = [];

#[test]
fn e17_read_only_and_closed_dictionaries() {
    let head = "from typing import TypedDict, ReadOnly, NotRequired\n";
    let plain = format!("{head}class D(TypedDict):\n    a: int\n");
    let read_only = format!("{head}class D(TypedDict):\n    a: ReadOnly[int]\n");
    let closed = format!("{head}class D(TypedDict, closed=True):\n    a: int\n");
    assert_eq!(modules(&plain, &read_only), ["E17 major: key `a` can no longer be set"]);
    assert_eq!(modules(&read_only, &plain), NOTHING);
    assert_eq!(modules(&plain, &closed), ["E17 major: takes no other keys any more"]);
    assert_eq!(modules(&closed, &plain), NOTHING);
    let nested = format!("{head}class D(TypedDict):\n    a: ReadOnly[NotRequired[int]]\n");
    let swapped = format!("{head}class D(TypedDict):\n    a: NotRequired[ReadOnly[int]]\n");
    assert_eq!(modules(&nested, &swapped), NOTHING);
}

#[test]
fn e22_models_that_refuse_more() {
    let head = "from pydantic import BaseModel, ConfigDict, Field\nclass M(BaseModel):\n";
    let plain = format!("{head}    a: int\n");
    let config = format!("{head}    model_config = ConfigDict(extra=\"forbid\")\n    a: int\n");
    let allow = format!("{head}    model_config = ConfigDict(extra=\"allow\")\n    a: int\n");
    assert_eq!(modules(&plain, &config), ["E22 warn: unknown keys are refused now"]);
    assert_eq!(modules(&plain, &allow), NOTHING);
    assert_eq!(modules(&config, &plain), NOTHING);
    let legacy = format!("{head}    a: int\n    class Config:\n        extra = \"forbid\"\n");
    assert!(modules(&plain, &legacy).contains(&"E22 warn: unknown keys are refused now".to_owned()));
    let bound = |text: &str| format!("{head}    a: int = Field({text})\n");
    assert_eq!(modules(&bound("le=10"), &bound("le=5")), ["E22 warn: `le` of field `a` was 10, is 5"]);
    assert_eq!(modules(&bound("le=5"), &bound("le=10")), NOTHING);
    assert_eq!(
        modules(&bound("le=5"), &bound("le=5, gt=0")),
        ["E22 warn: `gt` of field `a` was nothing, is 0"]
    );
    assert_eq!(modules(&bound("le=5"), &bound("le=5, description='x'")), NOTHING);
}

#[test]
fn d28_order_and_bounds_of_type_parameters() {
    let generic = |names: &str| {
        format!(
            "from typing import Generic, TypeVar\nK = TypeVar('K')\nV = TypeVar('V')\nclass C(Generic[{names}]):\n    pass\n"
        )
    };
    let swapped = ["D28 major: took type arguments [K, V], takes [V, K]"];
    assert_eq!(modules(&generic("K, V"), &generic("V, K")), swapped);
    assert_eq!(modules(&generic("K, V"), &generic("K, V")), NOTHING);
    let modern = |names: &str| format!("class C[{names}]:\n    pass\n");
    assert_eq!(modules(&modern("T"), &modern("T: int")), ["D28 major: bound of `T` was nothing, is int"]);
    assert_eq!(modules(&modern("T: int"), &modern("T")), NOTHING);
    assert_eq!(modules(&modern("T: int"), &modern("U: int")), NOTHING);
}

#[test]
fn a19_wheels_that_fit_fewer_machines() {
    let raised = ["A19 minor: wheel needs glibc on x86_64 2.28, it was 2.17"];
    assert_eq!(wheel("cp311-cp311-manylinux2014_x86_64 cp311-cp311-manylinux_2_28_x86_64"), raised);
    assert_eq!(wheel("cp311-cp311-manylinux_2_28_x86_64 cp311-cp311-manylinux2014_x86_64"), NOTHING);
    let python = ["A19 minor: wheel needs CPython 3.11, it was 3.8"];
    assert_eq!(wheel("cp38-abi3-macosx_11_0_arm64 cp311-abi3-macosx_11_0_arm64"), python);
    assert_eq!(wheel("cp311-cp311-manylinux2014_x86_64 cp311-cp311-manylinux2014_aarch64"), NOTHING);
}

#[test]
fn a16_a_file_that_the_package_still_opens_is_wrong_in_any_release() {
    let code = "import importlib.resources\nDATA = importlib.resources.files('demo') / 'data' / 'x.json'\n";
    let with: [(&str, &str); 2] = [("demo/__init__.py", code), ("demo/data/x.json", "{}")];
    let error = ["A16 error: file `demo/data/x.json` is gone, and the package still opens it"];
    assert_eq!(said(&with, &with[..1]), error);
    // A name in passing is not an open.
    let other = "NAME = 'x.json'\n";
    let found = said(&[("demo/__init__.py", other), with[1]], &[("demo/__init__.py", other)]);
    assert_eq!(found, ["A16 minor: file `demo/data/x.json` is gone"]);
}

#[test]
fn parameters_of_commands_are_options() {
    let code = |head: &str, parameter: &str| format!("{head}\ndef f({parameter}):\n    pass\n");
    let click = "import click\n@click.command()\n@click.option('--colour')";
    assert_eq!(modules(&code(click, "colour"), &code(click, "color")), NOTHING);
    let grouped = "import click\n@click.group()\ndef main(): ...\n@main.command()";
    assert_eq!(modules(&code(grouped, "colour"), &code(grouped, "color")), NOTHING);
    // typer leaves the function as it is.
    let typer = "import typer\napp = typer.Typer()\n@app.command()";
    let renamed = ["C06 major: parameter `colour` is now called `color`"];
    assert_eq!(modules(&code(typer, "colour"), &code(typer, "color")), renamed);
}

#[test]
fn f20_categories_of_warnings() {
    let code = |category: &str| {
        format!("import warnings\ndef f():\n    if True:\n        warnings.warn('x', {category})\n")
    };
    let changed = ["F20 warn: warned with UserWarning, warns with RuntimeWarning"];
    assert_eq!(modules(&code("UserWarning"), &code("RuntimeWarning")), changed);
    assert_eq!(modules(&code("UserWarning"), &code("UserWarning, stacklevel=2")), NOTHING);
}

#[test]
fn a_package_called_test_is_an_api_when_it_says_so() {
    let suite: Files<'_> = &[
        ("demo/__init__.py", ""),
        ("demo/test/__init__.py", "__all__ = ['f']\n"),
        ("demo/test/test_f.py", "def f(): ...\n"),
    ];
    assert_eq!(said(suite, &suite[..1]), NOTHING);
    let api: Files<'_> = &[
        ("demo/__init__.py", ""),
        ("demo/test/__init__.py", "from demo.test.client import Client\n__all__ = ['Client']\n"),
        ("demo/test/client.py", "class Client:\n    def get(self): ...\n"),
    ];
    let other: Files<'_> = &[api[0], api[1], ("demo/test/client.py", "class Client: ...\n")];
    assert_eq!(said(api, other), ["D10 major: method `get` is gone"]);
    let empty: Files<'_> = &[api[0], ("demo/test/__init__.py", ""), api[2]];
    assert_eq!(said(empty, &empty[..1]), NOTHING);
}

#[test]
fn a_name_that_a_class_binds_below_is_the_modules_above() {
    let text = |below: &str| {
        let above =
            "class Queues:\n    def __init__(self, size=1): ...\nclass App:\n    queues_cls = Queues\n";
        format!("{above}{below}    def run(self): ...\n")
    };
    let method = text("    def Queues(self): ...\n");
    let diff = compare(&[("demo/__init__.py", &method)], &[("demo/__init__.py", &text(""))]);
    let heard = diff.findings.iter().filter(|finding| finding.level >= Level::Warn);
    let symbols: Vec<&str> = heard.map(|finding| finding.symbol.as_str()).collect();
    assert_eq!(symbols, ["demo.App.Queues"], "{:#?}", diff.findings);
}
