"""Peak memory and time of judging hostile and very large files, each made here and judged by one process.

    cargo build --release -p shipway
    python3 benches/bounds.py [PROGRAM [ARGUMENT...]]

PROGRAM judges the file given as its last argument; the default is `shipway check`. The bounds are those of
the project: 100 MB above the largest member for any input, 150 MB for an sdist of 1 GiB.
"""

import base64
import gzip
import hashlib
import io
import os
import random
import struct
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib

MIB = 1 << 20
METADATA = b"Metadata-Version: 2.2\nName: demo\nVersion: 1.0\nSummary: x\n\nx\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: bounds\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def noise(size, seed):
    """Bytes that deflate to about a tenth."""
    source = random.Random(seed)
    piece = source.randbytes(8 << 10)
    return b"".join(source.randbytes(8 << 10) + piece * 9 for _ in range(size // (80 << 10) + 1))[:size]


def sdist(path, content, count):
    """An sdist of `count` members of the same content."""
    with gzip.open(path, "wb", compresslevel=1) as out, tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        def add(name, data):
            info = tarfile.TarInfo(f"demo-1.0/{name}")
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))

        add("PKG-INFO", METADATA)
        add("pyproject.toml", b"[build-system]\nrequires = []\n")
        for number in range(count):
            add(f"data/{number}.bin", content)


def wheel(path, members):
    """A wheel of these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        record = io.StringIO()
        for name, data in members:
            out.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
            record.write(row(name, data))
        for name, data in [("METADATA", METADATA), ("WHEEL", WHEEL)]:
            out.writestr(zipfile.ZipInfo(f"demo-1.0.dist-info/{name}"), data)
            record.write(row(f"demo-1.0.dist-info/{name}", data))
        record.write("demo-1.0.dist-info/RECORD,,\n")
        out.writestr(zipfile.ZipInfo("demo-1.0.dist-info/RECORD"), record.getvalue())


def row(name, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def many_modules():
    yield "demo/__init__.py", b""
    for number in range(200_000):
        yield f"demo/generated/module_{number}.py", b"from . import module_%d\n" % (number // 2)


def suspicious():
    """Modules that all import what is not there, each about as large as is still parsed."""
    yield "demo/__init__.py", b"from . import a_0\n"
    for number in range(60):
        lines = b"".join(b"from .gone_%d_%d import x\na(b)\n" % (number, line) for line in range(15_000))
        yield f"demo/a_{number}.py", lines[: 500 << 10].rsplit(b"\n", 1)[0] + b"\n"


def zeros(path):
    """A wheel whose one member is 10 GiB of zeros, in truth and in its headers."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block, crc, data = bytes(MIB), 0, []
    for _ in range(10 * 1024):
        data.append(deflate.compress(block))
        crc = zlib.crc32(block, crc)
    data = b"".join([*data, deflate.flush()])
    name, size = b"demo/zeros.bin", 10 << 30
    extra = struct.pack("<HHQQ", 1, 16, size, len(data))
    common = struct.pack("<HHHHHIIIHH", 45, 0, 8, 0, 0x21, crc, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(extra))
    local = b"PK\3\4" + common + name + extra + data
    central = b"PK\1\2" + struct.pack("<H", 0x0314) + common + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, 0) + name + extra
    with open(path, "wb") as out:
        out.write(local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0))


def zeros_sdist(path):
    with gzip.open(path, "wb", compresslevel=9) as out:
        info = tarfile.TarInfo("demo-1.0/zeros")
        info.size = 10 << 30
        out.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(256):
            out.write(bytes(MIB))


def measure(program, path):
    """Seconds, peak resident bytes and exit code of judging a file."""
    start = time.monotonic()
    child = os.posix_spawnp(program[0], [*program, path], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(child, 0)
    return time.monotonic() - start, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status)


def main():
    program = sys.argv[1:] or ["target/release/shipway", "check"]
    name = "demo-1.0-py3-none-any.whl"
    cases = [
        ("a small wheel", name, lambda path: wheel(path, [("demo/__init__.py", b"")]), 100, 0),
        ("an sdist of 1 GiB", "demo-1.0.tar.gz", lambda path: sdist(path, noise(MIB, 1), 1024), 150, 0),
        ("a wheel of 200,000 modules", name, lambda path: wheel(path, many_modules()), 100, None),
        ("60 suspicious modules of 500 KiB", name, lambda path: wheel(path, suspicious()), 100, None),
        ("a member of 512 MiB", name, lambda path: wheel(path, [("demo/__init__.py", b""), ("demo/a.bin", noise(512 * MIB, 2))]), 100, 0),
        ("10 GiB of zeros in a wheel", name, zeros, 100, 1),
        ("10 GiB of zeros in an sdist", "demo-1.0.tar.gz", zeros_sdist, 100, 1),
    ]
    failed = False
    for what, filename, make, most, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, filename)
            # In a child of its own, so that its memory is not that of the program.
            if (maker := os.fork()) == 0:
                make(path)
                os._exit(0)
            os.waitpid(maker, 0)
            seconds, peak, code = measure(program, path)
            size = os.path.getsize(path)
        good = peak <= most * MIB and expected in (None, code)
        failed |= not good
        print(f"{what}: file {size / MIB:.1f} MiB, {seconds:.2f} s, peak {peak / MIB:.0f} MiB of {most}, exit {code}{'' if good else '  <-- beyond'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
