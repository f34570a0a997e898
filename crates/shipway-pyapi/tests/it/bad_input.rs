//! No input makes the extraction panic, hang or abort; what cannot be read is named.

use std::path::Path;

use shipway_pyapi::{
    DiffOptions, ExtractOptions, PyApiError, check_projects, diff, diff_of_one_project, extract,
};

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn show(folder: &Path) -> serde_json::Value {
    serde_json::to_value(extract(folder, &ExtractOptions::default()).unwrap()).unwrap()
}

#[test]
fn what_is_no_distribution_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo-1.0-py3-none-any.whl");
    let options = ExtractOptions::default();
    assert!(matches!(extract(&path, &options), Err(PyApiError::Read { .. })));
    std::fs::write(&path, b"not a zip").unwrap();
    assert!(matches!(extract(&path, &options), Err(PyApiError::NotADistribution { .. })));
    let other = folder.path().join("demo.rpm");
    std::fs::write(&other, b"x").unwrap();
    assert!(matches!(extract(&other, &options), Err(PyApiError::NotADistribution { .. })));
    let sdist = folder.path().join("demo-1.0.tar.gz");
    std::fs::write(&sdist, b"\x1f\x8b garbage").unwrap();
    assert!(matches!(extract(&sdist, &options), Err(PyApiError::NotADistribution { .. })));
    let data = folder.path().join("data-1.0-py3-none-any.whl");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&data).unwrap());
    archive.start_file("data-1.0.dist-info/METADATA", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut archive, b"Metadata-Version: 2.1\nName: data\nVersion: 1.0\n").unwrap();
    archive.finish().unwrap();
    assert!(matches!(extract(&data, &options), Err(PyApiError::NoModules { .. })));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(extract(empty.path(), &options), Err(PyApiError::NoModules { .. })));
}

#[test]
fn one_broken_module_spares_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "demo/__init__.py", "def f(): ...\n");
    write(folder.path(), "demo/old.py", "print 'python 2'\n");
    write(folder.path(), "demo/cut.py", "def f(:\n");
    write(folder.path(), "demo/newer.py", "lazily def f(a) given a > 0:\n    pass\n");
    std::fs::write(folder.path().join("demo/binary.py"), [0xff, 0xfe, 0x00, 0xd8]).unwrap();
    let shown = show(folder.path());
    assert_eq!(shown["items"][0]["symbol"], "demo.f");
    assert_eq!(shown["not_checked"].as_array().unwrap().len(), 4, "{}", shown["not_checked"]);
    let surface = extract(folder.path(), &ExtractOptions::default()).unwrap();
    let other = tempfile::tempdir().unwrap();
    write(other.path(), "demo/__init__.py", "def f(): ...\n");
    for name in ["old", "cut", "newer", "binary"] {
        write(other.path(), &format!("demo/{name}.py"), "def was_here(): ...\n");
    }
    let before = extract(other.path(), &ExtractOptions::default()).unwrap();
    let difference = diff(&before, &surface, &DiffOptions::default());
    assert!(difference.findings.is_empty(), "{:?}", difference.findings);
}

#[test]
fn cycles_come_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "demo/__init__.py",
        "from .a import *\nfrom .a import x as x\n__all__ = a.__all__\nfrom . import a\n",
    );
    write(
        folder.path(),
        "demo/a.py",
        "from .b import *\nfrom .b import x as x\nfrom . import b\n__all__ = b.__all__ + ['x']\n",
    );
    write(
        folder.path(),
        "demo/b.py",
        "from .a import *\nfrom .a import x as x\nfrom . import a\n__all__ = [*a.__all__]\n\
         class A(B): ...\nclass B(A): ...\nclass C(C): ...\nX = Y\nY = X\nT = list[T]\ndef f(a: T) -> T: ...\n",
    );
    let surface = extract(folder.path(), &ExtractOptions::default()).unwrap();
    let difference = diff(&surface, &surface, &DiffOptions::default());
    assert!(difference.findings.is_empty(), "{:?}", difference.findings);
}

#[test]
fn deep_long_and_large_sources() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "demo/__init__.py", "");
    write(folder.path(), "demo/parens.py", &format!("x = {}1{}\n", "(".repeat(5000), ")".repeat(5000)));
    write(folder.path(), "demo/unary.py", &format!("x = {}1\n", "-".repeat(30_000)));
    write(folder.path(), "demo/chain.py", &format!("x = a{}\n", ".b".repeat(15_000)));
    write(folder.path(), "demo/sum.py", &format!("x: {} = 1\n", vec!["a"; 8000].join(" | ")));
    write(folder.path(), "demo/deep.py", &format!("x = {}", "[".repeat(500_000)));
    write(
        folder.path(),
        "demo/literal.py",
        &format!("X = '{}'\nY = [{}]\n", "a".repeat(3_000_000), "1, ".repeat(200_000)),
    );
    let long: String =
        (0..12_500).map(|n| format!("def f{n}(a, b={n}):\n    x = {n}\n    return x\n\n")).collect();
    write(folder.path(), "demo/long.py", &long);
    let nested: String = (0..90).map(|n| format!("{}class C{n}:\n", " ".repeat(n))).collect::<String>()
        + &" ".repeat(90)
        + "pass\n";
    write(folder.path(), "demo/nested.py", &nested);
    let branches: String = (0..90).map(|n| format!("{}if x{n}:\n", " ".repeat(n))).collect::<String>()
        + &" ".repeat(90)
        + "y = 1\n";
    write(folder.path(), "demo/branches.py", &branches);
    let quoted = format!("def f(a: {}'int'{}): ...\n", "\"list[", "]\"");
    write(folder.path(), "demo/quoted.py", &quoted);
    let surface = extract(folder.path(), &ExtractOptions::default()).unwrap();
    let difference = diff(&surface, &surface, &DiffOptions::default());
    assert!(difference.findings.is_empty());
    assert!(difference.not_checked.iter().any(|skipped| skipped.symbol == "demo.deep"));
}

#[test]
fn different_projects_are_told_apart() {
    let options = ExtractOptions::default();
    let make = |name: &str| {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "demo/__init__.py", "");
        write(
            folder.path(),
            "demo-1.dist-info/METADATA",
            &format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"),
        );
        extract(folder.path(), &options).unwrap()
    };
    let (a, b, c) = (make("Some.Demo"), make("other"), make("some-demo"));
    assert!(matches!(check_projects(&a, &b), Err(PyApiError::DifferentProjects { .. })));
    assert!(check_projects(&a, &c).is_ok());
    let refused = diff_of_one_project(&a, &b, &DiffOptions::default());
    assert!(matches!(refused, Err(PyApiError::DifferentProjects { .. })));
    let forced = DiffOptions { force: true, ..DiffOptions::default() };
    assert!(diff_of_one_project(&a, &b, &forced).is_ok());
    assert!(diff_of_one_project(&a, &c, &DiffOptions::default()).is_ok());
}
