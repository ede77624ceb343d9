"""Each peer's own environment, made once and kept in a cache: a virtual environment, or jars built by Maven.

Its folder is named by a digest of what it is made of, so that another version is another folder. Half of one is never
used: a mark is written last.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from connectors.local import jars

HERE = Path(__file__).parent
DONE = "done"
MAKE_SECONDS_MAX = 900  # some hundred MB of packages over a slow line
LAST_LINES = 8  # of a tool that failed
_PLAIN = {"PYTHONPATH": "", "PYTHONNOUSERSITE": "1"}  # a peer sees nothing of this project


class Absent(RuntimeError):
    """A peer cannot run here; the message says what is missing."""


def cache_folder() -> Path:
    """Beside Kafka's jars, in the user's cache."""
    return jars.cache_folder().parent / "peers"


def python(peer: str, cache: Path) -> Path:
    """The Python of a peer's virtual environment.

    Raises:
        Absent: its packages cannot be installed.
    """
    requirements = HERE / "requirements" / f"{peer}.txt"
    folder = cache / f"{peer}-{_digest([requirements], sys.version)}"
    found = folder / "bin" / "python"
    if (folder / DONE).exists():
        return found
    _call([sys.executable, "-m", "venv", "--clear", str(folder)], folder.parent, f"a virtual environment for {peer}")
    install = [str(found), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes"]
    _call([*install, "--requirement", str(requirements)], folder, f"the packages of {peer}")
    (folder / DONE).touch()
    return found


def class_path(peer: str, cache: Path) -> str:
    """Classes and jars of a JVM peer.

    Raises:
        Absent: no JDK, no Maven, or the build fails.
    """
    missing = [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]
    if missing:
        raise Absent(f"not on this machine: {', '.join(missing)}; it needs a JDK 17 or later and Maven")
    sources = sorted([*(HERE / "java" / peer).iterdir(), *(HERE / "java" / "shared").iterdir()])
    folder = cache / f"{peer}-{_digest(sources, _java_said())}"
    target = folder / "target"
    if not (folder / DONE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "src").mkdir(parents=True)
        for source in sources:
            shutil.copy(source, folder if source.name == "pom.xml" else folder / "src")
        _call(["mvn", "-q", "-B", "package"], folder, f"{peer} by Maven")
        (folder / DONE).touch()
    return os.pathsep.join((str(target / "classes"), str(target / "lib" / "*")))


def pinned(peer: str, package: str) -> str:
    """The version of a package that a peer's requirements name."""
    text = (HERE / "requirements" / f"{peer}.txt").read_text(encoding="utf-8")
    (found,) = (line for line in text.splitlines() if line.startswith(f"{package}=="))
    return found.removeprefix(f"{package}==").rstrip("\\ ")


def depended(peer: str, artifact: str) -> str:
    """The version of an artifact that a peer's pom names."""
    text = (HERE / "java" / peer / "pom.xml").read_text(encoding="utf-8")
    return text.partition(f"<artifactId>{artifact}</artifactId>")[2].partition("<version>")[2].partition("<")[0]


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """What is set anew for a peer's process."""
    return {**_PLAIN, **more}


def java_version() -> str:
    """Of the JVM that the JVM peers run on, which is the one on the PATH; empty where there is none."""
    if shutil.which("java") is None:
        return ""
    found = re.search(r'version "([^"]+)"', _java_said())
    return found[1] if found else ""


def _java_said() -> str:
    return subprocess.run(["java", "-version"], stderr=subprocess.PIPE, text=True, check=True).stderr


def _digest(files: Sequence[Path], more: str) -> str:
    digest = hashlib.sha256(more.encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _call(command: Sequence[str], folder: Path, what: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MAKE_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Absent(f"{what}: not made within {MAKE_SECONDS_MAX} s") from None
    if done.returncode:
        said = " / ".join(done.stdout.strip().splitlines()[-LAST_LINES:])
        raise Absent(f"{what}: {command[0]} failed with {done.returncode}: {said}")
