"""Writes what benches/index.py measured: the table in docs/benchmarks.md, and the plots in docs/plots/.

    python3 benches/index_report.py RESULTS.json

The plots need matplotlib; benches/index.py runs this program with the one it installed.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What stands around the table of each database.
MARKS = {
    "SQLite": ("<!-- index: begin -->", "<!-- index: end -->"),
    "PostgreSQL": ("<!-- index over PostgreSQL: begin -->", "<!-- index over PostgreSQL: end -->"),
}


def table(results):
    begin, end = MARKS[results["database"]]
    lines = [
        begin,
        "",
        f"Measured by `{results['command']}` on {results['machine']}.",
        f"Versions: {', '.join(results['versions'])}. Database: {results['database']}.",
        f"Load of the machine from other work while it ran: {results['load']}.",
        "",
        "| what | shipway | beside | ratio | bar | holds |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        holds = {True: "yes", False: "**no**", None: ""}[row["holds"]]
        lines.append(f"| {row['what']} | {row['own']} | {row['peer']} | {row['ratio']} | {row['bar']} | {holds} |")
    plots = [f"![{title}](plots/{name}.svg)" for name, title in TITLES.items() if name in results["plots"]]
    return "\n".join([*lines, "", *plots, *([""] if plots else []), end])


def write_table(results):
    path = ROOT / "docs/benchmarks.md"
    text = path.read_text()
    begin, end = MARKS[results["database"]]
    if begin not in text:
        text = text.rstrip("\n") + f"\n\n## The index over {results['database']}\n\n{begin}\n{end}\n"
    before, rest = text.split(begin, 1)
    _, after = rest.split(end, 1)
    path.write_text(before + table(results) + after)


TITLES = {
    "index-projects": "Cost and the number of projects",
    "index-files": "Cost and the number of files of a project",
    "index-clients": "Cost and the number of clients",
}


def draw(name, data, folder):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "shipway", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.8))
    for label, points in data["lines"].items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", markersize=3, label=label)
    axes.set(xlabel=data["x"], ylabel=data["y"], title=TITLES[name], xscale="log", yscale="log")
    axes.grid(True, which="major", linewidth=0.3)
    axes.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def main():
    results = json.loads(pathlib.Path(sys.argv[1]).read_text())
    folder = ROOT / "docs/plots"
    folder.mkdir(exist_ok=True)
    for name, data in results["plots"].items():
        draw(name, data, folder)
    write_table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
