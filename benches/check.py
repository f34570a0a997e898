"""`shipway check` beside `unzip -t` and `twine check --strict` on the same files, in the same run.

    cargo build --release -p shipway
    python3 benches/check.py FOLDER [ROUNDS]

FOLDER holds wheels; the bars of the project are set on 17 real ones of 50 MB together. Each command is a whole
process; the table gives medians and the ratios. twine is installed into an environment in target/.
"""

import pathlib
import statistics
import subprocess
import sys
import time
import venv

PROGRAM = "target/release/shipway"
PEERS = pathlib.Path("target/bench-twine")


def twine():
    """The twine of an environment of its own."""
    program = PEERS / "bin" / "twine"
    if not program.exists():
        venv.create(PEERS, with_pip=True)
        subprocess.run([PEERS / "bin" / "pip", "install", "--quiet", "twine"], check=True)
    return program


def median(rounds, *command):
    """The median of the seconds that a command takes; one run before is not counted."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def unzip_all(wheels):
    """`unzip -t` of every wheel, one after the other, as a shell would."""
    for wheel in wheels:
        subprocess.run(["unzip", "-tqq", wheel], stdout=subprocess.DEVNULL, check=False)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder, rounds = pathlib.Path(sys.argv[1]), int((sys.argv[2:] or ["9"])[0])
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        sys.exit(f"no wheels in {folder}")
    size = sum(wheel.stat().st_size for wheel in wheels)
    together = median(rounds, PROGRAM, "check", *wheels)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        unzip_all(wheels)
        seconds.append(time.perf_counter() - start)
    unzip = statistics.median(seconds)
    print(f"{len(wheels)} wheels, {size / 1e6:.1f} MB: shipway check {together:.3f} s, unzip -t {unzip:.3f} s, "
          f"ratio {together / unzip:.2f} (bar 0.30)")
    checker = twine()
    version = subprocess.run([checker, "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    for wheel in sorted(wheels, key=lambda wheel: wheel.stat().st_size)[:3]:
        own = median(rounds * 5, PROGRAM, "check", wheel)
        other = median(max(rounds // 2, 3), checker, "check", "--strict", wheel)
        print(f"{wheel.name}: shipway check {own * 1e3:.1f} ms, twine {version} check --strict {other * 1e3:.0f} ms, "
              f"{other / own:.0f} times (bar 60)")


if __name__ == "__main__":
    main()
