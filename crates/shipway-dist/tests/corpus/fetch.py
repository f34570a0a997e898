"""Fetches the files of the corpus, through pip's own session, as this machine has pip configured.

Usage: python3 fetch.py FOLDER all|pinned

`pinned` fetches the files of `pinned.txt`, each with the sha256 that stands there; `all` also the newest
files of each project in `projects.txt`. What is in FOLDER already is not fetched again; the newest are
looked up again after a week, or when FOLDER/newest.json is removed. Nothing is built or run.
Prints the paths of the files, one a line.
"""

import fcntl
import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WEEK = 7 * 24 * 3600
# Larger ones say no more and take too long to fetch.
LARGEST = 80_000_000

KINDS = {
    "sdist": lambda name: name.endswith(".tar.gz"),
    "pure": lambda name: name.endswith("-none-any.whl"),
    "manylinux": lambda name: "-manylinux" in name and "x86_64" in name,
    "musllinux": lambda name: "-musllinux" in name,
    "macosx": lambda name: "-macosx" in name,
    "win": lambda name: re.search(r"-win(32|_amd64|_arm64)\.whl$", name),
    "ios": lambda name: "-ios_" in name,
    "android": lambda name: "-android_" in name,
    "emscripten": lambda name: "-pyodide_" in name or "-pyemscripten_" in name,
}


def lines(name):
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        words = line.split("#")[0].split()
        if words:
            yield words


class Pip:
    """The parts of pip that know the index, the certificates and how to try again."""

    def __init__(self):
        from pip._internal.commands import create_command
        from pip._internal.index.collector import LinkCollector, parse_links
        from pip._internal.models.link import Link
        from pip._internal.network.utils import HEADERS

        command = create_command("download")
        self.options, _ = command.parse_args(["--quiet", "--dest", ".", "none"])
        self.command, self.headers = command, HEADERS
        self.Link, self.LinkCollector, self.parse_links = Link, LinkCollector, parse_links

    def __enter__(self):
        self.context = self.command.main_context()
        self.context.__enter__()
        self.session = self.command.get_default_session(self.options)
        self.collector = self.LinkCollector.create(self.session, options=self.options)
        return self

    def __exit__(self, *error):
        self.context.__exit__(*error)

    def files(self, project):
        """The files of a project: the filename with its link."""
        page = self.Link(self.options.index_url.rstrip("/") + f"/{project}/")
        content = self.collector.fetch_response(page)
        if content is None:
            raise SystemExit(f"error: pip cannot read {page}")
        return {link.filename: link for link in self.parse_links(content) if not link.is_yanked}

    def fetch(self, link, path, sha256):
        partial = path.with_suffix(".part")
        digest = hashlib.sha256()
        with self.session.get(link.url.split("#")[0], headers=self.headers, stream=True) as response:
            response.raise_for_status()
            with partial.open("wb") as file:
                for chunk in response.iter_content(1 << 20):
                    digest.update(chunk)
                    file.write(chunk)
        if digest.hexdigest() != sha256:
            partial.unlink()
            raise SystemExit(f"error: {path.name} has sha256 {digest.hexdigest()}, expected {sha256}")
        os.replace(partial, path)

    def size(self, link):
        with self.session.head(link.url.split("#")[0], headers=self.headers) as response:
            return int(response.headers.get("content-length", 0))


def version_of(filename):
    from pip._vendor.packaging.version import InvalidVersion, Version

    stem = filename.removesuffix(".tar.gz")
    try:
        return Version(stem.split("-")[1] if filename.endswith(".whl") else stem.rpartition("-")[2])
    except (InvalidVersion, IndexError):
        return Version("0.dev0")


def newest(pip, project, kinds):
    """The files of the newest final release that has each kind; of several, the first by name."""
    files = pip.files(project)
    for kind in kinds:
        versions = {name: version_of(name) for name in files if KINDS[kind](name)}
        final = {name: version for name, version in versions.items() if not version.is_prerelease}
        # Sorting is stable: by name first, then the newest in front.
        for name in sorted(sorted(final), key=final.get, reverse=True):
            if pip.size(files[name]) <= LARGEST:
                yield name, files[name]
                break
        else:
            print(f"note: {project} has no {kind} of a size to fetch", file=sys.stderr)


def main(folder, which):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock, Pip() as pip:
        fcntl.flock(lock, fcntl.LOCK_EX)
        paths = []
        for project, filename, sha256 in lines("pinned.txt"):
            path = folder / filename
            if not path.exists():
                pip.fetch(pip.files(project)[filename], path, sha256)
            paths.append(path)
        if which == "all":
            found = folder / "newest.json"
            old = not found.exists() or time.time() - found.stat().st_mtime > WEEK
            known = {} if old else json.loads(found.read_text())
            for project, *kinds in lines("projects.txt"):
                wanted = " ".join(kinds)
                if known.get(project, {}).get("kinds") != wanted:
                    names = []
                    for name, link in newest(pip, project, kinds):
                        path = folder / name
                        if not path.exists():
                            pip.fetch(link, path, link.hash if link.hash_name == "sha256" else "none")
                        names.append(name)
                    known[project] = {"kinds": wanted, "files": names}
                paths += [folder / name for name in known[project]["files"]]
            found.write_text(json.dumps(known, indent=1))
    for path in dict.fromkeys(paths):
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
