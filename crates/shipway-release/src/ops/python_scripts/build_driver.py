"""Runs the project's PEP 517 backend through the `build` library; the answer is one JSON document on fd 3's file.

Arguments: requires SOURCE ANSWER | build SOURCE OUT ANSWER
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


def build(source, out):
    sdist = ProjectBuilder(source).build("sdist", out)
    # The wheel is made from the sdist, so that an sdist which lacks a file cannot look whole.
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:
                archive.extractall(folder)
        (top,) = os.listdir(folder)
        ProjectBuilder(os.path.join(folder, top)).build("wheel", out)
    tools = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    return {"backend": ProjectBuilder(source)._backend, "tools": tools}


def main():
    what, source, *rest = sys.argv[1:]
    answer = requires(source) if what == "requires" else build(source, rest[0])
    with open(rest[-1], "w", encoding="utf-8") as file:
        json.dump(answer, file)


main()
