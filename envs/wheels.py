"""Whether the lock can be installed from wheels on every machine that it is for: `make wheels-check`.

pip's dry run is asked for each target: macOS on Apple silicon and Linux on both architectures, each Python.
What has no wheel for a target is built there by the lock's own setuptools: `BUILT` says which. A pin that is
in neither fails, and so does one of `BUILT` that has got its wheel: then the exception goes. Each wheel must
be one whose hash the lock names.
"""

import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

LOCK = Path(__file__).with_name("requirements.lock")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
_GLIBC = [f"manylinux_2_{minor}" for minor in range(28, 4, -1)] + [
    "manylinux2014",
    "manylinux2010",
    "manylinux1",
]
PLATFORMS = {
    "macOS 14, arm64": ("darwin", "arm64", ["macosx_14_0_arm64"]),
    "Linux, x86_64": ("linux", "x86_64", [f"{glibc}_x86_64" for glibc in _GLIBC]),
    "Linux, aarch64": ("linux", "aarch64", [f"{glibc}_aarch64" for glibc in _GLIBC]),
}
# (pin's name, Python): why there is no wheel to be had. Each is built by the lock's setuptools.
BUILT = {
    **{("connection-pool", python): "no wheel at all; plain Python" for python in PYTHONS},
    ("immutables", "3.14"): "no wheel for 3.14 yet; plain C, a Mac's command line tools or gcc build it",
}


def pins(lock: str) -> list[tuple[str, str, str, set[str]]]:
    """Each pin of *lock*: its name, `name==version`, its marker or nothing, and its hashes."""
    found = []
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock.strip()):
        head, _, rest = block.partition("\\\n")
        pin, _, marker = (part.strip() for part in head.partition(";"))
        found.append((pin.split("==")[0], pin, marker, set(re.findall(r"--hash=sha256:(\w+)", rest))))
    return found


def wanted(lock: str, system: str, machine: str, python: str) -> list[tuple[str, str, str, set[str]]]:
    """The pins that this target installs."""
    # pip judges markers by the machine that it runs on, whatever it is told of the target.
    target = {
        "sys_platform": system,
        "platform_machine": machine,
        "platform_system": {"darwin": "Darwin"}.get(system, "Linux"),
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    return [pin for pin in pins(lock) if not pin[2] or Marker(pin[2]).evaluate(target)]


def dry_run(requirements: list[str], platforms: list[str], python: str) -> tuple[dict[str, str], str]:
    """The hash of each wheel that pip would install, by name, and what pip said where it found none."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pins.txt")
        file.write_text("\n".join(requirements))
        target = ["--python-version", python, "--implementation", "cp", "--target", folder]
        target += [word for platform in platforms for word in ("--platform", platform)]
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--dry-run",
            "-qq",
            "--no-deps",
            "--only-binary=:all:",
        ]
        command += ["--ignore-installed", "--report", f"{folder}/report", "--requirement", str(file), *target]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            return {}, run.stderr.strip()
        report = json.loads(Path(folder, "report").read_text())
    return {
        canonicalize_name(item["metadata"]["name"]): item["download_info"]["archive_info"]["hashes"]["sha256"]
        for item in report["install"]
    }, ""


def check(target: str, python: str) -> list[str]:
    """What is wrong with the lock on this target, a line each."""
    system, machine, platforms = PLATFORMS[target]
    asked = wanted(LOCK.read_text(), system, machine, python)
    expected = [pin for pin in asked if (pin[0], python) not in BUILT]
    wheels, error = dry_run([pin for _, pin, _, _ in expected], platforms, python)
    if error:
        return [error.splitlines()[-1]]
    return [
        f"the wheel of {pin} is none whose hash the lock names"
        for name, pin, _, hashes in expected
        if wheels.get(name) not in hashes
    ] + [
        f"{pin} has a wheel now: take it out of BUILT in envs/wheels.py"
        for name, pin, _, _ in asked
        if (name, python) in BUILT and not dry_run([pin], platforms, python)[1]
    ]


def main() -> int:
    """Ask for every target, a line each; 1 where one cannot be installed."""
    targets = [(target, python) for target in PLATFORMS for python in PYTHONS]
    wrong = 0
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda each: check(*each), targets)
        for (target, python), lines in zip(targets, found, strict=True):
            built = ", ".join(sorted(name for name, version in BUILT if version == python))
            said = "; ".join(lines) or f"all there, but for those built: {built}"
            print(f"wheels: {target}, Python {python}: {said}", flush=True)
            wrong += bool(lines)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
