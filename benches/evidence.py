"""`shipway ready` on the sample, and a bundle of 1,000 statements verified.

    cargo build --release -p shipway
    python3 benches/evidence.py [PROGRAM]

A copy of examples/thermostat without the gates whose tools may be missing is built and judged once; then `ready` is
timed as a whole process (bar 1 s), and beside it `git --version`, the only program that it runs at all times. The
bundle repeats the statements of that release until there are 1,000; every signature is verified (bar 100 ms).
"""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def median(run, rounds=9):
    """The median of the seconds of a call; one before is not counted."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def main():
    program = pathlib.Path((sys.argv[1:] or [ROOT / "target/release/shipway"])[0]).resolve()
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as folder:
        folder = pathlib.Path(folder)
        project = folder / "thermostat"
        shutil.copytree(ROOT / "examples/thermostat", project, ignore=shutil.ignore_patterns("__pycache__"))
        pyproject = project / "pyproject.toml"
        text = pyproject.read_text()
        for gate in ("lint", "format", "types", "tests"):
            text = re.sub(r'\[\[tool\.shipway\.gate\]\]\nid = "%s"\nrun = .*\n' % gate, "", text)
        pyproject.write_text(text)
        environment = {**os.environ, "SHIPWAY_DATA_DIR": str(folder / "index"), "GIT_CONFIG_GLOBAL": os.devnull}

        def shipway(*arguments, check=True):
            done = subprocess.run([program, *arguments], cwd=project, env=environment, capture_output=True, text=True)
            if check and done.returncode:
                sys.exit(f"shipway {' '.join(arguments)}: {done.stderr}")
            return done

        def git(*arguments):
            subprocess.run(["git", *arguments], cwd=project, env=environment, check=True, capture_output=True)

        shipway("docs", "generate")
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder / "remote.git"], check=True)
        git("init", "-q", "-b", "main")
        git("config", "user.name", "bench")
        git("config", "user.email", "bench@shipway.invalid")
        git("remote", "add", "origin", str(folder / "remote.git"))
        git("add", "--all")
        git("commit", "-q", "-m", "begin")
        git("push", "-q", "-u", "origin", "main")
        shipway("bump", "minor")
        shipway("build")
        shipway("gate", "run")
        ready = median(lambda: shipway("ready", "--for", "dev"))
        gates = shipway("ready", "--for", "dev", "--json").stdout.count('"verdict"')
        beside = median(lambda: subprocess.run(["git", "--version"], capture_output=True, check=True))
        print(f"shipway ready, {gates} gates, embedded index: {ready * 1e3:.0f} ms (bar 1000 ms); "
              f"git --version {beside * 1e3:.1f} ms")
        shipway("publish")
        lines = shipway("evidence", "export").stdout.splitlines()
        bundle, keys = folder / "bundle.jsonl", folder / "keys.json"
        bundle.write_text("".join(line + "\n" for line in (lines * (1000 // len(lines) + 1))[:1000]))
        keys.write_text(shipway("evidence", "keys", "--json").stdout)
        verify = median(lambda: shipway("evidence", "verify", str(bundle), "--keys", str(keys)))
        size = bundle.stat().st_size / 1e6
        print(f"shipway evidence verify, 1,000 statements ({size:.1f} MB): {verify * 1e3:.0f} ms (bar 100 ms)")


if __name__ == "__main__":
    main()
