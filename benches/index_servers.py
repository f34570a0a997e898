"""What the index benchmark starts and talks to: servers, distribution files, and load.

Used by benches/index.py; does nothing when run.
"""

import base64
import contextlib
import hashlib
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import zipfile

JSON = "application/vnd.pypi.simple.v1+json"
ROOT = pathlib.Path(__file__).resolve().parent.parent


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def request(url, method="GET", headers=None, body=None, timeout=600):
    """Status, headers and body of one request on a connection of its own."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    path = parts.path + ("?" + parts.query if parts.query else "")
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, response.headers, data


def wait_for(url, process, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"the server of {url} ended with {process.returncode}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if request(url, timeout=5)[0] < 500:
                return
        time.sleep(0.01)
    raise SystemExit(f"{url} does not answer")


class Server:
    """A process that is ended with the block it stands in."""

    def __init__(self, command, url, ready, log, env=None):
        self.url = url
        begin = time.perf_counter()
        self.log = open(log, "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=env)
        wait_for(url + ready, self.process)
        self.start_up = time.perf_counter() - begin

    def resident(self):
        """Resident memory and its peak, in MB."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        values = dict(line.split(":", 1) for line in lines if ":" in line)
        return tuple(int(values[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))

    def cpu(self):
        """Processor seconds of the process and its children so far."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        total = 0
        for pid in [self.process.pid, *children]:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def shipway(binary, data, database=None, *extra):
    data = pathlib.Path(data)
    data.mkdir(parents=True, exist_ok=True)
    port = free_port()
    env = dict(os.environ)
    command = [binary, "serve", "--data", str(data), "--bind", f"127.0.0.1:{port}", *(() if "--upstream" in extra else ("--upstream", "off")), *extra]
    if database:
        command += ["--database", database]
    return Server(command, f"http://127.0.0.1:{port}", "/healthz", data.parent / (data.name + ".log"), env)


def shipway_token(binary, data, name="bench", database=None):
    command = [binary, "admin", "token", "create", "--data", str(data), "--name", name, "--action", "upload,read"]
    if database:
        command += ["--database", database]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def nginx(folder, root, index=None):
    """One worker with sendfile and open_file_cache, no access log; `index` is what a folder answers with."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    # As root its worker would be nobody, who may not read a temporary folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(f"""{user}
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000;
  open_file_cache max=1000 inactive=600s; open_file_cache_valid 600s;
  default_type application/octet-stream; types {{ {JSON} json; }}
  server {{ listen 127.0.0.1:{port}; root {root}; {f"index {index};" if index else ""} }}
}}""")
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    return Server(command, f"http://127.0.0.1:{port}", "/", folder / "log")


def pypiserver(venv, folder):
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [venv / "bin/pypi-server", "run", "-i", "127.0.0.1", "-p", str(port), "-P", ".", "-a", ".", str(folder)]
    return Server(command, f"http://127.0.0.1:{port}", "/", folder.parent / "pypiserver.log")


def devpi(venv, folder):
    """A devpi-server with the index bench/dev, which has no bases."""
    subprocess.run([venv / "bin/devpi-init", "--serverdir", folder, "--no-root-pypi"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    port = free_port()
    command = [venv / "bin/devpi-server", "--serverdir", folder, "--port", str(port)]
    server = Server(command, f"http://127.0.0.1:{port}", "/+api", folder.parent / "devpi.log")
    json_type = {"Content-Type": "application/json", "Accept": "application/json"}

    def call(method, path, document, headers=()):
        status, _, body = request(server.url + path, method, {**json_type, **dict(headers)}, json.dumps(document))
        if status >= 300:
            raise SystemExit(f"devpi-server: {method} {path} answers {status}: {body[:300]!r}")
        return json.loads(body)

    call("PUT", "/bench", {"password": "bench"})
    token = call("POST", "/+login", {"user": "bench", "password": "bench"})["result"]["password"]
    auth = base64.b64encode(f"bench:{token}".encode()).decode()
    call("PUT", "/bench/dev", {"bases": [], "type": "stage"}, {"X-Devpi-Auth": auth})
    return server


def wheel(name, version, padding=0):
    """A sound wheel; padding adds that many bytes that do not compress."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"version = '{version}'\n".encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: bench\nRequires-Python: >=3.8\n\nbench\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if padding:
        files[f"{name}/blob.bin"] = os.urandom(padding)
    digest = lambda data: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    rows = [f"{path},sha256={digest(data)},{len(data)}\n" for path, data in files.items()]
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    return f"{name}-{version}-py3-none-any.whl", out.getvalue()


def form(name, version, filename, data):
    """The body of a legacy upload, and its type."""
    fields = {
        ":action": "file_upload", "protocol_version": "1", "filetype": "bdist_wheel", "pyversion": "py3",
        "metadata_version": "2.1", "name": name, "version": version, "summary": "bench",
        "requires_python": ">=3.8", "sha256_digest": hashlib.sha256(data).hexdigest(),
    }
    boundary = "bench-" + hashlib.sha256(filename.encode()).hexdigest()[:24]
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return b"".join(parts) + head.encode() + data + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def upload(url, user, password, name, version, padding=0, connection=None):
    """Uploads a wheel; gives its filename, bytes, and the seconds from the first byte to the answer."""
    filename, data = wheel(name, version, padding)
    body, content_type = form(name, version, filename, data)
    credential = base64.b64encode(f"{user}:{password}".encode()).decode()
    parts = urllib.parse.urlsplit(url)
    own = connection or http.client.HTTPConnection(parts.netloc, timeout=600)
    begin = time.perf_counter()
    own.request("POST", parts.path, body, {"Authorization": f"Basic {credential}", "Content-Type": content_type})
    response = own.getresponse()
    text = response.read()
    took = time.perf_counter() - begin
    if connection is None:
        own.close()
    if response.status >= 300:
        raise SystemExit(f"{url}: the upload of {filename} answers {response.status}: {text[:300]!r}")
    return filename, data, took


class Relay:
    """Stands between a client and a server, and measures the server: first byte of a request to its answer."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.target = (parts.hostname, parts.port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}{parts.path}"
        self.took = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = socket.create_connection(self.target)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = []

        def forward():
            while data := client.recv(1 << 18):
                if not began:
                    began.append((time.perf_counter(), data[:4]))
                server.sendall(data)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_WR)

        threading.Thread(target=forward, daemon=True).start()
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 18):
                # Interim answers are no answer.
                if began and not data.startswith(b"HTTP/1.1 100"):
                    at, method = began.pop()
                    if method == b"POST":
                        self.took.append(time.perf_counter() - at)
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()


UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def wrk(url, connections=32, seconds=3, headers=(), script=None, threads=1):
    """Requests a second, bytes a second, latencies in milliseconds, and failed requests."""
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}", "--latency", "--timeout", "30"]
    for key, value in dict(headers).items():
        command += ["-H", f"{key}: {value}"]
    if script:
        command += ["-s", str(script)]
    text = subprocess.run([*command, url], stdout=subprocess.PIPE, check=True, text=True).stdout
    percentile = lambda at: next((float(value) * UNITS[unit] for value, unit in re.findall(rf"{at}%\s+([\d.]+)(us|ms|s|m)\b", text)), 0.0)
    scale = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
    amount, unit = re.search(r"Transfer/sec:\s+([\d.]+)([KMG]?B)", text).groups()
    refused = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return {
        "requests": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
        "bytes": float(amount) * scale[unit],
        "p50": percentile(50), "p99": percentile(99),
        "failed": refused + (sum(map(int, broken.groups())) if broken else 0),
        "answered": int(re.search(r"(\d+) requests in", text).group(1)),
    }
