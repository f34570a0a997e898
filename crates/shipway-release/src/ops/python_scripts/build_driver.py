"""Runs the project's PEP 517 backend through the `build` library; the answer is a JSON document in a file.

Arguments: requires ANSWER SOURCE | sdist ANSWER SOURCE OUT | wheel ANSWER SOURCE OUT
           | wheel-from-sdist ANSWER SDIST OUT
"""

import importlib.metadata
import json
import os
import sys
import tarfile
import tempfile

from build import ProjectBuilder


def requires(source):
    builder = ProjectBuilder(source)
    found = set(builder.get_requires_for_build("sdist")) | set(builder.get_requires_for_build("wheel"))
    return sorted(found)


def build(kind, source, out):
    builder = ProjectBuilder(source)
    builder.build(kind, out)
    tools = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    return {"backend": builder._backend, "tools": tools}


def wheel_from_sdist(sdist, out):
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:
                archive.extractall(folder)
        (top,) = os.listdir(folder)
        return build("wheel", os.path.join(folder, top), out)


def main():
    what, answer, source, *out = sys.argv[1:]
    if what == "requires":
        found = requires(source)
    elif what == "wheel-from-sdist":
        found = wheel_from_sdist(source, *out)
    else:
        found = build(what, source, *out)
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(found, file)


main()
