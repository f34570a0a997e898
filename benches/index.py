#!/usr/bin/env python3
"""Measures the index beside its peers in the same run, and writes docs/benchmarks.md and docs/plots/.

    python3 benches/index.py                  # builds, measures everything, writes the table and the plots
    python3 benches/index.py page files       # only these, printed and not written
    python3 benches/index.py --seconds 1      # shorter rounds
    python3 benches/index.py --postgres       # over PostgreSQL instead of SQLite, in a table of its own

Peers: nginx (one worker, sendfile, open_file_cache), devpi-server and pypiserver. nginx and wrk are installed
with apt-get where they are missing, the rest with pip into a temporary environment. Rounds of shipway and of a
peer take turns; a ratio is the median of the ratios of the rounds, so that other work on the machine, which
slows both, matters less. Needs Python, Rust, and about 3 GB of disk for the large index.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

import index_servers as servers
from index_postgres import Cluster
from index_servers import JSON, ROOT, request, upload, wrk
from index_tree import tree

UV = {"Accept": f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01", "Accept-Encoding": "gzip, deflate, zstd"}


class Bench:
    def __init__(self, arguments, folder):
        self.folder = folder
        self.seconds = arguments.seconds
        self.rounds = arguments.rounds
        self.cluster = Cluster() if arguments.postgres else None
        self.sizes = arguments.sizes
        self.binary = os.path.abspath(arguments.binary or ROOT / "target/dist/shipway")
        self.generator = os.path.abspath(arguments.generator or ROOT / "target/release/examples/generate")
        self.venv = pathlib.Path(arguments.venv or folder / "venv")
        self.rows, self.plots, self.grow = [], {}, {}

    def row(self, what, own, peer="", ratio="", bar="", holds=None):
        self.rows.append({"what": what, "own": own, "peer": peer, "ratio": ratio, "bar": bar, "holds": holds})
        verdict = {True: "holds", False: "FAILS", None: ""}[holds]
        print(f"{what}: {own} {'| ' + peer if peer else ''} {'| ratio ' + ratio if ratio else ''} {'| bar ' + bar if bar else ''} {verdict}", flush=True)

    def turns(self, own, peer, key="requests"):
        """Loads two servers in turn, each a pair of a server and what loads it.

        The medians of both, the median of the ratios of the rounds, and the processor time of a request of
        both in microseconds, which other work on the machine changes least.
        """

        def once(server, load):
            before = server.cpu()
            measured = load()
            if measured["failed"]:
                raise SystemExit(f"{server.url}: {measured['failed']} of {measured['answered']} requests failed")
            return {**measured, "cpu": (server.cpu() - before) / measured["answered"] * 1e6}

        measured = [(once(*own), once(*peer)) for _ in range(self.rounds)]
        median = lambda at, key: statistics.median(pair[at][key] for pair in measured)
        ratio = statistics.median(a[key] / b[key] for a, b in measured)
        return median(0, key), median(1, key), ratio, (median(0, "cpu"), median(1, "cpu"))

    def database(self, name):
        """The database of a data directory; none on SQLite, where it stands in it."""
        return self.cluster.database(name) if self.cluster else None

    def shipway(self, name, *extra):
        return servers.shipway(self.binary, self.folder / name, self.database(name), *extra)

    def token(self, name):
        return servers.shipway_token(self.binary, self.folder / name, database=self.database(name))

    def generate(self, name, *size):
        database = self.database(name)
        env = dict(os.environ, **({"SHIPWAY_DATABASE": database} if database else {}))
        out = subprocess.run([self.generator, self.folder / name, *map(str, size)], env=env, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return json.loads(out.stdout)

    def peers(self):
        """The environment with the peers, made when it is first needed."""
        if not (self.venv / "bin/devpi-server").exists():
            subprocess.run([sys.executable, "-m", "venv", self.venv], check=True)
            packages = ["devpi-server", "pypiserver", "twine", "uv", "matplotlib"]
            subprocess.run([self.venv / "bin/pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
        return self.venv


def page(bench):
    """The page of a project with 20 files, JSON, warm."""
    token, venv = bench.token("page"), bench.peers()
    packages = bench.folder / "packages"
    root = bench.folder / "static"
    root.mkdir()
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(bench.shipway("page"))
        devpi = stack.enter_context(servers.devpi(venv, bench.folder / "devpi"))
        packages.mkdir()
        for number in range(20):
            filename, data, _ = upload(own.url + "/dev/", "__token__", token, "demo", f"1.{number}.0")
            upload(devpi.url + "/bench/dev/", "bench", "bench", "demo", f"1.{number}.0")
            (packages / filename).write_bytes(data)
        pypi = stack.enter_context(servers.pypiserver(venv, packages))
        url = own.url + "/dev/simple/demo/"
        (root / "demo.json").write_bytes(request(url, headers={"Accept": JSON})[2])
        floor = stack.enter_context(servers.nginx(bench.folder / "nginx", root))
        accept = {"Accept": JSON}
        a, b, ratio, cpu = bench.turns(
            (own, lambda: wrk(url, seconds=bench.seconds, headers=accept)),
            (floor, lambda: wrk(floor.url + "/demo.json", seconds=bench.seconds, headers=accept)),
        )
        bench.row("simple page, 20 files, JSON, warm", f"{a:,.0f}/s", f"nginx {b:,.0f}/s", f"{ratio:.2f}", "at least 0.9", ratio >= 0.9)
        bench.row("processor time of such a page", f"{cpu[0]:.1f} µs", f"nginx {cpu[1]:.1f} µs", f"{cpu[1] / cpu[0]:.2f}")
        credential = {**accept, "Authorization": "Bearer " + token}
        known = wrk(url, seconds=bench.seconds, headers=credential)["requests"]
        bench.row("the same with a token", f"{known:,.0f}/s")
        zipped = wrk(url, seconds=bench.seconds, headers=UV)["requests"]
        bench.row("the same as uv asks (zstd)", f"{zipped:,.0f}/s")
        for name, other, bar in (("devpi-server", devpi.url + "/bench/dev/+simple/demo/", 100), ("pypiserver", pypi.url + "/simple/demo/", None)):
            c = wrk(other, connections=8, seconds=bench.seconds, headers=accept)
            bench.row(f"the same beside {name}", f"{a:,.0f}/s", f"{c['requests']:,.1f}/s, {c['failed']} failed", f"{a / c['requests']:,.0f}", f"at least {bar}" if bar else "", a / c["requests"] >= bar if bar else None)
        lines = {"requests a second": [], "p50, ms": [], "p99, ms": []}
        for clients in (1, 8, 32, 128, 500):
            measured = wrk(url, connections=clients, seconds=bench.seconds, headers=accept)
            lines["requests a second"].append((clients, measured["requests"]))
            lines["p50, ms"].append((clients, measured["p50"]))
            lines["p99, ms"].append((clients, measured["p99"]))
        bench.plots["index-clients"] = {"x": "clients at once", "y": "requests a second, ms", "lines": lines}


def files(bench):
    """Downloads of small and large files; memory while they run."""
    token = bench.token("files")
    root = bench.folder / "downloads"
    root.mkdir()
    with bench.shipway("files") as own:
        floor = servers.nginx(bench.folder / "nginx-files", root)
        before = own.resident()[0]
        for size, padding, clients in (("10 KB", 9_000, 32), ("1 MB", 1_000_000, 8), ("50 MB", 50_000_000, 4)):
            filename, data, _ = upload(own.url + "/dev/", "__token__", token, "demo", f"{padding}.0", padding)
            (root / filename).write_bytes(data)
            listed = json.loads(request(own.url + "/dev/simple/demo/", headers={"Accept": JSON})[2])
            link = next(file["url"] for file in listed["files"] if file["filename"] == filename)
            url = urllib.parse.urljoin(own.url + "/dev/simple/demo/", link)
            before = max(before, own.resident()[0])
            a, b, ratio, cpu = bench.turns(
                (own, lambda: wrk(url, clients, bench.seconds)),
                (floor, lambda: wrk(f"{floor.url}/{filename}", clients, bench.seconds)),
                "bytes",
            )
            rate = lambda value: f"{value / 1e6:,.0f} MB/s"
            bench.row(f"download of {size}, {clients} clients", rate(a), f"nginx {rate(b)}", f"{ratio:.2f}", "at least 0.7", ratio >= 0.7)
            bench.row("processor time of such a download", f"{cpu[0]:,.0f} µs", f"nginx {cpu[1]:,.0f} µs", f"{cpu[1] / cpu[0]:.2f}")
        wrk(url, 100, bench.seconds)
        after = own.resident()[1]
        bench.row("memory, 100 clients at a file of 50 MB", f"{after:.0f} MB peak", f"{before:.0f} MB before", "", "flat: under 60 MB more", after - before < 60)
        floor.__exit__()


def uploads(bench):
    """Uploads through twine, by the time that the server takes; and as fast as one and eight connections go."""
    venv, token = bench.peers(), bench.token("uploads")
    packages = bench.folder / "uploads-pypi"
    wheels = bench.folder / "wheels"
    wheels.mkdir()
    paths = []
    for number in range(10):
        filename, data = servers.wheel("twined", f"1.{number}.0", 20_000)
        paths.append(wheels / filename)
        paths[-1].write_bytes(data)
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(bench.shipway("uploads"))
        devpi = stack.enter_context(servers.devpi(venv, bench.folder / "devpi-uploads"))
        pypi = stack.enter_context(servers.pypiserver(venv, packages))
        relays = {
            "shipway": (servers.Relay(own.url + "/dev/"), "__token__", token),
            "devpi-server": (servers.Relay(devpi.url + "/bench/dev/"), "bench", "bench"),
            "pypiserver": (servers.Relay(pypi.url + "/"), "x", "x"),
        }
        for path in paths:
            for relay, user, password in relays.values():
                command = [venv / "bin/twine", "upload", "--non-interactive", "--disable-progress-bar", "--repository-url", relay.url, "-u", user, "-p", password, path]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        median = {name: statistics.median(relay.took) * 1000 for name, (relay, _, _) in relays.items()}
        share = median["shipway"] / median["devpi-server"]
        bench.row("upload through twine, durable, server time", f"{median['shipway']:.1f} ms", f"devpi-server {median['devpi-server']:.1f} ms", f"{share:.3f}", "at most 0.1", share <= 0.1)
        bench.row("the same beside pypiserver, which syncs nothing and judges nothing", f"{median['shipway']:.1f} ms", f"{median['pypiserver']:.1f} ms", f"{median['shipway'] / median['pypiserver']:.2f}")
        for relay, _, _ in relays.values():
            relay.close()
        for clients in (1, 8):
            rate = parallel_uploads(own.url + "/dev/", token, clients, bench.seconds)
            bench.row(f"uploads, fsync, {clients} connection{'s' if clients > 1 else ''}", f"{rate:,.0f}/s")


def parallel_uploads(url, token, clients, seconds):
    import threading

    done, end = [], time.monotonic() + 2 * seconds

    def run(client):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
        number = 0
        while time.monotonic() < end:
            upload(url, "__token__", token, f"rate{clients}x{client}", f"1.{number}.0", connection=connection)
            number += 1
        done.append(number)

    threads = [threading.Thread(target=run, args=(client,)) for client in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - begin)


def wide(bench):
    """Projects of many files: warm, and the first page after a write."""
    token = bench.token("wide")
    lines = {"warm page as uv asks, p99, ms": [], "first page after an upload, ms": []}
    with bench.shipway("wide") as own:
        for count in (1, 20, 100, 500, 2_500, 5_000):
            bench.generate("wide", 1, count, f"wide{count}")
            name = f"wide{count}-000000"
            url = f"{own.url}/dev/simple/{name}/"
            request(url, headers=UV)
            warm = wrk(url, 1, bench.seconds, UV)
            again = []
            for number in range(5):
                upload(own.url + "/dev/", "__token__", token, name.replace("-", "_"), f"9.{number}.0")
                begin = time.perf_counter()
                request(url, headers=UV)
                again.append((time.perf_counter() - begin) * 1000)
            lines["warm page as uv asks, p99, ms"].append((count, warm["p99"]))
            lines["first page after an upload, ms"].append((count, statistics.median(again)))
            if count in (2_500, 5_000):
                bench.row(f"page of {count:,} files as uv asks, warm", f"p50 {warm['p50']:.2f} ms, p99 {warm['p99']:.2f} ms", "", "", "p99 under 5 ms" if count == 2_500 else "", warm["p99"] < 5 if count == 2_500 else None)
                bench.row(f"first page of {count:,} files after an upload", f"{statistics.median(again):.1f} ms")
                plain = wrk(url, 1, bench.seconds, {"Accept": JSON})
                bench.row(f"page of {count:,} files without compression, warm", f"p50 {plain['p50']:.2f} ms, p99 {plain['p99']:.2f} ms")
    bench.plots["index-files"] = {"x": "files of the project", "y": "ms", "lines": lines}


def memory(bench):
    """Resident memory with 10,000 files, every page asked for in both formats."""
    bench.generate("memory", 100, 100)
    with bench.shipway("memory") as own:
        for number in range(100):
            for accept in (JSON, "text/html"):
                request(f"{own.url}/dev/simple/synthetic-{number:06}/", headers={"Accept": accept})
                request(f"{own.url}/dev/simple/synthetic-{number:06}/", headers={"Accept": accept, "Accept-Encoding": "gzip"})
        resident, peak = own.resident()
        bench.row("memory with 10,000 files, every page asked for", f"{resident:.0f} MB ({peak:.0f} MB peak)", "", "", "under 100 MB", resident < 100)


def scale(bench):
    """Sizes S, M and L: start-up, memory, list, page, upload."""
    lines = {name: [] for name in ("start-up", "warm page, p50", "list after an upload, gzip", "upload")}
    bars = {"S": (None, None), "M": (None, 150), "L": (3, 600)}
    for size in bench.sizes:
        start_bar, memory_bar = bars[size]
        made = bench.generate(f"size-{size}", size)
        projects = made["projects"]
        bench.row(f"size {size}: {projects:,} projects, {made['files']:,} files", f"made in {made['seconds']:.0f} s")
        token = bench.token(f"size-{size}")
        with bench.shipway(f"size-{size}") as own:
            bench.row(f"size {size}: start-up", f"{own.start_up:.2f} s", "", "", f"under {start_bar} s" if start_bar else "", own.start_up < start_bar if start_bar else None)
            listed = f"{own.url}/dev/simple/"
            gzip = {"Accept": JSON, "Accept-Encoding": "gzip"}
            begin = time.perf_counter()
            request(listed, headers=gzip)
            bench.row(f"size {size}: first list after the start", f"{(time.perf_counter() - begin) * 1000:.0f} ms")
            warm = wrk(listed, 1, bench.seconds, gzip)
            bench.row(f"size {size}: list of projects, gzip, warm", f"p50 {warm['p50']:.1f} ms, p99 {warm['p99']:.1f} ms", "", "", "p99 under 100 ms" if size == "L" else "", warm["p99"] < 100 if size == "L" else None)
            plain = wrk(listed, 1, bench.seconds, {"Accept": JSON})
            bench.row(f"size {size}: list of projects, identity, warm", f"p50 {plain['p50']:.1f} ms, p99 {plain['p99']:.1f} ms", "", "", "p99 under 100 ms" if size == "L" else "", plain["p99"] < 100 if size == "L" else None)
            times, lists = [], []
            for number in range(20):
                times.append(upload(own.url + "/dev/", "__token__", token, f"fresh{number}", "1.0")[2] * 1000)
                begin = time.perf_counter()
                status, _, body = request(listed, headers={"Accept": JSON, "Accept-Encoding": "gzip"})
                lists.append((time.perf_counter() - begin) * 1000)
                assert status == 200 and body
            bench.row(f"size {size}: upload of a new project", f"p50 {statistics.median(times):.1f} ms, worst {max(times):.1f} ms")
            bench.row(f"size {size}: list right after an upload", f"p50 {statistics.median(lists):.1f} ms, worst {max(lists):.1f} ms", "", "", "under 100 ms" if size == "L" else "", statistics.median(lists) < 100 if size == "L" else None)
            cold = []
            for number in range(0, projects, max(1, projects // 5_000)):
                begin = time.perf_counter()
                request(f"{own.url}/dev/simple/synthetic-{number:06}/", headers=UV)
                cold.append((time.perf_counter() - begin) * 1000)
            cold.sort()
            bench.row(f"size {size}: first page of {len(cold):,} projects", f"p50 {cold[len(cold) // 2]:.2f} ms, p99 {cold[len(cold) * 99 // 100]:.2f} ms")
            page = wrk(f"{own.url}/dev/simple/synthetic-000007/", 1, bench.seconds, UV)
            bench.row(f"size {size}: page, warm", f"p50 {page['p50']:.3f} ms, p99 {page['p99']:.3f} ms")
            resident, peak = own.resident()
            bench.row(f"size {size}: memory after all this", f"{resident:.0f} MB ({peak:.0f} MB peak)", "", "", f"under {memory_bar} MB" if memory_bar else "", resident < memory_bar if memory_bar else None)
            for name, value in zip(lines, (own.start_up * 1000, page["p50"], statistics.median(lists), statistics.median(times))):
                lines[name].append((projects, value))
        shutil.rmtree(bench.folder / f"size-{size}", ignore_errors=True)
    bench.plots["index-projects"] = {"x": "projects", "y": "ms", "lines": lines}


def installers(bench):
    """Five hundred connections at once, and real installers among them, without a failed request."""
    venv, token = bench.peers(), bench.token("installers")
    with bench.shipway("installers") as own:
        for number in range(50):
            upload(own.url + "/dev/", "__token__", token, f"many{number}", "1.0", 20_000)
        names = [f"/dev/simple/many{number}/" for number in range(50)]
        for name in list(names):
            listed = json.loads(request(own.url + name, headers={"Accept": JSON})[2])
            link = urllib.parse.urljoin(own.url + name, listed["files"][0]["url"])
            path = urllib.parse.urlsplit(link).path
            names += [path + ".metadata", path]
        script = bench.folder / "installers.lua"
        paths = ",".join(json.dumps(name) for name in names)
        accept = UV["Accept"]
        script.write_text(f'local paths = {{{paths}}}\nlocal at = 0\nrequest = function() at = at % #paths + 1; return wrk.format("GET", paths[at], {{["Accept"]="{accept}",["Accept-Encoding"]="gzip, deflate, zstd"}}) end\n')
        index = own.url + "/dev/simple/"
        running = []
        for number in range(4):
            target = bench.folder / f"installed-{number}"
            pip = [venv / "bin/pip", "install", "-q", "--no-cache-dir", "--no-deps", "--disable-pip-version-check", "--index-url", index, "--target", f"{target}-pip"]
            uv = [venv / "bin/uv", "pip", "install", "-q", "--no-cache", "--no-deps", "--index-url", index, "--target", f"{target}-uv"]
            wanted = [f"many{at}" for at in range(number * 12, number * 12 + 12)]
            running += [subprocess.Popen([*command, *wanted]) for command in (pip, uv)]
        measured = wrk(own.url, 500, max(10, 3 * bench.seconds), script=script, threads=2)
        failed = sum(process.wait() != 0 for process in running)
        bench.row(
            "500 installers at once: pages, metadata and files, with 4 pip and 4 uv among them",
            f"{measured['answered']:,} requests, {measured['failed']} failed; {failed} of 8 installers failed; p99 {measured['p99']:.0f} ms",
            "", "", "none fails", measured["failed"] == 0 and failed == 0,
        )


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    total = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    return f"{os.cpu_count()} cores ({model}), {total / 1e6:.0f} GB, Linux {platform.release()}"


def versions(bench):
    first = lambda *command: subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout.splitlines()[0].strip()
    nginx = first(shutil.which("nginx") or "/usr/sbin/nginx", "-v").split(": ")[-1]
    found = [first(bench.binary, "--version"), nginx, first("wrk", "-v").split(" [")[0]]
    if (bench.venv / "bin/pip").exists():
        listed = subprocess.run([bench.venv / "bin/pip", "list", "--format", "json"], stdout=subprocess.PIPE, text=True, check=True).stdout
        found += [f"{row['name']} {row['version']}" for row in json.loads(listed) if row["name"] in ("devpi-server", "pypiserver", "twine", "uv", "pip")]
    return found


def main():
    parts = {part.__name__: part for part in (page, files, uploads, wide, memory, scale, installers, tree)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary")
    parser.add_argument("--generator")
    parser.add_argument("--postgres", action="store_true", help="over a PostgreSQL that is started for it")
    parser.add_argument("--venv", help="an environment to keep the peers in")
    parser.add_argument("--seconds", type=int, default=4, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", default="SML", help="the sizes that `scale` makes")
    parser.add_argument("--write", action="store_true", help="write the table and the plots though only some parts run")
    parser.add_argument("only", nargs="*", choices=[*parts, []])
    arguments = parser.parse_args()
    if not arguments.binary:
        subprocess.run(["cargo", "build", "--profile", "dist", "-p", "shipway"], cwd=ROOT, check=True)
    if not arguments.generator:
        subprocess.run(["cargo", "build", "--release", "-p", "shipway-index", "--example", "generate"], cwd=ROOT, check=True)
    missing = [name for name, program in (("nginx-light", "nginx"), ("wrk", "wrk")) if not (shutil.which(program) or os.path.exists(f"/usr/sbin/{program}"))]
    if missing:
        subprocess.run(["apt-get", "install", "-y", "-q", *missing], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, pathlib.Path(folder))
        load = [os.getloadavg()[0]]
        try:
            for name, part in parts.items():
                if not arguments.only or name in arguments.only:
                    part(bench)
        finally:
            if bench.cluster:
                bench.cluster.close()
        load = f"{load[0]:.1f} when it began, {os.getloadavg()[0]:.1f} when it ended"
        results = {
            "command": " ".join(["python3 benches/index.py", *(["--postgres"] if bench.cluster else []), f"--seconds {bench.seconds} --rounds {bench.rounds} --sizes {bench.sizes}", *arguments.only]),
            "machine": machine(), "versions": versions(bench), "load": load,
            "database": "PostgreSQL" if bench.cluster else "SQLite", "rows": bench.rows,
            # The plots show the default; those of PostgreSQL would replace them.
            "plots": {} if bench.cluster else bench.plots,
        }
        if arguments.write or not arguments.only:
            path = bench.folder / "results.json"
            path.write_text(json.dumps(results))
            subprocess.run([bench.peers() / "bin/python", ROOT / "benches/index_report.py", path], check=True)
    return 1 if any(row["holds"] is False for row in bench.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
