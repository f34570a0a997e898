//! What counts as public, and through which paths.

use std::path::Path;

use shipway_pyapi::{ExtractOptions, Mode, dangling_imports, extract, script_targets};

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn paths_in(path: &Path, mode: Mode) -> Vec<String> {
    let surface = extract(path, &ExtractOptions::default()).unwrap();
    let mut paths: Vec<String> = surface.show(mode).items.into_iter().flat_map(|item| item.paths).collect();
    paths.sort();
    paths
}

fn paths(files: &[(&str, &str)]) -> Vec<String> {
    paths_in(folder(files).path(), Mode::Compat)
}

#[test]
fn all_in_its_idioms() {
    let sub = "__all__ = ['s']\ndef s(): ...\n";
    for text in [
        "__all__ = ['a', 'b']\n",
        "__all__ = ('a', 'b')\n",
        "__all__ = ['a']\n__all__ += ['b']\n",
        "__all__ = ['a']\n__all__.extend(('b',))\n",
        "__all__ = ['a']\n__all__.append('b')\n",
        "__all__ = ['a', 'b', 'c']\n__all__.remove('c')\n",
        "__all__: list[str] = ['a'] + ['b']\n",
        "__all__ = [\"a\"]\n__all__ = __all__ + [\"b\"]\n",
    ] {
        let source = format!("{text}def a(): ...\ndef b(): ...\ndef c(): ...\n");
        let found = paths_in(folder(&[("demo/__init__.py", &source)]).path(), Mode::Strict);
        assert_eq!(found, ["demo.a", "demo.b"], "{text}");
    }
    for text in [
        "from . import sub\nfrom .sub import *\n__all__ = ['a'] + sub.__all__\n",
        "from . import sub\nfrom .sub import *\n__all__ = [*sub.__all__, 'a']\n",
        "from . import sub\nfrom .sub import *\n__all__ = ['a']\n__all__ += sub.__all__\n",
        "from . import sub\nfrom .sub import *\n__all__ = ['a']\n__all__.extend(sub.__all__)\n",
    ] {
        let source = format!("{text}def a(): ...\n");
        let found =
            paths_in(folder(&[("demo/__init__.py", &source), ("demo/sub.py", sub)]).path(), Mode::Strict);
        assert_eq!(found, ["demo.a", "demo.s", "demo.sub.s"], "{text}");
    }
}

#[test]
fn one_object_is_one_item_with_all_its_paths() {
    let folder = folder(&[
        (
            "demo/__init__.py",
            "from ._impl import f as f\nfrom .api import g\nimport os\nfrom json import dumps\n",
        ),
        ("demo/_impl.py", "def f(): ...\n"),
        ("demo/api.py", "from ._impl import f as f\ndef g(): ...\n_private = 1\n"),
    ]);
    let surface = extract(folder.path(), &ExtractOptions::default()).unwrap();
    let items: Vec<Vec<String>> =
        surface.show(Mode::Compat).items.into_iter().map(|item| item.paths).collect();
    assert_eq!(items, [vec!["demo.f", "demo.api.f"], vec!["demo.g", "demo.api.g"]]);
    assert_eq!(paths_in(folder.path(), Mode::Strict), ["demo.api.f", "demo.api.g", "demo.f"]);
}

#[test]
fn what_is_private_or_never_public() {
    let found = paths(&[
        ("demo/__init__.py", "def f(): ...\ndef _g(): ...\nfrom ._vendor import x\n"),
        ("demo/_hidden.py", "def h(): ...\n"),
        ("demo/tests/__init__.py", "def t(): ...\n"),
        ("demo/__main__.py", "def m(): ...\n"),
        ("demo/_vendor/__init__.py", "x = 1\n"),
    ]);
    assert_eq!(found, ["demo.f", "demo.x"]);
}

#[test]
fn lazy_and_conditional_names() {
    let found = paths(&[(
        "demo/__init__.py",
        "import sys\n_TABLE = {'late': 'x'}\ntry:\n    from fast import a as a\nexcept ImportError:\n    def a(): ...\n\
         if sys.version_info < (3, 0):\n    def never(): ...\nelse:\n    def always(): ...\n\
         def __getattr__(name):\n    if name in _TABLE:\n        return _TABLE[name]\n    raise AttributeError(name)\n",
    )]);
    assert_eq!(found, ["demo.a", "demo.always", "demo.late"]);
}

#[test]
fn two_top_level_packages_and_stubs() {
    let folder = folder(&[
        ("one/__init__.py", "from two import f as f\n"),
        ("two/__init__.py", "def f(a, b=1): ...\n"),
        ("two/fast.pyi", "def g(a: int) -> int: ...\n"),
        ("demo-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1\n"),
    ]);
    assert_eq!(paths_in(folder.path(), Mode::Compat), ["one.f", "two.f", "two.fast.g"]);
}

#[test]
fn sources_are_found_in_the_usual_layouts() {
    let source = "def f(): ...\n";
    for files in [
        &[("src/demo/__init__.py", source), ("tests/test_demo.py", "x = 1\n"), ("setup.py", "")][..],
        &[("demo/__init__.py", source), ("docs/conf.py", "x = 1\n"), ("noxfile.py", "x = 1\n")][..],
        &[("demo.py", source), ("setup.py", "")][..],
        &[("lib/demo/__init__.py", source), ("setup.cfg", "[options]\npackage_dir =\n    =lib\n")][..],
        &[
            ("python/demo/__init__.py", source),
            ("pyproject.toml", "[tool.maturin]\npython-source = \"python\"\n"),
        ][..],
        &[
            ("code/demo/__init__.py", source),
            ("pyproject.toml", "[tool.hatch.build.targets.wheel]\npackages = [\"code/demo\"]\n"),
        ][..],
    ] {
        assert_eq!(paths(files), ["demo.f"], "{files:?}");
    }
}

#[test]
fn imports_and_commands_that_lead_nowhere() {
    let folder = folder(&[
        ("demo/__init__.py", "from . import missing\nfrom .sub import x\n"),
        (
            "demo/sub.py",
            "try:\n    from .optional import y\nexcept ImportError:\n    y = None\nx = 1\ndef main(): ...\n",
        ),
        ("demo-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1\n"),
        (
            "demo-1.dist-info/entry_points.txt",
            "[console_scripts]\ngood = demo.sub:main\nbad = demo.sub:nothing\nworse = demo.gone:main\nother = elsewhere:main\n",
        ),
    ]);
    let surface = extract(folder.path(), &ExtractOptions::default()).unwrap();
    let messages: Vec<String> = dangling_imports(&surface)
        .into_iter()
        .chain(script_targets(&surface))
        .map(|finding| finding.message)
        .collect();
    assert_eq!(
        messages,
        [
            "`demo` imports `demo.missing`, which the distribution does not hold",
            "`bad` of `console_scripts` calls `demo.sub:nothing`: `demo.sub` has no `nothing`",
            "`worse` of `console_scripts` calls `demo.gone:main`: there is no module `demo.gone`",
        ]
    );
}
