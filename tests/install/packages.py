"""Packages made for a test: wheels and sources of a few bytes, real ones packed again, an index of them.

`python tests/install/packages.py FOLDER` puts newer releases than the lock's, all made up, into FOLDER: CI
makes its environment with them in sight.
"""

import base64
import hashlib
import http.server
import io
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

# Each would be taken by an installation that asks which releases there are: by name, by extra, or to build.
NEWER = ("coverage", "pytest-cov", "connection-pool", "setuptools", "pip", "numpy", "snakemake")
UNHEARD_OF = "9999.0"


def wheel(folder: Path, name: str, version: str, *, requires: tuple[str, ...] = (), extra: str = "") -> Path:
    """A wheel whose one module knows its version; *requires* and *extra* become its metadata."""
    module = name.replace("-", "_")
    metadata = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {each}" for each in requires)]
    metadata += [f"Provides-Extra: {extra}"] if extra else []
    return _zipped(
        folder / f"{module}-{version}-py3-none-any.whl",
        f"{module}-{version}.dist-info",
        {
            f"{module}.py": f"__version__ = {version!r}\n".encode(),
            f"{module}-{version}.dist-info/METADATA": "\n".join(
                ["Metadata-Version: 2.1", *metadata, ""]
            ).encode(),
            f"{module}-{version}.dist-info/WHEEL": (
                b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            ),
        },
    )


def packed(folder: Path, name: str) -> Path:
    """The wheel of a package of plain Python that is installed here, packed again from its files."""
    installed = distribution(name)
    files = {
        str(file): Path(file.locate()).read_bytes()
        for file in installed.files or ()
        if ".." not in file.parts
        and file.suffix != ".pyc"
        and file.name not in ("RECORD", "INSTALLER", "REQUESTED")
    }
    about = next(file.split("/")[0] for file in files if file.endswith(".dist-info/METADATA"))
    return _zipped(folder / f"{name}-{installed.version}-py3-none-any.whl", about, files)


def source(folder: Path, name: str, version: str) -> Path:
    """A source archive as of old: a setup.py, and no word of what builds it."""
    module = name.replace("-", "_")
    path = folder / f"{module}-{version}.tar.gz"
    told = f"name={name!r}, version={version!r}, py_modules=[{module!r}]"
    files = {
        "setup.py": f"import setuptools\nsetuptools.setup({told})\n",
        f"{module}.py": f"__version__ = {version!r}\n",
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
    }
    with tarfile.open(path, "w:gz") as archive:
        for file, text in files.items():
            entry = tarfile.TarInfo(f"{module}-{version}/{file}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def digest(path: Path) -> str:
    """The SHA-256 of a file, as a lock writes it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def index(folder: Path, met: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Serve the files of *folder* as a package index on loopback; *met* hears the path of each request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            met(self.path)
            kind, name = self.path.strip("/").split("/", 1)
            if kind == "files":
                body, content_type = (folder / name).read_bytes(), "application/octet-stream"
            else:
                names = [file.name for file in folder.iterdir() if _project(file.name) == name]
                links = "".join(f'<a href="/files/{file}">{file}</a><br>' for file in sorted(names))
                body, content_type = f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html"
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple"
        server.shutdown()


def _project(file: str) -> str:
    return file.split("-", 1)[0].replace("_", "-").lower()


def _zipped(path: Path, about: str, files: dict[str, bytes]) -> Path:
    record = f"{about}/RECORD"
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for name, content in files.items()
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**files, record: "\n".join([*lines, f"{record},,", ""]).encode()}.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for package in NEWER:
        print(wheel(target, package, UNHEARD_OF))
