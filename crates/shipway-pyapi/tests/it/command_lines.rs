//! Command lines read from sources, and what is said where they cannot be.

use shipway_pyapi::cli::{self, CommandLine, Preset, Reading};
use shipway_pyapi::{DiffOptions, ExtractOptions, Level, Mode, Surface, diff, extract};

fn surface(files: &[(&str, &str)], target: &str) -> Surface {
    let folder = tempfile::tempdir().unwrap();
    let scripts = format!("[console_scripts]\ndemo = {target}\n");
    let metadata = ("demo-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n");
    let entry_points = ("demo-1.dist-info/entry_points.txt", scripts.as_str());
    for (path, text) in files.iter().chain([&metadata, &entry_points, &("demo/__init__.py", "")]) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    extract(folder.path(), &ExtractOptions::default()).unwrap()
}

fn read(source: &str) -> Reading {
    cli::read(&surface(&[("demo/_cli.py", source)], "demo._cli:main"), &[])
}

fn line(source: &str) -> CommandLine {
    let reading = read(source);
    assert!(reading.unread.is_empty(), "{:?}", reading.unread);
    reading.commands.into_iter().next().unwrap()
}

fn flags(line: &CommandLine) -> Vec<&str> {
    line.tree.options.iter().map(|option| option.name()).collect()
}

const PARSER: &str = "import argparse\ndef main():\n    p = argparse.ArgumentParser(add_help=False)\n";

#[test]
fn j10_helpers_loops_and_parents_of_argparse_are_followed() {
    let source = "import argparse\nfrom demo._common import add\n\ndef main():\n    base = argparse.ArgumentParser(add_help=False)\n    base.add_argument('--quiet', action='store_true')\n    p = argparse.ArgumentParser(parents=[base], add_help=False)\n    add(p)\n    g = p.add_mutually_exclusive_group(required=True)\n    for name in ('a', 'b'):\n        g.add_argument(f'--{name}')\n    p.set_defaults(level=3)\n    p.parse_args()\n";
    let common =
        "DEFAULT = 2 * 21\ndef add(parser):\n    parser.add_argument('--level', type=int, default=DEFAULT)\n";
    let surface = surface(&[("demo/_cli.py", source), ("demo/_common.py", common)], "demo._cli:main");
    let reading = cli::read(&surface, &["demo"]);
    let line = &reading.commands[0];
    assert!(line.is_complete(), "{:?}", line.tree.partial);
    assert_eq!(flags(line), ["--quiet", "--level", "--a", "--b"]);
    assert_eq!(line.tree.options[1].default, Preset::Known("3".to_owned()));
    assert_eq!(cli::read_in_both(&reading, &reading), ["demo"]);
}

#[test]
fn j11_what_cannot_be_read_is_said() {
    for (piece, why) in [
        (
            "    import os\n    if os.environ.get('X'):\n        p.add_argument('--x')\n",
            "depends on `os.environ.get('X')`",
        ),
        ("    from elsewhere import fill\n    fill(p)\n", "handed to `elsewhere.fill`"),
        (
            "    names = {}\n    names[unknown()] = p.add_argument_group('g')\n    names[other()].add_argument('--x')\n",
            "names[other()]",
        ),
        ("    p.add_argument('--x', choices=unknown())\n", "the choices of `--x`"),
    ] {
        let line = line(&format!("{PARSER}{piece}    p.parse_args()\n"));
        assert!(!line.is_complete());
        assert!(line.tree.partial.iter().any(|one| one.contains(why)), "{why}: {:?}", line.tree.partial);
        assert!(cli::read_in_both(&Reading::default(), &Reading::default()).is_empty());
    }
    let unread = read("import optparse\ndef main():\n    optparse.OptionParser().parse_args()\n").unread;
    assert!(unread[0].why.contains("`optparse`"), "{unread:?}");
    let names = cli::read(&surface(&[("demo/_cli.py", "")], "demo._cli:main"), &["other"]).unread;
    assert_eq!(names[0].script, "other");
}

#[test]
fn j10_composed_decorators_of_click_are_followed() {
    let source = "import functools\nimport click\n\nOPTIONS = [click.option('--a'), click.option('--b', envvar='B')]\n\ndef common(f):\n    for option in reversed(OPTIONS):\n        f = option(f)\n    return f\n\ndef traced(f):\n    @functools.wraps(f)\n    def wrapper(*args, **kwargs):\n        return f(*args, **kwargs)\n    return wrapper\n\n@click.command(context_settings={'help_option_names': ['-h', '--help']})\n@common\n@traced\n@click.argument('names', nargs=-1)\ndef main(a, b, names):\n    pass\n";
    let line = line(source);
    assert!(line.is_complete(), "{:?}", line.tree.partial);
    assert_eq!(flags(&line), ["--a", "--b", "--help"]);
    assert_eq!(line.tree.positionals[0].name, "names");
    assert!(!line.tree.positionals[0].required);
}

#[test]
fn j10_endless_code_ends() {
    let endless = "import argparse\ndef f(n):\n    return g(n) + g(n)\ndef g(n):\n    return f(n) + f(n)\ndef main():\n    f(1)\n    while True:\n        for a in range(900):\n            for b in range(900):\n                f(a)\n    argparse.ArgumentParser().parse_args()\n";
    let reading = read(endless);
    assert_eq!(reading.commands.len() + reading.unread.len(), 1);
    let deep = format!("{PARSER}    x = {}1{}\n    p.parse_args()\n", "(".repeat(500), ")".repeat(500));
    assert_eq!(line(&deep).tree.options.len(), 0);
}

#[test]
fn j10_a_removed_option_needs_a_major_unless_the_contract_is_silent() {
    let of = |piece: &str| {
        surface(&[("demo/_cli.py", &format!("{PARSER}{piece}    p.parse_args()\n"))], "demo._cli:main")
    };
    let (old, new) = (of("    p.add_argument('--x')\n"), of(""));
    let level = |options: &DiffOptions| {
        let difference = diff(&old, &new, options);
        difference.findings.iter().find(|finding| finding.id == "G02").map(|finding| finding.level)
    };
    assert_eq!(level(&DiffOptions::default()), Some(Level::Major));
    let contract = |names: &[&str]| DiffOptions {
        mode: Mode::Contract,
        commands: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DiffOptions::default()
    };
    assert_eq!(level(&contract(&["demo"])), Some(Level::Major));
    assert_eq!(level(&contract(&["other"])), Some(Level::Warn));
    assert_eq!(cli::diff(&old, &new, &DiffOptions::default()).len(), 1);
}
