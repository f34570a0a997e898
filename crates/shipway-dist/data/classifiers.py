"""Writes classifiers.txt anew from the newest `trove-classifiers`, fetched with pip.

Run `python3 crates/shipway-dist/data/classifiers.py`; a line of the file is a classifier, or a deprecated
classifier, a tab, and what replaces it, separated by semicolons.
"""

import pathlib
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as folder:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
    subprocess.run([*pip, "trove-classifiers"], check=True)
    sys.path.insert(0, folder)
    import importlib.metadata

    import trove_classifiers

    version = next(iter(importlib.metadata.distributions(name="trove-classifiers", path=[folder]))).version

lines = [f"# trove-classifiers {version}, Apache-2.0"]
lines += sorted(trove_classifiers.classifiers - set(trove_classifiers.deprecated_classifiers))
lines += [f"{old}\t{'; '.join(new)}" for old, new in sorted(trove_classifiers.deprecated_classifiers.items())]
pathlib.Path(__file__).with_name("classifiers.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
