"""Programs out of Debian's packages, without root and without installing them: fetched by apt into folders of our own.

apt has the machine's own sources, keys and proxy, but its lists and archives are ours and are removed afterwards;
nothing of the machine's package state is read but what is installed, and nothing of it is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from connectors.local.faults import LOG_LINES_SHOWN, StackError
from connectors.local.progress import Progress

UPDATE_SECONDS = 300.0  # 23 s here, of which most is the 9 MB of package lists
DOWNLOAD_SECONDS = 300.0  # 29 MB: some seconds
UNPACK_SECONDS = 60.0  # 136 MB on a slow disk
ACQUIRE = ("Acquire::Retries=2", "Acquire::http::Timeout=20", "Acquire::https::Timeout=20")  # seconds without a byte
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")  # of a bare PATH


def search_path() -> str:
    """PATH, and behind it where a system keeps its own programs: apt and dpkg call others by their bare names."""
    return os.pathsep.join([*filter(None, [os.environ.get("PATH", "")]), *SYSTEM_FOLDERS])


def unpack(packages: Sequence[str], into: Path, progress: Progress) -> dict[str, str]:
    """The newest of those packages, unpacked into the folder `into`, which is made; their versions by name.

    Raises:
        StackError: a program is missing here, or apt cannot fetch them; says which and why.
    """
    apt, dpkg = _programs()
    aside = Path(tempfile.mkdtemp(prefix=".apt-", dir=into.parent))
    try:
        options = _options(aside)
        progress("Debian's package lists", 0, 0)
        _run([apt, *options, "update"], aside, UPDATE_SECONDS)
        progress(f"Debian's packages {' '.join(packages)}", 0, 0)
        _run([apt, *options, "download", *packages], aside, DOWNLOAD_SECONDS)
        versions = {}
        for package in packages:
            (file,) = aside.glob(f"{package}_*.deb")
            _run([dpkg, "-x", str(file), str(into)], aside, UNPACK_SECONDS)
            versions[package] = _run([dpkg, "-f", str(file), "Version"], aside, UNPACK_SECONDS).strip()
        return versions
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _programs() -> tuple[str, str]:
    found = {name: shutil.which(name, path=search_path()) for name in ("apt-get", "dpkg-deb", "tar")}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise StackError(f"this machine has no {' and no '.join(missing)}, it is no Debian or Ubuntu")
    assert found["apt-get"] is not None and found["dpkg-deb"] is not None
    return found["apt-get"], found["dpkg-deb"]


def _options(aside: Path) -> list[str]:
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (aside / folder).mkdir(parents=True)
    settings = [
        f"Dir::State={aside / 'state'}",
        f"Dir::Cache={aside / 'cache'}",
        "Dir::State::status=/var/lib/dpkg/status",
        "APT::Sandbox::User=root",  # as root, apt would fetch as a user who may not enter this folder
        *ACQUIRE,
    ]
    return ["-q", *[word for setting in settings for word in ("-o", setting)]]


def _run(command: list[str], folder: Path, seconds: float) -> str:
    environment = {**os.environ, "PATH": search_path(), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    what = " ".join([Path(command[0]).name, *[word for word in command[1:] if not word.startswith(("-o", "/", "Dir"))]])
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"`{what}` did not end within {seconds:g} s") from None
    except OSError as error:
        raise StackError(f"`{what}` cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-LOG_LINES_SHOWN:])
        raise StackError(f"`{what}` failed with exit code {done.returncode}:\n{said}")
    return done.stdout
