"""A PostgreSQL for a run of the index benchmark: durable, on a free port, gone afterwards.

Used by benches/index.py; does nothing when run.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from index_servers import free_port


def programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    if not initdb:
        raise SystemExit("PostgreSQL is not installed; ./test installs it")
    return pathlib.Path(initdb).parent


class Cluster:
    """A server with its own settings (fsync on); `database` makes a database and gives its URL."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="shipway-bench-postgres-")
        # PostgreSQL refuses root.
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self.user:
            subprocess.run(["chown", "-R", "postgres", self.folder], check=True)
        self.port, self.bin = free_port(), programs()
        data = f"{self.folder}/data"
        self.run("initdb", "--auth=trust", "--username=bench", "--encoding=UTF8", "--locale=C.UTF-8", "-D", data)
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200"
        self.run("pg_ctl", "start", "--wait", "--silent", "-l", f"{self.folder}/log", "-o", options, "-D", data)

    def run(self, program, *arguments):
        subprocess.run([*self.user, self.bin / program, *arguments], check=True, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def url(self, name):
        return f"postgres://bench@127.0.0.1:{self.port}/{name}"

    def database(self, name):
        """The URL of a database, which is made when it is missing."""
        name = re.sub(r"\W", "_", name).lower()
        found = subprocess.run([self.bin / "psql", self.url("postgres"), "-Atc", f"SELECT 1 FROM pg_database WHERE datname = '{name}'"], check=True, stdout=subprocess.PIPE, text=True)
        if not found.stdout.strip():
            subprocess.run([self.bin / "psql", self.url("postgres"), "-qc", f"CREATE DATABASE {name}"], check=True)
        return self.url(name)

    def close(self):
        self.run("pg_ctl", "stop", "--mode=fast", "--silent", "-D", f"{self.folder}/data")
        shutil.rmtree(self.folder, ignore_errors=True)
