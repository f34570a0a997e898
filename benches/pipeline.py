#!/usr/bin/env python3
"""Measures the figures of the pipeline and prints one table: start-up, own share of a release, memory.

    python3 benches/pipeline.py            # builds the release binary first
    python3 benches/pipeline.py --binary PATH

Start-up runs beside the peer `git --version` in the same run, turn by turn. The own share is what
`shipway release` itself reports: its whole time minus the time in which a tool was running. Memory is the
resident set of `shipway serve` after every page of an index of 10,000 files was asked for.
Needs Python, git, and an index from which pip installs a build backend.
"""

import argparse
import hashlib
import http.client
import io
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def start_up(binary, runs=200):
    commands = {"shipway": [binary, "--version"], "git": ["git", "--version"]}
    times = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            begin = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            times[name].append((time.perf_counter() - begin) * 1000)
    shipway, git = (statistics.median(times[name]) for name in ("shipway", "git"))
    print(f"start-up       shipway --version {shipway:.2f} ms, git --version {git:.2f} ms, ratio {shipway / git:.2f} (bar: under 10 ms)")


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def own_share(binary, runs=3):
    shares = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            project = folder / "project"
            shutil.copytree(ROOT / "examples/thermostat", project, ignore=shutil.ignore_patterns("__pycache__"))
            pyproject = project / "pyproject.toml"
            text = pyproject.read_text()
            # Linters are tools; without them the share is the same and the benchmark needs less.
            head, *gates = text.split("[[tool.shipway.gate]]")
            kept = [gate for gate in gates if 'id = "tests"' in gate or "[[" in gate or "[tool" in gate]
            pyproject.write_text(head + "".join("[[tool.shipway.gate]]" + gate for gate in kept))
            git(folder, "init", "-q", "--bare", "--initial-branch=main", "remote.git")
            git(project, "init", "-q", "--initial-branch=main")
            git(project, "config", "user.name", "bench")
            git(project, "config", "user.email", "bench@example.invalid")
            git(project, "remote", "add", "origin", "../remote.git")
            git(project, "add", "-A")
            git(project, "commit", "-q", "-m", "begin")
            git(project, "push", "-q", "-u", "origin", "main")
            environment = dict(os.environ, SHIPWAY_DATA_DIR=str(folder / "index"))
            begin = time.perf_counter()
            run = subprocess.run([binary, "release", "minor", "--json"], cwd=project, env=environment, stdout=subprocess.PIPE, check=True)
            wall = (time.perf_counter() - begin) * 1000
            report = json.loads(run.stdout)
            # Process start and end are shipway's own too.
            shares.append((wall - report["tools_ms"], wall))
    share, wall = min(shares)
    every = ", ".join(f"{own / 1000:.3f}" for own, _ in shares)
    print(f"own share      {share / 1000:.3f} s of a release of {wall / 1000:.1f} s on the sample (runs: {every}; bar: under 0.5 s)")


def wheel(name, version):
    tag = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"version = '{version}'\n".encode(),
        f"{tag}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: bench\n\nbench\n".encode(),
        f"{tag}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    import base64

    rows = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(data)}\n")
    rows.append(f"{tag}/RECORD,,\n")
    files[f"{tag}/RECORD"] = "".join(rows).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    return f"{name}-{version}-py3-none-any.whl", out.getvalue()


def upload(connection, token, name, version):
    import base64

    filename, data = wheel(name, version)
    fields = {
        ":action": "file_upload", "protocol_version": "1", "filetype": "bdist_wheel", "pyversion": "py3",
        "metadata_version": "2.1", "name": name, "version": version, "summary": "bench",
        "sha256_digest": hashlib.sha256(data).hexdigest(),
    }
    boundary = "bench-boundary"
    body = b""
    for key, value in fields.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
    body += f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode()
    body += data + f"\r\n--{boundary}--\r\n".encode()
    credential = base64.b64encode(f"__token__:{token}".encode()).decode()
    headers = {"Authorization": f"Basic {credential}", "Content-Type": f"multipart/form-data; boundary={boundary}"}
    connection.request("POST", "/dev/", body, headers)
    response = connection.getresponse()
    text = response.read()
    assert response.status == 200, (response.status, text)


def memory(binary, projects=100, files=100):
    with tempfile.TemporaryDirectory() as folder:
        token = subprocess.run([binary, "admin", "token", "create", "--data", folder, "--name", "bench", "--action", "upload,read"], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
        server = subprocess.Popen([binary, "serve", "--data", folder, "--bind", "127.0.0.1:0", "--upstream", "off"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            address = urllib.parse.urlsplit(server.stdout.readline().strip()).netloc
            connection = http.client.HTTPConnection(address)
            begin = time.perf_counter()
            for project in range(projects):
                for file in range(files):
                    upload(connection, token, f"bench{project}", f"1.{file}.0")
            per_second = projects * files / (time.perf_counter() - begin)
            for project in range(projects):
                for accept in ("application/vnd.pypi.simple.v1+json", "text/html"):
                    connection.request("GET", f"/dev/simple/bench{project}/", headers={"Accept": accept})
                    response = connection.getresponse()
                    response.read()
                    assert response.status == 200
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            resident = int(values["VmRSS"].split()[0]) / 1024
            peak = int(values["VmHWM"].split()[0]) / 1024
        finally:
            server.terminate()
            server.wait()
    print(f"memory         {resident:.1f} MB resident ({peak:.1f} MB peak) with {projects * files} files, every page asked for (bar: under 100 MB)")
    print(f"uploads        {per_second:.0f} a second, one connection, durable")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary")
    parser.add_argument("only", nargs="*", choices=["start-up", "own-share", "memory", []])
    arguments = parser.parse_args()
    if not arguments.binary:
        subprocess.run(["cargo", "build", "--release", "-p", "shipway"], cwd=ROOT, check=True)
    binary = os.path.abspath(arguments.binary or ROOT / "target/release/shipway")
    print(f"{subprocess.run([binary, '--version'], stdout=subprocess.PIPE, text=True).stdout.strip()} on {os.cpu_count()} cores")
    for name, measure in {"start-up": start_up, "own-share": own_share, "memory": memory}.items():
        if not arguments.only or name in arguments.only:
            measure(binary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
