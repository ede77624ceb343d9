"""The ladder to Prometheus' four programs: on PATH, else out of Docker's images, else out of Debian's packages.

Fetched ones lie in the user's cache, a folder for each version, shared by all stacks: written aside, tried and
renamed, so it holds whole, running programs or none. They run as processes of the user's own whichever rung they
came by, on the loopback interface: what they watch listens there too.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from connectors.local import debian, docker
from connectors.local.faults import StackError
from connectors.local.locks import lock_within, try_lock
from connectors.local.progress import Progress

PACKAGES = ("prometheus", "prometheus-alertmanager")  # Debian's
NAMES = {  # a program, and what it may be called: Debian's first
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "amtool": ("amtool",),
}
LOCK_SECONDS = 700.0  # another process fetches meanwhile: apt's three bounds together
VERSION_SECONDS = 30.0  # a first start reads 90 MB from a disk
# Where Debian's builds look for their pages, and for templates without which Alertmanager does not start; and text of
# the same length that names it below the folder they work in, `Tools.root`. They have no option for it.
_SHARED = b"/usr/share/prometheus/"
_SHARED_HERE = b"usr/share/prometheus//"
assert len(_SHARED) == len(_SHARED_HERE)
_VERSION = re.compile(r"version (\d+\.\d+\.\d+)")
WAYS_OUT = (
    "Ways out: install Prometheus and Alertmanager by your own means so that prometheus, promtool, alertmanager and "
    "amtool are on PATH (Debian and Ubuntu: apt-get install prometheus prometheus-alertmanager; macOS: brew install "
    "prometheus alertmanager); start Docker; set http_proxy and https_proxy if this machine reaches the network "
    "through a proxy; or copy the folder prometheus-* of another machine's cache into {cache}."
)


class Tools(NamedTuple):
    """Absolute paths of the four programs, the version of Prometheus, and the rung they came by."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path
    version: str
    by: str

    @property
    def root(self) -> Path:
        """The folder in which the programs work: above their usr/bin, where there is one."""
        return self.alertmanager.parents[2] if self.by != "PATH" else self.alertmanager.parent


def cache_folder() -> Path:
    """The user's cache: $XDG_CACHE_HOME/tally, or ~/.cache/tally."""
    return Path(os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")) / "tally"


def find(progress: Progress, *, use_docker: bool = True) -> Tools:
    """The four programs, fetched if need be; safe for many processes at once.

    Raises:
        StackError: no rung holds; the message has each one's reason and the ways out.
    """
    if tools := _of(debian.search_path().split(os.pathsep), "PATH"):
        return tools
    cache = cache_folder()
    if tools := _cached(cache):
        return tools
    with _alone(cache, progress):
        if tools := _cached(cache):  # fetched by the one we waited for
            return tools
        return _fetch(cache, progress, use_docker=use_docker)


def _of(folders: list[str], by: str) -> Tools | None:
    """The programs in those folders, if all four are there and Prometheus starts."""
    paths = os.pathsep.join(folders)
    found: dict[str, Path] = {}
    for program, names in NAMES.items():
        path = next(filter(None, (shutil.which(name, path=paths) for name in names)), None)
        if path is None:
            return None
        found[program] = Path(path).absolute()
    version = _version(found["prometheus"])
    return None if version is None else Tools(**found, version=version, by=by)


def _version(prometheus: Path) -> str | None:
    """What it says of itself; None where it does not run here, say for another processor."""
    try:
        said = subprocess.run(
            [prometheus, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(said.stdout + said.stderr)
    return None if match is None or said.returncode != 0 else match[1]


def _cached(cache: Path) -> Tools | None:
    """The newest in the cache that runs here."""
    folders = [path for path in cache.glob(f"prometheus-*-{platform.machine()}") if path.is_dir()]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
        if tools := _of([str(folder / "usr" / "bin")], "cache"):
            return tools
    return None


@contextlib.contextmanager
def _alone(cache: Path, progress: Progress) -> Iterator[None]:
    """Nobody else fetches into the cache meanwhile."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / "prometheus.lock").open("a")
    except OSError as error:
        raise StackError(
            f"cannot keep Prometheus in {cache}: {error.strerror}. Make that folder writable, or set XDG_CACHE_HOME."
        ) from None
    with lock:
        if not try_lock(lock):
            progress("Prometheus: another process is fetching it", 0, 0)
            if not lock_within(lock, LOCK_SECONDS):
                raise StackError(
                    f"another process has been fetching Prometheus into {cache} for {LOCK_SECONDS:g} s. "
                    f"See what holds {lock.name}, end it, and try again."
                )
        yield


def _fetch(cache: Path, progress: Progress, *, use_docker: bool) -> Tools:
    """By the rungs that fetch, in their order; the first that holds."""
    for left in cache.glob(".prometheus-*"):  # by one that was killed: nobody else is here now
        shutil.rmtree(left, ignore_errors=True)
    reasons = ["they are not on PATH"]
    rungs = {"Docker": _from_docker, "Debian's packages": _from_debian}
    if not use_docker or sys.platform != "linux" or not docker.engine_answers():
        del rungs["Docker"]
        reasons.append("Docker is not used" if not use_docker else "no Docker engine answers that has programs for us")
    for by, rung in rungs.items():
        aside = Path(tempfile.mkdtemp(prefix=".prometheus-", dir=cache))
        try:
            whole = rung(aside, progress)
            tools = _of([str(whole / "usr" / "bin")], by)
            if tools is None:
                raise StackError("what was fetched does not run on this machine")
            return _kept(whole, cache, tools)
        except StackError as error:
            reasons.append(f"{by}: {error}")
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    raise StackError(
        "Prometheus and Alertmanager cannot be had here: " + ";\n".join(reasons) + "\n" + WAYS_OUT.format(cache=cache)
    )


def _kept(whole: Path, cache: Path, tools: Tools) -> Tools:
    """Renamed to where it stays; a folder of that name which does not run here makes room."""
    folder = cache / f"prometheus-{tools.version}-{platform.machine()}"
    shutil.rmtree(folder, ignore_errors=True)
    os.utime(whole)  # the newest; dpkg leaves the package's own time
    whole.replace(folder)
    kept = _of([str(folder / "usr" / "bin")], tools.by)
    assert kept is not None, folder
    return kept


def _from_debian(aside: Path, progress: Progress) -> Path:
    whole = aside / "whole"
    debian.unpack(PACKAGES, whole, progress)
    for program in ("prometheus", "prometheus-alertmanager"):
        path = whole / "usr" / "bin" / program
        path.write_bytes(path.read_bytes().replace(_SHARED, _SHARED_HERE))
    for folder in ("usr/share/doc", "usr/share/man", "usr/share/lintian"):
        shutil.rmtree(whole / folder, ignore_errors=True)
    return whole


def _from_docker(aside: Path, progress: Progress) -> Path:
    progress("Prometheus and Alertmanager: images of Docker", 0, 0)
    folder = aside / "whole" / "usr" / "bin"
    folder.mkdir(parents=True)
    docker.copy_programs(docker.PROMETHEUS_IMAGE, ("prometheus", "promtool"), folder)
    docker.copy_programs(docker.ALERTMANAGER_IMAGE, ("alertmanager", "amtool"), folder)
    return aside / "whole"
