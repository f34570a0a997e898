"""Installs a real tree of packages with uv, from the index as a warm proxy and from a static mirror.

Used by benches/index.py; does nothing when run. The files are fetched once, with the pip of this machine; the
mirror is nginx over the same bytes, with JSON pages, digests and metadata files, and the proxy's upstream.
"""

import contextlib
import hashlib
import json
import re
import shutil
import statistics
import subprocess
import time
import zipfile

import index_servers as servers
from index_servers import JSON

# Some sixty packages with what they need, some of them compiled.
WANTED = "fastapi[standard]"
BAR = 1.2


def mirror(folder, packages):
    """Writes the pages of a static mirror; gives how many projects it has."""
    projects = {}
    for path in sorted(packages.iterdir()):
        name = re.sub(r"[-_.]+", "-", path.name.split("-")[0]).lower()
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        shutil.copy(path, folder / path.name)
        with zipfile.ZipFile(path) as archive:
            member = next(member for member in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", member))
            metadata = archive.read(member)
        (folder / f"{path.name}.metadata").write_bytes(metadata)
        projects.setdefault(name, []).append({
            "filename": path.name, "url": f"../../{path.name}", "hashes": {"sha256": digest}, "size": len(data),
            "upload-time": "2026-01-01T00:00:00.000000Z", "core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()},
        })
    for name, files in projects.items():
        page = folder / "simple" / name
        page.mkdir(parents=True)
        versions = sorted({file["filename"].split("-")[1] for file in files})
        document = {"meta": {"api-version": "1.4"}, "name": name, "versions": versions, "files": files}
        (page / "index.json").write_text(json.dumps(document))
    return len(projects)


def tree(bench):
    """`uv pip install` of a tree: the warm proxy beside nginx with a static mirror of the same."""
    venv = bench.peers()
    packages, root = bench.folder / "tree-packages", bench.folder / "tree"
    root.mkdir()
    download = [venv / "bin/pip", "download", "-q", "--disable-pip-version-check", "--only-binary", ":all:", "-d", packages, WANTED]
    subprocess.run(download, check=True)
    count = mirror(root, packages)
    with contextlib.ExitStack() as stack:
        static = stack.enter_context(servers.nginx(bench.folder / "nginx-tree", root, "index.json"))
        own = stack.enter_context(bench.shipway("proxy", "--upstream", static.url + "/simple/"))

        def install(index, target):
            command = [venv / "bin/uv", "pip", "install", "-q", "--no-cache", "--index-url", index, "--target", target, WANTED]
            begin = time.perf_counter()
            subprocess.run(command, check=True)
            took = time.perf_counter() - begin
            shutil.rmtree(target)
            return took

        places = {"own": own.url + "/dev/simple/", "static": static.url + "/simple/"}
        for name, index in places.items():
            install(index, bench.folder / f"installed-{name}")
        rounds = []
        for number in range(bench.rounds):
            # Whoever is first finds the machine in another state: they take turns at that too.
            order = list(places) if number % 2 else list(reversed(places))
            rounds.append({name: install(places[name], bench.folder / f"installed-{name}") for name in order})
        ratio = statistics.median(one["own"] / one["static"] for one in rounds)
        median = {name: statistics.median(one[name] for one in rounds) for name in places}
        bench.row(
            f"`uv pip install` of {count} packages from the warm proxy", f"{median['own']:.2f} s",
            f"nginx, static mirror {median['static']:.2f} s", f"{ratio:.2f}", f"at most {BAR}", ratio <= BAR,
        )
